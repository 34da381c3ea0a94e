"""Customers by hand over several runs, for the tests of what is told of their moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from segpipe import load
from segpipe.load import PreviousRun
from segpipe.postgres import Connection
from segpipe.report import LoadInfo
from segpipe.schema import HAS_NEW_TICKET, METRICS, rescored_column, strength_column

VALUE, TREND = AXES = ("purchase_value", "loyalty_trajectory")
MARCH, APRIL, MAY = date(2025, 3, 1), date(2025, 4, 1), date(2025, 5, 1)


@dataclass(frozen=True)
class Customer:
    """One line of a membership batch; by `stayed` the previous model says what it said before."""

    segment: str = "mid_tier"
    trend: str = "steady"
    value: float = 100.0
    n_orders: int = 4
    last_order: date = date(2025, 2, 1)
    rescored: str | None = None
    has_new_ticket: bool = False


def batch_of(
    customers: Mapping[str, Customer], as_of: date, axes: Sequence[str] = AXES
) -> pa.RecordBatch:
    rows = list(customers.values())
    columns: dict[str, pa.Array] = {"customer_id": pa.array(list(customers), pa.string())}
    for metric, kind in METRICS.items():
        columns[metric] = pa.array([1] * len(rows), pa.float64() if kind == "DOUBLE" else "int32")
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


@dataclass
class Shop:
    """Publishes one run after another; by default every name stands for the same segment."""

    database: Connection
    last: LoadInfo | None = None
    axes: Sequence[str] = field(default=AXES)

    def publish(
        self,
        customers: Mapping[str, Customer],
        as_of: date,
        same: dict[str, dict[str, str | None]] | None = None,
        absent: str = "keep",
    ) -> LoadInfo:
        run_id = load.start_run(self.database, "default", load.RunFacts(as_of=as_of))
        self.last = load.publish(
            self.database,
            run_id,
            "default",
            [batch_of(customers, as_of, self.axes)],
            axes=self.axes,
            previous=PreviousRun(self.last.run_id, same or {}) if self.last else None,
            as_of=as_of,
            absent=absent,
        )
        return self.last

    def remembered(self, customer_id: str) -> tuple[dict[str, str], dict[str, str]]:
        """previous_segments and segment_since."""
        profile = load.show_customer(self.database, "default", customer_id)
        assert profile
        return profile["previous_segments"], profile["segment_since"]
