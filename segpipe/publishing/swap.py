"""The store's next partition, built beside the table: where most customers changed.

Takes membership batches and the old partition; gives the new one, which `partition.swap` puts in
force. The measures go over a connection of their own meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from segpipe.core.schema import COPY_COLUMNS, PROFILE_COLUMNS
from segpipe.postgres import Connection, sql
from segpipe.publishing.copy import copy_lines, send, sort_by_segment
from segpipe.publishing.measure_table import carry_measures, write_measures
from segpipe.publishing.previous_rows import PreviousRows, read_previous_rows
from segpipe.publishing.task import Publication, Written
from segpipe.publishing.transitions import TransitionCounter, track_transitions
from segpipe.runs.partition import Partition, PartitionSwap, drop_copied_expression
from segpipe.runs.records import RunTables

_CARRIED_ROWS = 20_000  # sent at a time, some 40 MB


def build_rows(
    connection: Connection,
    task: Publication,
    exchange: PartitionSwap,
    batches: Iterable[pa.RecordBatch],
    measures: Iterable[pa.RecordBatch] | None,
    before: RunTables,
) -> Written:
    """Fill the new partition; `before` are the tables of the run in force."""
    with ThreadPoolExecutor(1) as aside:
        writing = aside.submit(write_measures, connection, task, exchange.parent, measures)
        known = read_previous_rows(connection, exchange.old, task.axes)
        moves = TransitionCounter(known, task.previous, task.as_of)
        n_rows = _copy(
            connection,
            exchange.new,
            _lines(sort_by_segment(batches, task.axes), moves, task),
            COPY_COLUMNS,
        )
        drop_copied_expression(connection, exchange.new)
        kept = writing.result()
    n_absent = len(known.ids) - known.n_present
    if exchange.old and task.absent == "keep" and n_absent:
        _carry_over(connection, task, exchange.old, exchange.new, known)
        if kept and before.measures:
            carry_measures(connection, exchange.parent, before.measures, kept, known.absent_ids)
    return Written(
        moves=moves,
        tables=RunTables(exchange.new.name, kept),
        n_published=n_rows,
        n_inserted=n_rows - known.n_present,
        n_updated=known.n_present,
        n_unchanged=0,
        n_absent=n_absent,
    )


def _lines(
    batches: Iterable[pa.RecordBatch], moves: TransitionCounter, task: Publication
) -> Iterator[memoryview]:
    for batch in batches:
        yield from copy_lines(
            batch, track_transitions(batch, moves, task.row_format.now), task.row_format
        )


def _copy(
    connection: Connection,
    table: Partition,
    lines: Iterable[memoryview | bytes],
    columns: Sequence[str],
) -> int:
    """Rows sent.

    FREEZE lets a transaction that is older than this one see the new rows all the same.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FREEZE)").format(
        table.identifier, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    return send(connection, statement, lines)


def _carry_over(
    connection: Connection, task: Publication, old: Partition, new: Partition, known: PreviousRows
) -> None:
    """Copy the rows of absent customers as they are, and say since when they are absent.

    Through this process and not by INSERT … SELECT, whose rows could not be frozen.
    """
    absent = known.absent_ids
    columns = [
        sql.SQL("coalesce(absent_since_run_id, {})").format(sql.Literal(task.run_id))
        if name == "absent_since_run_id"
        else sql.Identifier(name)
        for name in PROFILE_COLUMNS
    ]
    statement = sql.SQL("COPY (SELECT {} FROM {} WHERE customer_id = ANY(%s)) TO STDOUT").format(
        sql.SQL(", ").join(columns), old.identifier
    )
    for start in range(0, len(absent), _CARRIED_ROWS):
        ids = absent.slice(start, _CARRIED_ROWS).to_pylist()
        with connection.cursor() as cursor, cursor.copy(statement, [ids]) as copy:
            rows = b"".join(copy)
        _copy(connection, new, [rows], PROFILE_COLUMNS)
