"""Customers by hand over several runs, for the tests of transitions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from segpipe import publishing, runs
from segpipe.core.report import LoadInfo
from segpipe.core.schema import HAS_NEW_TICKET, METRICS, rescored_column, strength_column
from segpipe.postgres import Connection, fetch_dicts
from segpipe.runs import HeldBefore, PreviousRun

VALUE, TREND = AXES = ("purchase_value", "loyalty_trajectory")
MARCH, APRIL, MAY = date(2025, 3, 1), date(2025, 4, 1), date(2025, 5, 1)


@dataclass(frozen=True)
class Customer:
    """One row of a membership batch; `rescored` is its segment by the previous model."""

    segment: str = "mid_tier"
    trend: str = "steady"
    value: float = 100.0
    n_orders: int = 4
    last_order: date = date(2025, 2, 1)
    rescored: str | None = None
    has_new_ticket: bool = False
    rfm_score: str | None = None


def batch_of(
    customers: Mapping[str, Customer], as_of: date, axes: Sequence[str] = AXES
) -> pa.RecordBatch:
    rows = list(customers.values())
    columns: dict[str, pa.Array] = {"customer_id": pa.array(list(customers), pa.string())}
    for metric, kind in METRICS.items():
        arrow_type = pa.float64() if kind == "DOUBLE" else pa.int32()
        if kind != "VARCHAR":
            columns[metric] = pa.array([1] * len(rows), arrow_type)
    columns["rfm_score"] = pa.array([row.rfm_score for row in rows], pa.string())
    columns["lifetime_value"] = pa.array([row.value for row in rows], pa.float64())
    columns["total_orders"] = pa.array([row.n_orders for row in rows], pa.int32())
    days = [(as_of - row.last_order).days for row in rows]
    columns["days_since_last_purchase"] = pa.array(days, pa.int32())
    named = {VALUE: [row.segment for row in rows], TREND: [row.trend for row in rows]}
    for axis in axes:
        columns[axis] = pa.array(named.get(axis, ["new"] * len(rows))).dictionary_encode()
        columns[strength_column(axis)] = pa.array([0.5] * len(rows))
    if any(row.rescored for row in rows):
        rescored = pa.array([row.rescored or row.segment for row in rows]).dictionary_encode()
        columns[rescored_column(VALUE)] = rescored
        columns[rescored_column(TREND)] = columns[TREND]
        columns[HAS_NEW_TICKET] = pa.array([row.has_new_ticket for row in rows])
    return pa.RecordBatch.from_pydict(columns)


def measures_of(customers: Mapping[str, Customer], *more: str) -> pa.RecordBatch:
    """Orders and value of each customer as measures; each of `more` equals the orders."""
    orders = pa.array([float(row.n_orders) for row in customers.values()], pa.float64())
    columns = {
        "customer_id": pa.array(list(customers), pa.string()),
        "n_orders": orders,
        "lifetime_value": pa.array([row.value for row in customers.values()], pa.float64()),
    }
    return pa.RecordBatch.from_pydict(columns | dict.fromkeys(more, orders))


@dataclass(frozen=True)
class State:
    """The current run of a store, its rows, and the figures of each customer."""

    run_id: int | None
    profiles: list[dict[str, Any]]
    measures: dict[str, dict[str, float | None] | None]


def state_of(database: Connection, store_id: str = "default") -> State:
    profiles = fetch_dicts(
        database,
        "SELECT * FROM customer_profiles WHERE store_id = %s ORDER BY customer_id",
        [store_id],
    )
    run_id = runs.latest_published(database, store_id)
    measures = {
        name: runs.read_measures(database, store_id, run_id or 0, name)
        for name in (row["customer_id"] for row in profiles)
    }
    return State(run_id, profiles, measures)


def tables_of(database: Connection) -> set[str]:
    """Tables of runs in the database, whether or not the ledger knows them."""
    found = database.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '_[0-9a-f]{10}_r[0-9]+'"
    ).fetchall()
    return {name for (name,) in found}


def named_tables(database: Connection) -> set[str]:
    """Tables that the ledger names."""
    found = database.execute(
        "SELECT DISTINCT name FROM segmentation_runs, unnest(ARRAY["
        "profiles_table, measures_table, undo_table, measures_undo_table]) AS name"
        " WHERE name IS NOT NULL"
    ).fetchall()
    return {name for (name,) in found}


@dataclass
class Shop:
    """Publishes one run after another; by default every name keeps its segment."""

    database: Connection
    last: LoadInfo | None = None
    axes: Sequence[str] = field(default=AXES)
    store_id: str = "default"

    def publish(
        self,
        customers: Mapping[str, Customer],
        as_of: date,
        same: dict[str, dict[str, str | None]] | None = None,
        absent: str = "keep",
        *,
        keep_runs: int = 2,
        is_repeated: bool = False,
        kept_axes: Collection[str] = (),
        held_axes: Sequence[str] = (),
        held_before: HeldBefore | None = None,
        measures: Iterable[pa.RecordBatch] | None = None,
    ) -> LoadInfo:
        previous = runs.latest_published(self.database, self.store_id)
        run_id = runs.start_run(self.database, self.store_id, runs.RunFacts(as_of=as_of))
        self.last = publishing.publish(
            self.database,
            publishing.Publication(
                run_id,
                self.store_id,
                [batch_of(customers, as_of, self.axes)],
                axes=self.axes,
                previous=PreviousRun(
                    previous, same or {}, is_repeated, frozenset(kept_axes), held_before
                )
                if previous
                else None,
                held_axes=held_axes,
                as_of=as_of,
                absent=absent,
                keep_runs=keep_runs,
                measures=[measures_of(customers)] if measures is None else measures,
            ),
        )
        return self.last

    def remembered(self, customer_id: str) -> tuple[dict[str, str], dict[str, str], str]:
        """previous_segments, segment_since and first_seen_on."""
        profile = runs.show_customer(self.database, self.store_id, customer_id)
        assert profile
        first_seen = profile["first_seen_on"].isoformat()
        return profile["previous_segments"], profile["segment_since"], first_seen
