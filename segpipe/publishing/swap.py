"""The store's next partition, built beside the table: used if most customers changed.

Takes membership batches; gives the rows of the new partition, which `partition.swap` makes current.
The measures go over a connection of their own at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from segpipe.core.schema import COPY_COLUMNS, PROFILE_COLUMNS
from segpipe.postgres import Connection, column_list, sql
from segpipe.publishing.copy import copy_lines, send, sort_by_segment
from segpipe.publishing.measure_table import carry_measures, write_measures
from segpipe.publishing.previous_rows import read_previous_rows
from segpipe.publishing.task import PublicationContext, Written
from segpipe.publishing.transitions import TransitionCounter, track_transitions
from segpipe.runs.partition import PartitionSwap, drop_copied_expression
from segpipe.runs.profiles_table import StoreTable
from segpipe.runs.records import RunTables

_CARRIED_ROWS = 20_000  # sent at a time, some 40 MB


def build_rows(
    connection: Connection,
    context: PublicationContext,
    change: PartitionSwap,
    batches: Iterable[pa.RecordBatch],
) -> Written:
    """Fill the new partition."""
    task, before = context.task, context.tables
    with ThreadPoolExecutor(1) as aside:
        writing = aside.submit(write_measures, connection, context, task.measures)
        known = read_previous_rows(connection, change.old, context.axes)
        counter = TransitionCounter(known, task.previous, context.as_of)
        ordered = sort_by_segment(batches, context.axes)
        n_rows = _copy(connection, change.new, _lines(ordered, counter, context), COPY_COLUMNS)
        drop_copied_expression(connection, change.new)
        measures_table = writing.result()
    absent_ids = known.customers.absent_ids
    if change.old and task.absent == "keep" and len(absent_ids):
        _carry_over(connection, task.run_id, change.old, change.new, absent_ids)
        if measures_table and before.measures:
            carry_measures(connection, context.parent, before.measures, measures_table, absent_ids)
    n_present = known.customers.n_present
    return Written(
        counter=counter,
        tables=RunTables(change.new.name, measures_table),
        n_published=n_rows,
        n_inserted=n_rows - n_present,
        n_updated=n_present,
        n_unchanged=0,
        n_absent=len(absent_ids),
    )


def _lines(
    batches: Iterable[pa.RecordBatch], counter: TransitionCounter, context: PublicationContext
) -> Iterator[memoryview]:
    row_format = context.row_format
    for batch in batches:
        history = track_transitions(batch, counter, row_format.now)
        yield from copy_lines(batch, history, row_format)


def _copy(
    connection: Connection,
    table: StoreTable,
    lines: Iterable[memoryview | bytes],
    columns: Sequence[str],
) -> int:
    """Rows sent.

    With FREEZE, transactions that are older than this one see the new rows too.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FREEZE)").format(
        table.identifier, column_list(columns)
    )
    return send(connection, statement, lines)


def _carry_over(
    connection: Connection, run_id: int, old: StoreTable, new: StoreTable, absent_ids: pa.Array
) -> None:
    """Copy the rows of absent customers as they are, with the run since which they are absent.

    Through this process and not by INSERT … SELECT, whose rows could not be frozen.
    """
    columns = [
        sql.SQL("coalesce(absent_since_run_id, {})").format(sql.Literal(run_id))
        if name == "absent_since_run_id"
        else sql.Identifier(name)
        for name in PROFILE_COLUMNS
    ]
    statement = sql.SQL("COPY (SELECT {} FROM {} WHERE customer_id = ANY(%s)) TO STDOUT").format(
        sql.SQL(", ").join(columns), old.identifier
    )
    for start in range(0, len(absent_ids), _CARRIED_ROWS):
        ids = absent_ids.slice(start, _CARRIED_ROWS).to_pylist()
        with connection.cursor() as cursor, cursor.copy(statement, [ids]) as copy:
            rows = b"".join(copy)
        _copy(connection, new, [rows], PROFILE_COLUMNS)
