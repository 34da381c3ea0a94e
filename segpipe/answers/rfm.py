"""Recency, frequency and monetary value: the axis `rfm` of the current run, as answers.

Takes its model, three figures or a customer's id, and a connection; gives plain values for JSON.
Segment and strength are those of the batch's own `assign_axis`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segpipe.answers.profile import read_profile
from segpipe.core.arrays import Floats
from segpipe.core.errors import SegpipeError
from segpipe.core.schema import STRENGTH_STEPS
from segpipe.model.assign import Tally, assign_axis
from segpipe.model.document import AxisModel, Model
from segpipe.model.preprocessing import scale_matrix
from segpipe.postgres import Connection, fetch_dicts, plain_errors
from segpipe.runs.current_run import CURRENT_RUN

AXIS = "rfm"
_MEASURES = {"recency": "recency_days", "frequency": "n_orders", "monetary": "lifetime_value"}
_PROFILE_COLUMNS = {  # of a profile: the same figures
    "recency": "days_since_last_purchase",
    "frequency": "total_orders",
    "monetary": "lifetime_value",
}
_STATISTICS = ("mean", "median", "min", "max")
_IDENTITY = ("customer_id", "store_id", "run", "written_by_run_id", "is_absent")


class NoRfmError(SegpipeError):
    """The current run cannot answer about recency, frequency and value."""


def assign_rfm(model: Model, recency: float, frequency: float, monetary: float) -> dict[str, Any]:
    """Segment of these figures, confidence in it (its strength), and distance to its centre.

    Figures are days since the last order, orders, and lifetime value. The distance is Euclidean,
    in standardised features, None in a state. Raises NoRfmError where the model has no such axis.
    """
    axis = _axis_of(model)
    figures = {"recency": recency, "frequency": frequency, "monetary": monetary}
    columns = _columns(figures)
    codes, strengths = assign_axis(axis, columns, 1, Tally())
    name = axis.vocabulary()[codes[0]]
    confidence = float(np.rint(strengths[0] * STRENGTH_STEPS)) / STRENGTH_STEPS  # as published
    return _answer(axis, name, confidence, figures)


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
    figures = {figure: profile["metrics"][column] for figure, column in _PROFILE_COLUMNS.items()}
    answer = _answer(axis, name, profile["membership_strengths"][AXIS], figures)
    return {**{key: profile[key] for key in _IDENTITY}, **answer}


def rfm_stats(
    connection: Connection, store_id: str, run_id: int
) -> dict[str, dict[str, dict[str, float] | int]]:
    """Segment → n_customers, and mean, median, min and max of recency, frequency and monetary.

    Over all customers of the run, in one statement; empty where another run is current by then.
    """
    summaries = ", ".join(_summary(figure, column) for figure, column in _PROFILE_COLUMNS.items())
    with plain_errors():
        rows = fetch_dicts(
            connection,
            f"""
            SELECT segment_memberships->>%(axis)s AS segment, count(*) AS n_customers, {summaries}
            FROM customer_profiles
            WHERE store_id = %(store_id)s AND absent_since_run_id IS NULL
                AND segment_memberships->>%(axis)s IS NOT NULL
                AND %(run_id)s = (SELECT run_id FROM {CURRENT_RUN})
            GROUP BY 1 ORDER BY n_customers DESC, segment
            """,
            {"store_id": store_id, "run_id": run_id, "axis": AXIS},
        )
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
    asked = [scale.measure for scale in axis.scales] + [rule.measure for rule in axis.eligibility]
    others = [measure for measure in asked if measure not in _MEASURES.values()]
    if others:
        msg = f"The axis {AXIS} of the current run also looks at {others[0]}, which was not given;"
        raise NoRfmError(f"{msg} expected {', '.join(_MEASURES.values())}. Use the shipped axis.")
    return axis


def _columns(figures: dict[str, float]) -> dict[str, Floats]:
    return {measure: np.array([float(figures[name])]) for name, measure in _MEASURES.items()}


def _answer(
    axis: AxisModel, name: str, confidence: float, figures: dict[str, float]
) -> dict[str, Any]:
    return {
        "segment_id": _segment_id(axis, name),
        "segment_name": name,
        "confidence": confidence,
        "distance_to_center": _distance(axis, name, figures),
        **figures,
    }


def _segment_id(axis: AxisModel, name: str) -> int | None:
    """As in segment_definitions, where states count down; None for a name of an older run."""
    ids = {segment.name: segment.segment_id for segment in axis.segments}
    states = axis.vocabulary()[len(axis.segments) :]
    ids |= {state: -number for number, state in enumerate(states, start=1)}
    return ids.get(name)


def _distance(axis: AxisModel, name: str, figures: dict[str, float]) -> float | None:
    """From the figures to the centre of the segment; None for a state, which has none."""
    names = [segment.name for segment in axis.segments]
    if axis.partition is None or name not in names:
        return None
    (point,) = scale_matrix(_columns(figures), axis.scales)
    return axis.partition.distance(point, names.index(name))


def _summary(figure: str, column: str) -> str:
    """Columns of a grouped query: the four figures of one measure, as doubles."""
    value = f"{column}::double precision"
    return (
        f"avg({value}) AS {figure}_mean,"
        f" percentile_cont(0.5) WITHIN GROUP (ORDER BY {value}) AS {figure}_median,"
        f" min({value}) AS {figure}_min, max({value}) AS {figure}_max"
    )
