"""Sizes of the segments, counted in the batches that are published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from segpipe.postgres import Connection, Jsonb, insert_rows
from segpipe.runs.records import SegmentDefinition

_COUNT_COLUMNS = ("store_id", "run_id", "axis", "segment", "n_customers", "lifetime_value")
_DEFINITION_COLUMNS = (
    "store_id",
    "run_id",
    "axis",
    "segment_id",
    "segment",
    "kind",
    "description",
    "centroid",
    "n_customers",
    "share",
    "lifetime_value",
    "silhouette",
    "value_share",
    "guidance",
    "holds_for",
)


@dataclass(frozen=True)
class SegmentCounts:
    """Customers and lifetime value by (axis, segment); `add` counts one more batch."""

    axes: tuple[str, ...]
    n_customers: dict[tuple[str, str], int] = field(default_factory=dict)
    lifetime_value: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the customers of a batch."""
        values = batch["lifetime_value"].to_numpy(zero_copy_only=False)
        for axis in self.axes:
            codes = batch[axis].indices.to_numpy(zero_copy_only=False)
            names = batch[axis].dictionary.to_pylist()
            counts = np.bincount(codes, minlength=len(names)).tolist()
            sums = np.bincount(codes, weights=values, minlength=len(names)).tolist()
            for name, n_customers, total in zip(names, counts, sums, strict=True):
                if n_customers:
                    key = (axis, name)
                    self.n_customers[key] = self.n_customers.get(key, 0) + n_customers
                    self.lifetime_value[key] = self.lifetime_value.get(key, 0.0) + total

    def total(self, axis: str) -> int:
        """Customers counted on an axis: all of them, since each has one segment or state."""
        return sum(n for (found, _), n in self.n_customers.items() if found == axis)

    def shares(self) -> dict[str, dict[str, float]]:
        """Axis → segment or state → share of the customers."""
        found: dict[str, dict[str, float]] = {}
        for (axis, segment), n_customers in self.n_customers.items():
            found.setdefault(axis, {})[segment] = n_customers / self.total(axis)
        return found

    def value_shares(self) -> dict[str, dict[str, float]]:
        """Axis → segment or state → share of the lifetime value; 0 where there is none."""
        found: dict[str, dict[str, float]] = {}
        for (axis, segment), value in self.lifetime_value.items():
            value_of_all = self.total_value(axis)
            share = round(value, 2) / value_of_all if value_of_all > 0 else 0.0
            found.setdefault(axis, {})[segment] = share
        return found

    def total_value(self, axis: str) -> float:
        """Lifetime value counted on an axis."""
        return round(sum(v for (found, _), v in self.lifetime_value.items() if found == axis), 2)


def write_counts(connection: Connection, store_id: str, run_id: int, counts: SegmentCounts) -> None:
    """Store the sizes; part of the publishing transaction."""
    rows = [
        (store_id, run_id, axis, segment, n_customers, _cents(counts, axis, segment))
        for (axis, segment), n_customers in counts.n_customers.items()
    ]
    insert_rows(connection, "segment_counts", _COUNT_COLUMNS, rows)


def write_definitions(
    connection: Connection,
    store_id: str,
    run_id: int,
    definitions: Sequence[SegmentDefinition],
    counts: SegmentCounts,
    holds_for: Mapping[tuple[str, str], float] = MappingProxyType({}),
) -> None:
    """Store the segments' definitions and sizes; part of the publishing transaction.

    holds_for is the share of the customers of (axis, segment) who meet its name.
    """
    rows = []
    for item in definitions:
        n_customers = counts.n_customers.get((item.axis, item.segment), 0)
        n_all = counts.total(item.axis)
        value = _cents(counts, item.axis, item.segment)
        value_of_all = counts.total_value(item.axis)
        rows.append(
            (
                store_id,
                run_id,
                item.axis,
                item.segment_id,
                item.segment,
                item.kind,
                item.description,
                Jsonb(item.centroid) if item.centroid is not None else None,
                n_customers,
                n_customers / n_all if n_all else 0.0,
                value,
                item.silhouette,
                value / value_of_all if value_of_all > 0 else 0.0,
                Jsonb(item.guidance),
                holds_for.get((item.axis, item.segment)),
            )
        )
    insert_rows(connection, "segment_definitions", _DEFINITION_COLUMNS, rows)


def _cents(counts: SegmentCounts, axis: str, segment: str) -> float:
    """Sum without the last digits, which depend on the order of the batches."""
    return round(counts.lifetime_value.get((axis, segment), 0.0), 2)
