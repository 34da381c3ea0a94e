"""Publishing: takes membership batches, gives a run that all readers see at once or not at all.

The store's next partition is built beside the table in one transaction, which takes its lock on
customer_profiles at the end only. A publication that dies leaves the previous run in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from hashlib import sha256
from typing import Any

import pyarrow as pa

from segpipe.load import partition
from segpipe.load.counts import SegmentCounts, write_counts, write_definitions
from segpipe.load.known import KnownCustomers, read_known
from segpipe.load.measures import write_measures
from segpipe.load.moves import Moves, follow
from segpipe.load.partition import Exchange, Partition
from segpipe.load.records import PreviousRun, SegmentDefinition
from segpipe.load.rows import COLUMNS, RowFormat, copy_lines
from segpipe.load.runs import mark_published
from segpipe.load.send import send
from segpipe.load.transitions import refuse_overtaken, write_transitions
from segpipe.postgres import Connection, fetch_one, location, plain_errors, sql
from segpipe.report import LoadInfo

Progress = Callable[[int], None]  # called with the rows of each batch that was sent

_CARRIED_ROWS = 20_000  # sent at a time, some 40 MB
_SESSION = {  # of the transaction: nothing of the role's defaults may cut it short or round
    "lock_timeout": "0",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "extra_float_digits": "1",
    "datestyle": "ISO, YMD",
    "timezone": "UTC",
}


def publish(
    connection: Connection,
    run_id: int,
    store_id: str,
    batches: Iterable[pa.RecordBatch],
    *,
    axes: Sequence[str],
    definitions: Sequence[SegmentDefinition] = (),
    model: dict[str, Any] | None = None,
    absent: str = "keep",
    measures: Iterable[pa.RecordBatch] | None = None,
    previous: PreviousRun | None = None,
    as_of: date | None = None,
    progress: Progress | None = None,
    patience_seconds: float = 120.0,
) -> LoadInfo:
    """Put the run's profiles in force, and say how many rows it was.

    `measures`, batches of customer_id and doubles, are kept in a table of the run's own.
    With the `previous` run, whose segments this one's were matched to, the transitions from it are
    counted; as_of is the ledger's where it is not given.
    Customers who are absent from the batches keep their old rows, or go with absent="delete".
    A second publication of the same store waits for the first, and is refused where the first was
    not its previous run. Raises DatabaseError; whatever is raised, by the batches too, leaves the
    previous run in force.
    """
    where = location(connection)
    with plain_errors(), connection.transaction():
        now = _begin(connection, store_id)
        refuse_overtaken(connection, store_id, run_id, previous)
        exchange = _prepare(connection, store_id, run_id)
        known = read_known(connection, exchange.old, axes)
        counts = SegmentCounts(tuple(axes))
        moves = Moves(known, previous, as_of or _as_of(connection, run_id))
        row_format = RowFormat.of(axes, store_id, run_id, now)
        lines = _lines(batches, moves, counts, row_format, progress)
        n_published = _copy(connection, exchange.new, lines)
        write_transitions(connection, store_id, run_id, moves.transitions(axes))
        write_counts(connection, store_id, run_id, counts)
        write_definitions(connection, store_id, run_id, definitions, counts)
        carried = known.absent_ids if absent == "keep" else None
        kept = write_measures(connection, exchange, measures, carried)
        partition.drop_older(connection, exchange)
        notes = _reasons_to_update(exchange)
        if exchange.old and notes:
            mark_published(connection, run_id, model, exchange.old.name, kept)
            _update_in_place(connection, exchange, run_id, absent)
        else:
            if exchange.old and absent == "keep":
                _carry_over(connection, exchange.old, exchange.new, known)
            partition.build_indexes(connection, exchange.parent, exchange.new)
            mark_published(connection, run_id, model, exchange.new.name, kept)
            partition.swap(connection, exchange, patience_seconds)
    return _info(run_id, store_id, where, n_published, moves, axes, absent, notes)


def lock_store(connection: Connection, store_id: str) -> None:
    """Hold the store until the transaction ends: whoever else writes its profiles waits."""
    key = sha256(f"segpipe store {store_id}".encode()).digest()[:8]
    connection.execute(
        "SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(key, "big", signed=True)]
    )


def _begin(connection: Connection, store_id: str) -> str:
    """Set the transaction up and wait for the store; gives the run's one timestamp."""
    connection.execute(
        "SELECT set_config(s.name, new.value, true) FROM pg_settings AS s"
        " JOIN unnest(%s::text[], %s::text[]) AS new (name, value) ON lower(s.name) = new.name",
        [list(_SESSION), list(_SESSION.values())],
    )
    lock_store(connection, store_id)
    return str(fetch_one(connection, "SELECT clock_timestamp()::text")[0])


def _as_of(connection: Connection, run_id: int) -> date:
    query = "SELECT coalesce(as_of, started_at::date) FROM segmentation_runs WHERE run_id = %s"
    found: date = fetch_one(connection, query, [run_id])[0]
    return found


def _prepare(connection: Connection, store_id: str, run_id: int) -> Exchange:
    parent = partition.find_parent(connection)
    old = partition.find_partition(connection, parent, store_id)
    new = partition.create_partition(connection, parent, store_id, run_id)
    return Exchange(parent, store_id, old, new)


def _lines(
    batches: Iterable[pa.RecordBatch],
    moves: Moves,
    counts: SegmentCounts,
    row_format: RowFormat,
    progress: Progress | None,
) -> Iterator[memoryview]:
    for batch in batches:
        yield from copy_lines(batch, follow(batch, moves, row_format.now), row_format)
        counts.add(batch)
        if progress:
            progress(batch.num_rows)


def _info(
    run_id: int,
    store_id: str,
    where: str,
    n_published: int,
    moves: Moves,
    axes: Sequence[str],
    absent: str,
    notes: tuple[str, ...],
) -> LoadInfo:
    known = moves.known
    n_absent = len(known.ids) - known.n_present
    return LoadInfo(
        run_id=run_id,
        store_id=store_id,
        database=where,
        n_published=n_published,
        n_inserted=n_published - known.n_present,
        n_updated=known.n_present,
        n_absent_kept=n_absent if absent == "keep" else 0,
        n_absent_deleted=n_absent if absent == "delete" else 0,
        previous_run_id=moves.previous.run_id if moves.previous else None,
        transitions=moves.transitions(axes),
        notes=notes,
    )


def _copy(connection: Connection, table: Partition, lines: Iterable[memoryview | bytes]) -> int:
    """Rows sent.

    FREEZE lets a transaction that is older than this one see the new rows all the same.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FREEZE)").format(
        table.identifier, sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    )
    return send(connection, statement, lines)


def _carry_over(
    connection: Connection, old: Partition, new: Partition, known: KnownCustomers
) -> None:
    """Copy the rows of absent customers as they are.

    Through this process and not by INSERT … SELECT, whose rows could not be frozen.
    """
    absent = known.absent_ids
    statement = sql.SQL("COPY (SELECT {} FROM {} WHERE customer_id = ANY(%s)) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, COLUMNS)), old.identifier
    )
    for start in range(0, len(absent), _CARRIED_ROWS):
        ids = absent.slice(start, _CARRIED_ROWS).to_pylist()
        with connection.cursor() as cursor, cursor.copy(statement, [ids]) as copy:
            rows = b"".join(copy)
        _copy(connection, new, [rows])


def _reasons_to_update(exchange: Exchange) -> tuple[str, ...]:
    if exchange.old and exchange.parent.is_referenced:
        return ("Rows were updated in place: a foreign key refers to customer_profiles.",)
    if exchange.old and exchange.parent.has_own_columns:
        return ("Rows were updated in place: customer_profiles has columns of your own.",)
    return ()


def _update_in_place(connection: Connection, exchange: Exchange, run_id: int, absent: str) -> None:
    """Upsert the new partition's rows where it cannot take the old one's place."""
    parent, staged = exchange.parent.name, exchange.new.identifier
    columns = [sql.Identifier(name) for name in COLUMNS]
    changed = [
        sql.SQL("{0} = EXCLUDED.{0}").format(column)
        for column, name in zip(columns, COLUMNS, strict=True)
        if name not in ("store_id", "customer_id", "created_at")
    ]
    connection.execute(
        sql.SQL(
            "INSERT INTO {parent} ({columns}) SELECT {columns} FROM {staged}"
            " ON CONFLICT (store_id, customer_id) DO UPDATE SET {changed}"
        ).format(
            parent=parent,
            columns=sql.SQL(", ").join(columns),
            staged=staged,
            changed=sql.SQL(", ").join(changed),
        )
    )
    if absent == "delete":
        connection.execute(
            sql.SQL("DELETE FROM {} WHERE store_id = %s AND run_id <> %s").format(parent),
            [exchange.store_id, run_id],
        )
    connection.execute(sql.SQL("DROP TABLE {}").format(staged))
