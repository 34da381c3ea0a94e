"""Recency, frequency and monetary value: the axis `rfm` of the current run, as answers.

Takes its model, three figures or a customer's id, and a connection; gives plain values for JSON.
Segment and strength are those of the batch's own `assign_axis`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from segpipe.answers.profile import read_profile
from segpipe.core.arrays import Floats
from segpipe.core.errors import SegpipeError
from segpipe.core.schema import RFM_AXIS as AXIS
from segpipe.core.schema import RFM_SCORE
from segpipe.model.assign import Tally, as_published, assign_axis
from segpipe.model.derived import derive
from segpipe.model.document import AxisModel, Model, raw_measures_of
from segpipe.model.preprocessing import scale_matrix
from segpipe.postgres import Connection, fetch_dicts, plain_errors, sql
from segpipe.runs.current_run import CURRENT_RUN
from segpipe.runs.measures import columns_of, read_measures
from segpipe.runs.profiles_table import StoreTable, profiles_schema

Number = float | None
_MEASURES = {  # what the axis may look at → the figure that it is
    "recency_days": "recency",
    "n_occasions": "frequency",
    "n_orders": "frequency",  # in models of the first edition
    "lifetime_value": "monetary",
    "tenure_days": "tenure",
}
_PROFILE_COLUMNS = {  # of a profile; orders stand in where no table has the days with an order
    "recency": "days_since_last_purchase",
    "frequency": "total_orders",
    "monetary": "lifetime_value",
}
_STATISTICS = ("mean", "median", "min", "max")
_IDENTITY = ("customer_id", "store_id", "run", "written_by_run_id", "is_absent")


class NoRfmError(SegpipeError):
    """The current run cannot answer about recency, frequency and value."""


def assign_rfm(
    model: Model, recency: float, frequency: float, monetary: float, tenure: Number = None
) -> dict[str, Any]:
    """Segment of these figures, confidence in it (its strength), and their scores, such as 543.

    Figures are days since the last order, days with an order, lifetime value, and days since the
    first order, which tell a new customer: of one day with an order it is that of the last one.
    `distance_to_center` is Euclidean, in standardised features, and None without centroids. Raises
    NoRfmError where the model has no such axis.
    """
    axis = _axis_of(model)
    figures: dict[str, Number] = {
        "recency": recency,
        "frequency": frequency,
        "monetary": monetary,
        "tenure": recency if tenure is None and frequency == 1 else tenure,
    }
    codes, strengths = assign_axis(axis, _columns(figures), 1, Tally())
    name = axis.vocabulary()[codes[0]]
    return _answer(axis, name, float(as_published(strengths)[0]), figures)


def rfm_of_customer(
    connection: Connection, store_id: str, model: Model, customer_id: str
) -> dict[str, Any] | None:
    """The same of a published customer, by the profile's own segment; None where there is none.

    `run` is the current one as the profile is read: where it is not the model's, the caller's model
    is old. Raises NoRfmError, also for an absent customer who never had the axis.
    """
    axis = _axis_of(model)
    profile = read_profile(connection, store_id, customer_id)
    if profile is None:
        return None
    name = profile["segment_memberships"].get(AXIS)
    if name is None:
        msg = f"The customer's profile is of run {profile['written_by_run_id']}, which had no axis"
        raise NoRfmError(f"{msg} {AXIS}; it comes with the next run whose file has the customer.")
    figures = _figures_of(connection, profile)
    answer = _answer(axis, name, profile["membership_strengths"][AXIS], figures)
    return {**{key: profile[key] for key in _IDENTITY}, **answer}


def rfm_stats(
    connection: Connection, store_id: str, run_id: int
) -> dict[str, dict[str, dict[str, float] | int]]:
    """Segment → n_customers, and mean, median, min and max of recency, frequency and monetary.

    Over all customers of the run, in one statement; empty where another run is current by then.
    """
    with plain_errors():
        table = _measures_table(connection, store_id, run_id)
        columns = {name: sql.Identifier("p", column) for name, column in _PROFILE_COLUMNS.items()}
        joined: sql.Composable = sql.SQL("")
        if table:
            columns["frequency"] = sql.Identifier("m", "n_occasions")
            joined = sql.SQL("JOIN {} AS m USING (customer_id)").format(table.identifier)
        query = sql.SQL(
            """
            SELECT segment_memberships->>%(axis)s AS segment, count(*) AS n_customers, {summaries}
            FROM customer_profiles AS p {joined}
            WHERE store_id = %(store_id)s AND absent_since_run_id IS NULL
                AND segment_memberships->>%(axis)s IS NOT NULL
                AND %(run_id)s = (SELECT run_id FROM {current_run})
            GROUP BY 1 ORDER BY n_customers DESC, segment
            """
        ).format(
            summaries=sql.SQL(", ").join(_summary(*column) for column in columns.items()),
            joined=joined,
            current_run=sql.SQL(CURRENT_RUN),
        )
        named = {"store_id": store_id, "run_id": run_id, "axis": AXIS}
        rows = fetch_dicts(connection, query.as_string(connection), named)
    return {
        row["segment"]: {
            "n_customers": row["n_customers"],
            **{
                figure: {key: row[f"{figure}_{key}"] for key in _STATISTICS}
                for figure in _PROFILE_COLUMNS
            },
        }
        for row in rows
    }


def _axis_of(model: Model) -> AxisModel:
    found = [axis for axis in model.axes if axis.name == AXIS]
    if not found:
        msg = f"The current run has no axis {AXIS}; publish one that has:"
        raise NoRfmError(f"{msg} segpipe run --csv-path FILE --axis-file {AXIS}")
    axis = found[0]
    others = [measure for measure in raw_measures_of([axis]) if measure not in _MEASURES]
    if others:
        msg = f"The axis {AXIS} of the current run also looks at {others[0]}, which was not given;"
        raise NoRfmError(f"{msg} expected {', '.join(_MEASURES)}. Use the shipped axis.")
    return axis


def _columns(figures: Mapping[str, Number]) -> dict[str, Floats]:
    known = {name: math.nan if value is None else value for name, value in figures.items()}
    return {measure: np.array([float(known[name])]) for measure, name in _MEASURES.items()}


def _figures_of(connection: Connection, profile: Mapping[str, Any]) -> dict[str, Number]:
    """Of a published customer, by the measures of the run that wrote the profile."""
    figures: dict[str, Number] = {
        figure: profile["metrics"][column] for figure, column in _PROFILE_COLUMNS.items()
    }
    run_id, store_id = profile["written_by_run_id"], profile["store_id"]
    measures = read_measures(connection, store_id, run_id, profile["customer_id"]) or {}
    n_occasions = measures.get("n_occasions")
    if n_occasions is not None:
        figures["frequency"] = int(n_occasions)
    return {**figures, "tenure": profile["metrics"]["customer_tenure_days"]}


def _measures_table(connection: Connection, store_id: str, run_id: int) -> StoreTable | None:
    """The run's table with the days with an order; None where there is none."""
    row = connection.execute(
        "SELECT measures_table FROM segmentation_runs WHERE store_id = %s AND run_id = %s",
        [store_id, run_id],
    ).fetchone()
    if row is None or row[0] is None:
        return None
    table = StoreTable(profiles_schema(connection), row[0])
    return table if "n_occasions" in columns_of(connection, table) else None


def _answer(
    axis: AxisModel, name: str, confidence: float, figures: Mapping[str, Number]
) -> dict[str, Any]:
    columns = _columns(figures)
    score = float(derive(columns, [RFM_SCORE], axis.priors)[RFM_SCORE][0])
    return {
        "segment_id": _segment_id(axis, name),
        "segment_name": name,
        "confidence": confidence,
        "distance_to_center": _distance(axis, name, columns),
        "scores": None if math.isnan(score) else f"{score:.0f}",
        **figures,
    }


def _segment_id(axis: AxisModel, name: str) -> int | None:
    """As in segment_definitions, where states count down; None for a name of an older run."""
    ids = {segment.name: segment.segment_id for segment in axis.segments}
    states = axis.vocabulary()[len(axis.segments) :]
    ids |= {state: -number for number, state in enumerate(states, start=1)}
    return ids.get(name)


def _distance(axis: AxisModel, name: str, columns: Mapping[str, Floats]) -> float | None:
    """From the figures to the centre of the segment; None for a rule or a state, without one."""
    names = [segment.name for segment in axis.segments]
    if axis.partition is None or name not in names:
        return None
    own = derive(columns, [scale.measure for scale in axis.scales], axis.priors)
    (point,) = scale_matrix(own, axis.scales)
    return axis.partition.distance(point, names.index(name))


def _summary(figure: str, column: sql.Identifier) -> sql.Composed:
    """Columns of a grouped query: the four figures of one measure, as doubles."""
    names = {name: sql.Identifier(f"{figure}_{name}") for name in _STATISTICS}
    return sql.SQL(
        "avg({value}) AS {mean},"
        " percentile_cont(0.5) WITHIN GROUP (ORDER BY {value}) AS {median},"
        " min({value}) AS {min}, max({value}) AS {max}"
    ).format(value=sql.SQL("{}::double precision").format(column), **names)
