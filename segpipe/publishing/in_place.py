"""Rows changed in place: used if few customers changed, or the partition must stay where it is.

Takes membership batches and the store's partition; writes the rows that differ, and keeps them as
they were for a rollback. Part of the publishing transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Flags, Ints, Rows
from segpipe.core.schema import COPY_COLUMNS, DOMINANT_COLUMN, MEMBERSHIPS_COLUMN, PROFILE_COLUMNS
from segpipe.postgres import Connection, column_list, sql
from segpipe.publishing.categories import CategoryColumn
from segpipe.publishing.content_hash import content_hashes
from segpipe.publishing.copy import copy_lines, send
from segpipe.publishing.measure_table import update_measures
from segpipe.publishing.previous_rows import KnownCustomers, read_previous_rows
from segpipe.publishing.task import PublicationContext, Written
from segpipe.publishing.transitions import TransitionCounter, track_transitions
from segpipe.runs.profiles_table import StoreTable, put_rows, table_of
from segpipe.runs.records import RunTables

_MOST = 0.5  # of the old rows: from here on they are read as a whole, not by their ids


@dataclass(frozen=True)
class _OldRows:
    """The rows of the partition; arrays (n_old,)."""

    customers: KnownCustomers
    hashes: Ints
    is_absent: Flags

    def differs(self, rows: Rows, hashes: Ints) -> Flags:
        """Whether there is no such row, or its content is another."""
        if not len(self.hashes):
            return np.ones(len(rows), np.bool_)
        found: Flags = (rows < 0) | (self.hashes[rows] != hashes) | self.is_absent[rows]
        return found


def update_rows(
    connection: Connection,
    context: PublicationContext,
    partition: StoreTable,
    batches: Iterable[pa.RecordBatch],
) -> Written:
    """Write the rows that differ from those of the partition."""
    task = context.task
    old = _read_old(connection, partition)
    changed, n_rows = _changed(batches, old, context)
    ids = pa.chunked_array([batch["customer_id"] for batch in changed], pa.string())
    ids = ids.combine_chunks()
    known_ids = old.customers.known_of(ids)
    is_most = len(known_ids) > _MOST * len(old.customers.ids)
    only = None if is_most else known_ids
    known = read_previous_rows(connection, partition, context.axes, only)
    counter = TransitionCounter(known, task.previous, context.as_of)
    staged = _create_staged(connection, context)
    n_written = _send_rows(connection, context, staged, changed, counter)
    present = old.customers.is_present
    gone = old.customers.ids.filter(pa.array(~present & _rows_to_touch(task.absent, old)))
    undo = _save(connection, context, partition, staged, gone) if task.keep_runs else None
    put_rows(connection, context.parent, staged)
    _mark_absent(connection, context, gone)
    connection.execute(sql.SQL("DROP TABLE {}").format(staged.identifier))
    measures = update_measures(connection, context, ids, old.customers.absent_ids)
    n_known = old.customers.n_present
    return Written(
        counter=counter,
        tables=RunTables(partition.name, measures[0], undo.name if undo else None, measures[1]),
        n_published=n_rows,
        n_inserted=n_rows - n_known,
        n_updated=len(known_ids),
        n_unchanged=n_rows - n_written,
        n_absent=len(old.customers.ids) - n_known,
    )


def _send_rows(
    connection: Connection,
    context: PublicationContext,
    staged: StoreTable,
    changed: Iterable[pa.RecordBatch],
    counter: TransitionCounter,
) -> int:
    """Rows sent to the staged table."""
    row_format = context.row_format
    lines = (
        line
        for batch in changed
        for line in copy_lines(batch, track_transitions(batch, counter, row_format.now), row_format)
    )
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(staged.identifier, column_list(COPY_COLUMNS))
    return send(connection, into, lines)


def _read_old(connection: Connection, partition: StoreTable) -> _OldRows:
    statement = sql.SQL("SELECT customer_id, content_hash, absent_since_run_id IS NOT NULL FROM {}")
    rows = connection.execute(statement.format(partition.identifier)).fetchall()
    return _OldRows(
        customers=KnownCustomers.of(pa.array([row[0] for row in rows], pa.string())),
        hashes=np.array([row[1] for row in rows], np.int64),
        is_absent=np.array([row[2] for row in rows], np.bool_),
    )


def _changed(
    batches: Iterable[pa.RecordBatch], old: _OldRows, context: PublicationContext
) -> tuple[list[pa.RecordBatch], int]:
    """The rows to write, and the number of all rows."""
    changed, n_rows = [], 0
    for batch in batches:
        rows = old.customers.find(batch["customer_id"])
        differs = old.differs(rows, content_hashes(batch, context.axes))
        differs |= _has_renamed_segment(batch, context)
        changed.append(batch.filter(pa.array(differs)))
        n_rows += batch.num_rows
    return changed, n_rows


def _has_renamed_segment(batch: pa.RecordBatch, context: PublicationContext) -> Flags:
    """Where a name now means another segment: the customer moved although the row is the same."""
    found = np.zeros(batch.num_rows, np.bool_)
    previous = context.task.previous
    same_segments = previous.same_segments if previous else {}
    for axis in context.axes:
        same = same_segments.get(axis, {})
        column = CategoryColumn.of(batch[axis])
        is_another = [same.get(text, text) != text for text in column.texts]
        if any(is_another):
            found |= np.array([*is_another, False])[column.codes]
    return found


def _create_staged(connection: Connection, context: PublicationContext) -> StoreTable:
    """Table for the new rows; unlogged, since it is dropped in the same transaction."""
    task, parent = context.task, context.parent
    staged = table_of(parent, "customer_profiles", task.store_id, task.run_id, "_staged")
    create = sql.SQL("CREATE UNLOGGED TABLE {} AS SELECT {} FROM {} WITH NO DATA")
    connection.execute(create.format(staged.identifier, column_list(COPY_COLUMNS), parent.name))
    copy = sql.SQL("ALTER TABLE {} ADD COLUMN {} jsonb GENERATED ALWAYS AS ({}) STORED")
    columns = (sql.Identifier(DOMINANT_COLUMN), sql.Identifier(MEMBERSHIPS_COLUMN))
    connection.execute(copy.format(staged.identifier, *columns))
    return staged


def _rows_to_touch(absent: str, old: _OldRows) -> Flags:
    """Old rows that change if their customer is absent: all to delete, else the newly absent."""
    if absent == "delete":
        return np.ones(len(old.hashes), np.bool_)
    return ~old.is_absent


def _save(
    connection: Connection,
    context: PublicationContext,
    partition: StoreTable,
    staged: StoreTable,
    gone: pa.Array,
) -> StoreTable:
    """Table of the rows that will change, as they are; of a new customer, the id alone.

    Neither NOT IN nor IN beside OR: for these the server compares each id with each, once the ids
    no longer fit work_mem.
    """
    task = context.task
    undo = table_of(context.parent, "customer_profiles", task.store_id, task.run_id, "_undo")
    connection.execute(
        sql.SQL(
            "CREATE TABLE {undo} AS SELECT {columns} FROM {old}"
            " WHERE customer_id IN (SELECT customer_id FROM {staged}) UNION ALL"
            " SELECT {columns} FROM {old} WHERE customer_id IN (SELECT unnest(%s::text[]))"
        ).format(
            undo=undo.identifier,
            columns=column_list(PROFILE_COLUMNS),
            old=partition.identifier,
            staged=staged.identifier,
        ),
        [gone.to_pylist()],
    )
    connection.execute(
        sql.SQL(
            "INSERT INTO {undo} (store_id, customer_id) SELECT store_id, customer_id FROM {staged}"
            " WHERE NOT EXISTS (SELECT FROM {undo} AS u WHERE u.customer_id = {staged}.customer_id)"
        ).format(undo=undo.identifier, staged=staged.identifier)
    )
    return undo


def _mark_absent(connection: Connection, context: PublicationContext, gone: pa.Array) -> None:
    """Delete the rows of absent customers, or write since which run they are absent."""
    if not len(gone):
        return
    task, table = context.task, context.parent.name
    if task.absent == "delete":
        statement = sql.SQL(
            "DELETE FROM {} WHERE store_id = %s AND customer_id IN (SELECT unnest(%s::text[]))"
        )
        connection.execute(statement.format(table), [task.store_id, gone.to_pylist()])
    else:
        statement = sql.SQL(
            "UPDATE {} SET absent_since_run_id = %s"
            " WHERE store_id = %s AND customer_id IN (SELECT unnest(%s::text[]))"
        )
        values = [task.run_id, task.store_id, gone.to_pylist()]
        connection.execute(statement.format(table), values)
