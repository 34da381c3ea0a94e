"""Rows changed in place: where few customers changed, or the partition must stay where it is.

Takes membership batches and the old partition; writes the rows that say something new, and keeps
them as they were for a rollback. Part of the publishing transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Flags, Ints, Rows
from segpipe.core.schema import COPY_COLUMNS, DOMINANT_COLUMN, MEMBERSHIPS_COLUMN, PROFILE_COLUMNS
from segpipe.postgres import Connection, sql
from segpipe.publishing.categories import CategoryColumn
from segpipe.publishing.content_hash import content_hashes
from segpipe.publishing.copy import copy_lines, send
from segpipe.publishing.measure_table import update_measures
from segpipe.publishing.previous_rows import read_previous_rows
from segpipe.publishing.task import Publication, Written
from segpipe.publishing.transitions import TransitionCounter, track_transitions
from segpipe.runs.partition import Partition, ProfilesTable, table_of
from segpipe.runs.records import RunTables

_MOST = 0.5  # of the old rows: from here on they are read as a whole, not by their ids
_KEYS = ("store_id", "customer_id")


@dataclass(frozen=True)
class _OldRows:
    """What is there, each of shape (n_old,); `is_present` is filled while the new rows pass by."""

    ids: pa.Array
    hashes: Ints
    is_absent: Flags
    positions: dict[str, int]
    is_present: Flags

    def find(self, customer_ids: pa.Array) -> Rows:
        """Position of each customer, -1 for the new ones; marks the others as present."""
        found = map(self.positions.get, customer_ids.to_pylist(), repeat(-1))
        rows = np.fromiter(found, np.int64, len(customer_ids))
        self.is_present[rows[rows >= 0]] = True
        return rows

    def is_other(self, rows: Rows, hashes: Ints) -> Flags:
        """Whether there is no such row, or it says something else."""
        if not len(self.hashes):
            return np.ones(len(rows), np.bool_)
        other: Flags = (rows < 0) | (self.hashes[rows] != hashes) | self.is_absent[rows]
        return other


def update_rows(
    connection: Connection,
    task: Publication,
    parent: ProfilesTable,
    old: Partition,
    batches: Iterable[pa.RecordBatch],
    measures: Iterable[pa.RecordBatch] | None,
    before: RunTables,
) -> Written:
    """Write what changed against the old partition; `before` are the tables of the run in force."""
    there = _read_old(connection, old)
    changed, n_rows = _changed(batches, there, task)
    ids = pa.chunked_array([batch["customer_id"] for batch in changed], pa.string())
    ids = ids.combine_chunks()
    known_ids = _known(ids, there)
    is_most = len(known_ids) > _MOST * len(there.ids)
    known = read_previous_rows(connection, old, task.axes, None if is_most else known_ids)
    moves = TransitionCounter(known, task.previous, task.as_of)
    staged = _staged(connection, task, parent)
    lines = (
        line
        for batch in changed
        for line in copy_lines(
            batch, track_transitions(batch, moves, task.row_format.now), task.row_format
        )
    )
    copy_in = sql.SQL("COPY {} ({}) FROM STDIN").format(staged.identifier, _names(COPY_COLUMNS))
    n_written = send(connection, copy_in, lines)
    gone = there.ids.filter(pa.array(~there.is_present & _rows_to_touch(task, there)))
    undo = _save(connection, task, parent, old, staged, gone) if task.keep_runs else None
    put_rows(connection, parent, staged)
    _leave_absent(connection, task, parent, gone)
    connection.execute(sql.SQL("DROP TABLE {}").format(staged.identifier))
    absent = there.ids.filter(pa.array(~there.is_present))
    kept = update_measures(connection, task, parent, measures, ids, absent, before.measures)
    n_known = int(there.is_present.sum())
    return Written(
        moves=moves,
        tables=RunTables(old.name, kept[0], undo.name if undo else None, kept[1]),
        n_published=n_rows,
        n_inserted=n_rows - n_known,
        n_updated=len(known_ids),
        n_unchanged=n_rows - n_written,
        n_absent=len(there.ids) - n_known,
    )


def put_rows(connection: Connection, parent: ProfilesTable, rows: Partition) -> None:
    """Upsert the rows of a table into customer_profiles; columns of its users stay as they are."""
    changed = [
        sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name))
        for name in PROFILE_COLUMNS
        if name not in _KEYS
    ]
    connection.execute(
        sql.SQL(
            "INSERT INTO {parent} ({columns}) SELECT {columns} FROM {rows}"
            " WHERE segment_memberships IS NOT NULL"
            " ON CONFLICT (store_id, customer_id) DO UPDATE SET {changed}"
        ).format(
            parent=parent.name,
            columns=_names(PROFILE_COLUMNS),
            rows=rows.identifier,
            changed=sql.SQL(", ").join(changed),
        )
    )


def _read_old(connection: Connection, old: Partition) -> _OldRows:
    statement = sql.SQL("SELECT customer_id, content_hash, absent_since_run_id IS NOT NULL FROM {}")
    rows = connection.execute(statement.format(old.identifier)).fetchall()
    ids = [row[0] for row in rows]
    return _OldRows(
        ids=pa.array(ids, pa.string()),
        hashes=np.array([row[1] for row in rows], np.int64),
        is_absent=np.array([row[2] for row in rows], np.bool_),
        positions={customer_id: row for row, customer_id in enumerate(ids)},
        is_present=np.zeros(len(ids), np.bool_),
    )


def _changed(
    batches: Iterable[pa.RecordBatch], there: _OldRows, task: Publication
) -> tuple[list[pa.RecordBatch], int]:
    """What is to be written, and the number of all rows."""
    changed, n_rows = [], 0
    for batch in batches:
        rows = there.find(batch["customer_id"])
        is_other = there.is_other(rows, content_hashes(batch, task.axes))
        is_other |= _means_another(batch, task)
        changed.append(batch.filter(pa.array(is_other)))
        n_rows += batch.num_rows
    return changed, n_rows


def _means_another(batch: pa.RecordBatch, task: Publication) -> Flags:
    """Where a name of old stands for another segment: whoever has it moved, the row being equal."""
    found = np.zeros(batch.num_rows, np.bool_)
    same_segments = task.previous.same_segments if task.previous else {}
    for axis in task.axes:
        same = same_segments.get(axis, {})
        words = CategoryColumn.of(batch[axis])
        is_another = [same.get(text, text) != text for text in words.texts]
        if any(is_another):
            found |= np.array([*is_another, False])[words.codes]
    return found


def _known(ids: pa.Array, there: _OldRows) -> pa.Array:
    return ids.filter(pa.array([name in there.positions for name in ids.to_pylist()], pa.bool_()))


def _staged(connection: Connection, task: Publication, parent: ProfilesTable) -> Partition:
    """Table for the new rows; unlogged, for it goes with the transaction."""
    staged = table_of(parent, "customer_profiles", task.store_id, task.run_id, "_staged")
    create = sql.SQL("CREATE UNLOGGED TABLE {} AS SELECT {} FROM {} WITH NO DATA")
    connection.execute(create.format(staged.identifier, _names(COPY_COLUMNS), parent.name))
    copy = sql.SQL("ALTER TABLE {} ADD COLUMN {} jsonb GENERATED ALWAYS AS ({}) STORED")
    columns = (sql.Identifier(DOMINANT_COLUMN), sql.Identifier(MEMBERSHIPS_COLUMN))
    connection.execute(copy.format(staged.identifier, *columns))
    return staged


def _rows_to_touch(task: Publication, there: _OldRows) -> Flags:
    """Old rows to touch if their customer is absent: all to delete, else the newly absent."""
    if task.absent == "delete":
        return np.ones(len(there.ids), np.bool_)
    return ~there.is_absent


def _save(
    connection: Connection,
    task: Publication,
    parent: ProfilesTable,
    old: Partition,
    staged: Partition,
    gone: pa.Array,
) -> Partition:
    """Table of the rows that will change, as they are; of a customer who comes, the id alone.

    Neither NOT IN nor IN beside OR: for these the server compares each id with each, once the ids
    are more than fit work_mem.
    """
    undo = table_of(parent, "customer_profiles", task.store_id, task.run_id, "_undo")
    connection.execute(
        sql.SQL(
            "CREATE TABLE {undo} AS SELECT {columns} FROM {old}"
            " WHERE customer_id IN (SELECT customer_id FROM {staged}) UNION ALL"
            " SELECT {columns} FROM {old} WHERE customer_id IN (SELECT unnest(%s::text[]))"
        ).format(
            undo=undo.identifier,
            columns=_names(PROFILE_COLUMNS),
            old=old.identifier,
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


def _leave_absent(
    connection: Connection, task: Publication, parent: ProfilesTable, gone: pa.Array
) -> None:
    """Delete the rows of absent customers, or say since when they are."""
    if not len(gone):
        return
    if task.absent == "delete":
        statement = sql.SQL(
            "DELETE FROM {} WHERE store_id = %s AND customer_id IN (SELECT unnest(%s::text[]))"
        )
        connection.execute(statement.format(parent.name), [task.store_id, gone.to_pylist()])
    else:
        statement = sql.SQL(
            "UPDATE {} SET absent_since_run_id = %s"
            " WHERE store_id = %s AND customer_id IN (SELECT unnest(%s::text[]))"
        )
        values = [task.run_id, task.store_id, gone.to_pylist()]
        connection.execute(statement.format(parent.name), values)


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
