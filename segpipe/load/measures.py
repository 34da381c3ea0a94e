"""The measures of a run's customers, a plain table a run, from which a customer is explained.

Takes batches of customer_features; gives the table's name for the ledger, and a customer's row.
Only the role that publishes can read it, unless it grants more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segpipe.assign import needed_measures
from segpipe.engine import Connection as Engine
from segpipe.engine import quote
from segpipe.load.partition import Exchange, Partition
from segpipe.load.send import send
from segpipe.model import Model
from segpipe.postgres import Connection, plain_errors, sql
from segpipe.schema import CUSTOMER_FEATURES

_CARRIED_ROWS = 20_000  # sent at a time, some 10 MB
_ID = "customer_id"
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # of COPY's binary format, with its end below
_END = b"\xff\xff"
_FIELD = np.dtype([("length", ">i4"), ("value", ">f8")])
_MAX_ROWS = 50_000  # at a time: an Arrow binary ends at 2 GB
_LENGTH = _FIELD["length"].itemsize  # all that a NULL has, and then it is -1


def measure_batches(engine: Engine, model: Model, batch_size: int) -> Iterator[pa.RecordBatch]:
    """customer_id and the measures that the model needs, of all customers."""
    columns = ", ".join(map(quote, (_ID, *needed_measures(model))))
    query = f"SELECT {columns} FROM {CUSTOMER_FEATURES.name}"
    yield from engine.sql(query).to_arrow_reader(batch_size)


def write_measures(
    connection: Connection,
    exchange: Exchange,
    batches: Iterable[pa.RecordBatch] | None,
    carried_ids: pa.Array | None,
) -> str | None:
    """Name of the new table, None where there is no batch; part of the publishing transaction.

    The rows of the carried customers are taken from the previous run's table, as far as it has
    the same measures.
    """
    remaining = iter(batches or ())
    first = next(remaining, None)
    if first is None:
        return None
    measures = [name for name in first.schema.names if name != _ID]
    name = exchange.new.name.replace("customer_profiles_", "customer_measures_", 1)
    new = Partition(exchange.new.schema, name)
    typed = [sql.SQL("{} double precision").format(sql.Identifier(m)) for m in measures]
    columns = sql.SQL(", ").join([sql.SQL("customer_id varchar(100) NOT NULL"), *typed])
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(new.identifier, columns))
    parts = (
        copy_rows(batch.slice(start, _MAX_ROWS), measures)
        for batch in chain([first], remaining)
        for start in range(0, batch.num_rows, _MAX_ROWS)
    )
    send(connection, _copy_in(new, measures), chain([_HEAD], parts, [_END]))
    old = _table_in_force(connection, exchange)
    if old and carried_ids:
        _carry_over(connection, old, new, measures, carried_ids)
    key = sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (customer_id)")
    connection.execute(key.format(new.identifier))
    return name


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


def _copy_in(table: Partition, measures: list[str]) -> sql.Composed:
    """FREEZE, as the profiles have it."""
    columns = sql.SQL(", ").join(map(sql.Identifier, (_ID, *measures)))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)")
    return statement.format(table.identifier, columns)


def _carry_over(
    connection: Connection, old: Partition, new: Partition, measures: list[str], ids: pa.Array
) -> None:
    known = _columns(connection, old)
    shared = [measure for measure in measures if measure in known]
    rows_out = sql.SQL(
        "COPY (SELECT {} FROM {} WHERE customer_id = ANY(%s)) TO STDOUT (FORMAT binary)"
    ).format(sql.SQL(", ").join(map(sql.Identifier, (_ID, *shared))), old.identifier)
    for start in range(0, len(ids), _CARRIED_ROWS):
        some = ids.slice(start, _CARRIED_ROWS).to_pylist()
        with connection.cursor() as cursor, cursor.copy(rows_out, [some]) as copy:
            rows = b"".join(copy)
        send(connection, _copy_in(new, shared), [rows])


def _table_in_force(connection: Connection, exchange: Exchange) -> Partition | None:
    """Measures of the run before this one, None where they are not kept."""
    row = connection.execute(
        "SELECT measures_table FROM segmentation_runs"
        " WHERE store_id = %s AND status = 'published' ORDER BY finished_at DESC LIMIT 1",
        [exchange.store_id],
    ).fetchone()
    if row is None or row[0] is None:
        return None
    table = Partition(exchange.parent.schema, row[0])
    return table if _columns(connection, table) else None


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
