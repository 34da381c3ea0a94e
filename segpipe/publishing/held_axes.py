"""Axes that a run holds back: customers keep the segment and strength of their profile on them.

Takes membership batches and the store's partition; gives the batches with those columns as they
were. Customers without a profile have what the run's model says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Floats, Rows
from segpipe.core.schema import rescored_column, strength_column
from segpipe.postgres import Connection, sql
from segpipe.publishing.categories import CategoryColumn
from segpipe.publishing.previous_rows import KnownCustomers
from segpipe.runs.profiles_table import StoreTable


@dataclass(frozen=True)
class _HeldAxis:
    """Segment and strength of each row of the partition, missing where it has none."""

    segment: CategoryColumn
    strength: Floats


def held_back(
    connection: Connection,
    partition: StoreTable,
    axes: Sequence[str],
    batches: Iterable[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """The batches with the segments and strengths of the partition on these axes.

    The partition is read at once: later the connection is busy with COPY.
    """
    customers, held = _read_held(connection, partition, axes)
    return _replaced(batches, customers, held)


def _replaced(
    batches: Iterable[pa.RecordBatch], customers: KnownCustomers, held: dict[str, _HeldAxis]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = customers.find(batch["customer_id"])
        columns = {name: batch[name] for name in batch.schema.names}
        for axis, old in held.items():
            columns[axis], columns[strength_column(axis)] = _with_old(batch, axis, old, rows)
            columns.pop(rescored_column(axis), None)
        yield pa.RecordBatch.from_pydict(columns)


def _read_held(
    connection: Connection, partition: StoreTable, axes: Sequence[str]
) -> tuple[KnownCustomers, dict[str, _HeldAxis]]:
    columns = sql.SQL(", ").join(
        sql.SQL("segment_memberships->>{axis}, (membership_strengths->>{axis})::float8").format(
            axis=sql.Literal(axis)
        )
        for axis in axes
    )
    statement = sql.SQL("SELECT customer_id, {} FROM {}").format(columns, partition.identifier)
    rows = connection.execute(statement).fetchall()
    ids, *values = zip(*rows, strict=True) if rows else [()] * (1 + 2 * len(axes))
    held = {
        axis: _HeldAxis(
            CategoryColumn.of(pa.array(values[2 * index], pa.string()).dictionary_encode()),
            np.array(values[2 * index + 1], np.float64),
        )
        for index, axis in enumerate(axes)
    }
    return KnownCustomers.of(pa.array(ids, pa.string())), held


def _with_old(
    batch: pa.RecordBatch, axis: str, old: _HeldAxis, rows: Rows
) -> tuple[pa.Array, pa.Array]:
    """Segments, dictionary-encoded, and strengths: of the old row where it has the axis."""
    before, now = old.segment.take(rows), CategoryColumn.of(batch[axis])
    n_before = len(before.texts)
    codes = np.where(before.is_missing, now.codes + n_before, before.codes).astype(np.int32)
    names = pa.array([*before.texts, *now.texts], pa.string())
    segments = pa.DictionaryArray.from_arrays(codes, names).cast(pa.string()).dictionary_encode()
    strengths = batch[strength_column(axis)].to_numpy(zero_copy_only=False)
    # A row of -1 takes the last strength, which its missing segment leaves out.
    held = old.strength[rows] if len(old.strength) else strengths
    return segments, pa.array(np.where(before.is_missing, strengths, held))
