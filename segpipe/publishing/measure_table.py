"""The measures of a run's customers, a plain table a run, from which a customer is explained.

Takes batches of customer_features; gives the table's name for the ledger, and a customer's row.
Only the role that publishes can read it, unless it grants more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segpipe.postgres import Connection, connect_again, plain_errors, sql
from segpipe.publishing.copy import send
from segpipe.publishing.task import Publication
from segpipe.runs.partition import Partition, ProfilesTable, table_of
from segpipe.runs.store_lock import set_transaction_defaults

_CARRIED_ROWS = 20_000  # sent at a time, some 10 MB
_ID = "customer_id"
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # of COPY's binary format, with its end below
_END = b"\xff\xff"
_FIELD = np.dtype([("length", ">i4"), ("value", ">f8")])
_MAX_ROWS = 50_000  # at a time: an Arrow binary ends at 2 GB
_LENGTH = _FIELD["length"].itemsize  # all that a NULL has, and then it is -1


def write_measures(
    connection: Connection,
    task: Publication,
    parent: ProfilesTable,
    batches: Iterable[pa.RecordBatch] | None,
) -> str | None:
    """Name of the run's new table, None where there is no batch.

    Over a connection of its own and committed by itself: nobody looks at it before the ledger says
    that the run is published, and `drop_tables` removes it where that does not come to pass.
    """
    remaining = iter(batches or ())
    first = next(remaining, None)
    if first is None:
        return None
    measures = [name for name in first.schema.names if name != _ID]
    new = table_of(parent, "customer_measures", task.store_id, task.run_id)
    with connect_again(connection) as own, own.transaction():
        set_transaction_defaults(own)
        own.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(new.identifier))
        own.execute(_create(new, measures))
        send(own, _copy_in(new, measures), _sent(chain([first], remaining), measures))
        key = sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (customer_id)")
        own.execute(key.format(new.identifier))
        own.execute(
            "UPDATE segmentation_runs SET measures_table = %s WHERE run_id = %s",
            [new.name, task.run_id],
        )
    return new.name


def update_measures(
    connection: Connection,
    task: Publication,
    parent: ProfilesTable,
    batches: Iterable[pa.RecordBatch] | None,
    changed_ids: pa.Array,
    absent_ids: pa.Array,
    before: str | None,
) -> tuple[str | None, str | None]:
    """Names of the table in force and of its undo; only the changed customers are written.

    A new table is made where there is none to update, or it has other measures. Absent customers
    keep their figures as they keep their profiles.
    """
    remaining = iter(batches or ())
    first = next(remaining, None)
    if first is None:
        return None, None
    measures = [name for name in first.schema.names if name != _ID]
    table = Partition(parent.schema, before or "")
    if before is None or _columns(connection, table) != [_ID, *measures]:
        new = write_measures(connection, task, parent, chain([first], remaining))
        if new and before and task.absent == "keep":
            carry_measures(connection, parent, before, new, absent_ids)
        return new, None
    staged = table_of(parent, "customer_measures", task.store_id, task.run_id, "_staged")
    connection.execute(_create(staged, measures, "UNLOGGED "))
    some = (
        batch.filter(pc.is_in(batch[_ID], value_set=changed_ids))
        for batch in chain([first], remaining)
    )
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)")
    send(connection, into.format(staged.identifier, _names(measures)), _sent(some, measures))
    undo = table_of(parent, "customer_measures", task.store_id, task.run_id, "_undo")
    gone = absent_ids.to_pylist() if task.absent == "delete" else []
    if task.keep_runs:
        _save(connection, table, staged, undo, gone)
    replace_measures(connection, table, staged, is_undo=False)
    delete = sql.SQL("DELETE FROM {} WHERE customer_id IN (SELECT unnest(%s::text[]))")
    connection.execute(delete.format(table.identifier), [gone])
    connection.execute(sql.SQL("DROP TABLE {}").format(staged.identifier))
    return before, undo.name if task.keep_runs else None


def replace_measures(
    connection: Connection, table: Partition, rows: Partition, *, is_undo: bool
) -> None:
    """Put the rows in the place of those of the same customers; an undo's may only take away."""
    names = sql.SQL(", ").join(map(sql.Identifier, _columns(connection, table)))
    remove = sql.SQL("DELETE FROM {} WHERE customer_id IN (SELECT customer_id FROM {})")
    connection.execute(remove.format(table.identifier, rows.identifier))
    connection.execute(
        sql.SQL("INSERT INTO {table} ({names}) SELECT {names} FROM {rows}{only}").format(
            table=table.identifier,
            names=names,
            rows=rows.identifier,
            only=sql.SQL(" WHERE is_there" if is_undo else ""),
        )
    )


def carry_measures(
    connection: Connection, parent: ProfilesTable, before: str, name: str, ids: pa.Array
) -> None:
    """Take the rows of absent customers along, as far as both tables have the same measures."""
    old, new = Partition(parent.schema, before), Partition(parent.schema, name)
    known = set(_columns(connection, old))
    shared = [column for column in _columns(connection, new) if column in known]
    if _ID not in shared:
        return
    statement = sql.SQL(
        "INSERT INTO {new} ({names}) SELECT {names} FROM {old} WHERE customer_id = ANY(%s)"
    ).format(
        new=new.identifier,
        old=old.identifier,
        names=sql.SQL(", ").join(map(sql.Identifier, shared)),
    )
    for start in range(0, len(ids), _CARRIED_ROWS):
        connection.execute(statement, [ids.slice(start, _CARRIED_ROWS).to_pylist()])


def read_measures(
    connection: Connection, store_id: str, run_id: int, customer_id: str
) -> dict[str, float | None] | None:
    """Measure → the customer's figure in the given run, None where it is missing.

    None where no table has the customer; for one who was carried over, the table that is in
    force is asked once the run's own is gone.
    """
    with plain_errors():
        schema = _schema(connection)
        rows = connection.execute(
            "SELECT measures_table FROM segmentation_runs"
            " WHERE store_id = %s AND status = 'published' AND measures_table IS NOT NULL"
            " ORDER BY run_id = %s DESC, finished_at DESC",
            [store_id, run_id],
        ).fetchall()
        for (name,) in rows:
            figures = _figures(connection, Partition(schema, name), customer_id)
            if figures is not None:
                return figures
    return None


def copy_rows(batch: pa.RecordBatch, measures: list[str]) -> memoryview:
    """Rows of a batch in COPY's binary format: twice as fast as text, and exact by its nature."""
    fields = np.empty((batch.num_rows, len(measures)), _FIELD)
    is_sent = np.ones((batch.num_rows, len(measures), _FIELD.itemsize), np.bool_)
    for column, measure in enumerate(measures):
        values = batch[measure].to_numpy(zero_copy_only=False)
        missing = np.isnan(values)
        fields["length"][:, column] = np.where(missing, -1, fields["value"].itemsize)
        fields["value"][:, column] = values
        is_sent[missing, column, _LENGTH:] = False
    figures = _binaries(fields.view(np.uint8)[is_sent.reshape(fields.shape[0], -1)], is_sent)
    ids = batch[_ID].cast(pa.binary())
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


def _create(
    table: Partition, measures: list[str], kind: Literal["", "UNLOGGED "] = ""
) -> sql.Composed:
    typed = [sql.SQL("{} double precision").format(sql.Identifier(m)) for m in measures]
    columns = sql.SQL(", ").join([sql.SQL("customer_id varchar(100) NOT NULL"), *typed])
    return sql.SQL("CREATE {}TABLE {} ({})").format(sql.SQL(kind), table.identifier, columns)


def _sent(batches: Iterable[pa.RecordBatch], measures: list[str]) -> Iterator[memoryview | bytes]:
    yield _HEAD
    for batch in batches:
        for start in range(0, batch.num_rows, _MAX_ROWS):
            yield copy_rows(batch.slice(start, _MAX_ROWS), measures)
    yield _END


def _copy_in(table: Partition, measures: list[str]) -> sql.Composed:
    """FREEZE, as the profiles have it."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)")
    return statement.format(table.identifier, _names(measures))


def _names(measures: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, (_ID, *measures)))


def _save(
    connection: Connection, table: Partition, staged: Partition, undo: Partition, gone: list[str]
) -> None:
    """Keep the rows that will be replaced or go; of a customer who comes, the id alone."""
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


def _figures(
    connection: Connection, table: Partition, customer_id: str
) -> dict[str, float | None] | None:
    measures = [name for name in _columns(connection, table) if name != _ID]
    if not measures:
        return None
    statement = sql.SQL("SELECT {} FROM {} WHERE customer_id = %s").format(
        sql.SQL(", ").join(map(sql.Identifier, measures)), table.identifier
    )
    row = connection.execute(statement, [customer_id]).fetchone()
    return dict(zip(measures, row, strict=True)) if row else None


def _columns(connection: Connection, table: Partition) -> list[str]:
    """Names of its columns; nothing where somebody has dropped it."""
    rows = connection.execute(
        "SELECT attname FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid"
        " JOIN pg_namespace AS n ON n.oid = relnamespace"
        " WHERE nspname = %s AND relname = %s AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum",
        [table.schema, table.name],
    ).fetchall()
    return [row[0] for row in rows]


def _schema(connection: Connection) -> str:
    """Where customer_profiles is, and with it the tables of its runs."""
    row = connection.execute(
        "SELECT nspname FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace"
        " WHERE pg_class.oid = 'customer_profiles'::regclass"
    ).fetchone()
    assert row is not None  # noqa: S101 - a missing table has been refused by regclass
    return str(row[0])
