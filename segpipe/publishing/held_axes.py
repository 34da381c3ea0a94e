"""Axes that a run holds back: customers keep the segment and strength of their profile on them.

Takes membership batches and the store's partition; gives the batches with those columns as they
were, and with the axis rfm its score. Customers without a profile have what the run's model says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segpipe.core.arrays import Floats, Rows
from segpipe.core.schema import RFM_AXIS, RFM_SCORE, rescored_column, strength_column
from segpipe.postgres import Connection, sql
from segpipe.publishing.categories import CategoryColumn
from segpipe.publishing.copied_columns import FEW, read_columns
from segpipe.publishing.previous_rows import KnownCustomers
from segpipe.runs.profiles_table import StoreTable


@dataclass(frozen=True)
class _HeldAxis:
    """Segment and strength of each row of the partition, missing where it has none."""

    segment: CategoryColumn
    strength: Floats
    score: CategoryColumn | None = None  # of the axis rfm


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
            if old.score:
                columns[RFM_SCORE] = _with_old_score(batch, old.segment, old.score, rows)
        yield pa.RecordBatch.from_pydict(columns)


def _read_held(
    connection: Connection, partition: StoreTable, axes: Sequence[str]
) -> tuple[KnownCustomers, dict[str, _HeldAxis]]:
    pair = sql.SQL("segment_memberships->>%s, (membership_strengths->>%s)::float8")
    statement = sql.SQL("COPY (SELECT customer_id, {}, {} FROM {}) TO STDOUT (FORMAT csv)").format(
        sql.Identifier(RFM_SCORE), sql.SQL(", ").join([pair] * len(axes)), partition.identifier
    )
    types = {"customer_id": pa.string(), RFM_SCORE: FEW}
    for axis in axes:
        types |= {axis: FEW, strength_column(axis): pa.float64()}
    columns = read_columns(connection, statement, [axis for axis in axes for _ in range(2)], types)
    held = {
        axis: _HeldAxis(
            columns.categories[axis],
            columns.arrays[strength_column(axis)].to_numpy(zero_copy_only=False),
            columns.categories[RFM_SCORE] if axis == RFM_AXIS else None,
        )
        for axis in axes
    }
    return KnownCustomers.of(columns.arrays["customer_id"]), held


def _with_old_score(
    batch: pa.RecordBatch, segment: CategoryColumn, score: CategoryColumn, rows: Rows
) -> pa.Array:
    """The score of the old row where it has the axis: the one that goes with the name."""
    before = score.take(rows)
    old = pc.take(
        pa.array(before.texts, pa.string()), pa.array(before.codes, mask=before.is_missing)
    )
    return pc.if_else(pa.array(segment.take(rows).is_missing), batch[RFM_SCORE], old)


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
