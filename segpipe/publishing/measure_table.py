"""Writes the measures of a run's customers into a table of the run's own.

Takes batches of customer_id and doubles; gives the table's name for the ledger. `runs.measures`
reads these tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segpipe.postgres import Connection, column_list, connect_again, sql
from segpipe.publishing.copy import send
from segpipe.publishing.task import PublicationContext
from segpipe.runs.measures import CUSTOMER_ID, columns_of, replace_measures
from segpipe.runs.profiles_table import ProfilesTable, StoreTable, table_of
from segpipe.runs.store_lock import set_transaction_defaults

_CARRIED_ROWS = 20_000  # sent at a time, some 10 MB
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # of COPY's binary format, with its end below
_END = b"\xff\xff"
_FIELD = np.dtype([("length", ">i4"), ("value", ">f8")])
_MAX_ROWS = 50_000  # at a time: an Arrow binary ends at 2 GB
_LENGTH = _FIELD["length"].itemsize  # all that a NULL has, and then it is -1


def write_measures(
    connection: Connection,
    context: PublicationContext,
    batches: Iterable[pa.RecordBatch] | None,
) -> str | None:
    """Name of the run's new table, None if there is no batch.

    Over a connection of its own, and committed by itself: nobody reads the table before the run is
    published, and `drop_tables` removes it if that does not happen.
    """
    remaining = iter(batches or ())
    first = next(remaining, None)
    if first is None:
        return None
    task = context.task
    measures = _measures_of(first)
    new = table_of(context.parent, "customer_measures", task.store_id, task.run_id)
    with connect_again(connection) as own, own.transaction():
        set_transaction_defaults(own)
        own.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(new.identifier))
        own.execute(_create(new, measures))
        send(own, _copy_in(new, measures), _parts(chain([first], remaining), measures))
        key = sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (customer_id)")
        own.execute(key.format(new.identifier))
        own.execute(
            "UPDATE segmentation_runs SET measures_table = %s WHERE run_id = %s",
            [new.name, task.run_id],
        )
    return new.name


def update_measures(
    connection: Connection,
    context: PublicationContext,
    changed_ids: pa.Array,
    absent_ids: pa.Array,
) -> tuple[str | None, str | None]:
    """Names of the run's table and of its undo; only the changed customers are written.

    A new table is made if there is none to update, or it has other measures. Absent customers keep
    their figures as they keep their profiles.
    """
    task, parent, before = context.task, context.parent, context.tables.measures
    remaining = iter(task.measures or ())
    first = next(remaining, None)
    if first is None:
        return None, None
    batches = chain([first], remaining)
    measures = _measures_of(first)
    table = StoreTable(parent.schema, before or "")
    if before is None or columns_of(connection, table) != [CUSTOMER_ID, *measures]:
        new = write_measures(connection, context, batches)
        if new and before and task.absent == "keep":
            carry_measures(connection, parent, before, new, absent_ids)
        return new, None
    staged = table_of(parent, "customer_measures", task.store_id, task.run_id, "_staged")
    _stage(connection, staged, batches, measures, changed_ids)
    undo = table_of(parent, "customer_measures", task.store_id, task.run_id, "_undo")
    gone = absent_ids.to_pylist() if task.absent == "delete" else []
    if task.keep_runs:
        _save(connection, table, staged, undo, gone)
    replace_measures(connection, table, staged, is_undo=False)
    delete = sql.SQL("DELETE FROM {} WHERE customer_id IN (SELECT unnest(%s::text[]))")
    connection.execute(delete.format(table.identifier), [gone])
    connection.execute(sql.SQL("DROP TABLE {}").format(staged.identifier))
    return before, undo.name if task.keep_runs else None


def carry_measures(
    connection: Connection, parent: ProfilesTable, before: str, name: str, ids: pa.Array
) -> None:
    """Copy the rows of absent customers, as far as both tables have the same measures."""
    old, new = StoreTable(parent.schema, before), StoreTable(parent.schema, name)
    known = set(columns_of(connection, old))
    shared = [column for column in columns_of(connection, new) if column in known]
    if CUSTOMER_ID not in shared:
        return
    statement = sql.SQL(
        "INSERT INTO {new} ({columns}) SELECT {columns} FROM {old} WHERE customer_id = ANY(%s)"
    ).format(new=new.identifier, old=old.identifier, columns=column_list(shared))
    for start in range(0, len(ids), _CARRIED_ROWS):
        connection.execute(statement, [ids.slice(start, _CARRIED_ROWS).to_pylist()])


def copy_rows(batch: pa.RecordBatch, measures: list[str]) -> memoryview:
    """Rows of a batch in COPY's binary format: twice as fast as text, and always exact."""
    fields = np.empty((batch.num_rows, len(measures)), _FIELD)
    is_sent = np.ones((batch.num_rows, len(measures), _FIELD.itemsize), np.bool_)
    for column, measure in enumerate(measures):
        values = batch[measure].to_numpy(zero_copy_only=False)
        missing = np.isnan(values)
        fields["length"][:, column] = np.where(missing, -1, fields["value"].itemsize)
        fields["value"][:, column] = values
        is_sent[missing, column, _LENGTH:] = False
    figures = _binaries(fields.view(np.uint8)[is_sent.reshape(fields.shape[0], -1)], is_sent)
    ids = batch[CUSTOMER_ID].cast(pa.binary())
    lengths = pc.binary_length(ids).to_numpy(zero_copy_only=False).astype(">i4")
    heads = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(4), len(ids), [None, pa.py_buffer(lengths.tobytes())]
    ).cast(pa.binary())
    count = (len(measures) + 1).to_bytes(2, "big")
    rows = pc.binary_join_element_wise(pa.scalar(count), heads, ids, figures, b"")
    return memoryview(rows.buffers()[2])[: pc.sum(pc.binary_length(rows)).as_py()]


def _binaries(sent: np.ndarray, is_sent: np.ndarray) -> pa.Array:
    """The bytes that are sent, a value a row."""
    offsets = np.zeros(len(is_sent) + 1, np.int32)
    np.cumsum(is_sent.sum(axis=(1, 2)), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(sent)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(is_sent), buffers)


def _measures_of(batch: pa.RecordBatch) -> list[str]:
    return [name for name in batch.schema.names if name != CUSTOMER_ID]


def _create(
    table: StoreTable, measures: list[str], kind: Literal["", "UNLOGGED "] = ""
) -> sql.Composed:
    typed = [sql.SQL("{} double precision").format(sql.Identifier(m)) for m in measures]
    columns = sql.SQL(", ").join([sql.SQL("customer_id varchar(100) NOT NULL"), *typed])
    return sql.SQL("CREATE {}TABLE {} ({})").format(sql.SQL(kind), table.identifier, columns)


def _parts(batches: Iterable[pa.RecordBatch], measures: list[str]) -> Iterator[memoryview | bytes]:
    yield _HEAD
    for batch in batches:
        for start in range(0, batch.num_rows, _MAX_ROWS):
            yield copy_rows(batch.slice(start, _MAX_ROWS), measures)
    yield _END


def _copy_in(
    table: StoreTable, measures: list[str], options: Literal["", ", FREEZE"] = ", FREEZE"
) -> sql.Composed:
    """FREEZE, as for the profiles, if the transaction has made the table."""
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary{})").format(
        table.identifier, column_list([CUSTOMER_ID, *measures]), sql.SQL(options)
    )


def _stage(
    connection: Connection,
    staged: StoreTable,
    batches: Iterable[pa.RecordBatch],
    measures: list[str],
    changed_ids: pa.Array,
) -> None:
    """Create the table of the changed customers' measures."""
    connection.execute(_create(staged, measures, "UNLOGGED "))
    changed = (
        batch.filter(pc.is_in(batch[CUSTOMER_ID], value_set=changed_ids)) for batch in batches
    )
    send(connection, _copy_in(staged, measures, ""), _parts(changed, measures))


def _save(
    connection: Connection, table: StoreTable, staged: StoreTable, undo: StoreTable, gone: list[str]
) -> None:
    """Keep the rows that will be replaced or deleted; of a new customer, the id alone."""
    there = sql.SQL(
        "CREATE TABLE {undo} AS SELECT t.*, true AS is_there FROM {table} AS t"
        " WHERE customer_id IN (SELECT customer_id FROM {staged}) UNION ALL"
        " SELECT t.*, true FROM {table} AS t WHERE customer_id IN (SELECT unnest(%s::text[]))"
    )
    new = sql.SQL(
        "INSERT INTO {undo} (customer_id, is_there) SELECT customer_id, false FROM {staged}"
        " WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE t.customer_id = {staged}.customer_id)"
    )
    names = {"table": table.identifier, "staged": staged.identifier, "undo": undo.identifier}
    connection.execute(there.format(**names), [gone])
    connection.execute(new.format(**names))
