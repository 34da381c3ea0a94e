"""Publishes a run: all readers see it at once or not at all.

One transaction. If most customers changed, the store's next partition is built beside the table and
takes the lock on customer_profiles at the end only; else the rows that changed are updated in
place. If a publication fails, the last results stay live.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

import pyarrow as pa

from segpipe.core.report import LoadInfo
from segpipe.postgres import Connection, fetch_one, location, plain_errors
from segpipe.publishing.copy import RowFormat
from segpipe.publishing.counts import SegmentCounts, write_counts, write_definitions
from segpipe.publishing.held_axes import held_back
from segpipe.publishing.in_place import update_rows
from segpipe.publishing.swap import build_rows
from segpipe.publishing.task import Publication, PublicationContext, Written
from segpipe.runs import kept_tables, partition
from segpipe.runs.ledger import mark_finished, mark_published
from segpipe.runs.partition import PartitionSwap
from segpipe.runs.profiles_table import ProfilesTable, find_parent, find_partition
from segpipe.runs.records import PreviousRun
from segpipe.runs.store_lock import begin
from segpipe.runs.transitions import check_not_overtaken, write_transitions


def publish(connection: Connection, task: Publication) -> LoadInfo:
    """Make the run the current one; gives how many rows were written.

    A second publication of the same store waits for the first, and fails if the first was not its
    previous run. Raises DatabaseError, and what the batches and the check raise; in every case the
    last results stay live.
    """
    where = location(connection)
    with plain_errors(), connection.transaction():
        now = begin(connection, task.store_id)
        check_not_overtaken(connection, task.store_id, task.run_id, task.previous)
        context = _context(connection, task, now)
        counts = SegmentCounts(context.axes)
        notes = _reasons_to_update(context.parent, task.previous) if context.partition else ()
        change = None if notes else _partition_swap(connection, context)
        written = _write(connection, context, change, counts)
        transitions = written.counter.transitions(context.axes)
        if task.check:
            task.check(counts, transitions)
        write_transitions(connection, task.store_id, task.run_id, transitions)
        write_counts(connection, task.store_id, task.run_id, counts)
        write_definitions(
            connection, task.store_id, task.run_id, task.definitions, counts, task.holds_for()
        )
        _make_current(connection, context, change, written)
        info = _info(context, where, written, notes)
        if task.before_commit:
            task.before_commit(info)
    return info


def _context(connection: Connection, task: Publication, now: str) -> PublicationContext:
    parent = find_parent(connection)
    return PublicationContext(
        task=task,
        axes=tuple(task.axes),
        as_of=task.as_of or _as_of(connection, task.run_id),
        row_format=RowFormat.of(task.axes, task.store_id, task.run_id, now),
        parent=parent,
        partition=find_partition(connection, parent, task.store_id),
        chain=kept_tables.read_chain(connection, parent, task.store_id),
    )


def _partition_swap(connection: Connection, context: PublicationContext) -> PartitionSwap:
    """The store's next partition, still empty, and the one whose place it will take."""
    task, parent = context.task, context.parent
    new = partition.create_partition(connection, parent, task.store_id, task.run_id)
    return PartitionSwap(parent, task.store_id, context.partition, new)


def _write(
    connection: Connection,
    context: PublicationContext,
    change: PartitionSwap | None,
    counts: SegmentCounts,
) -> Written:
    """The rows and the measures: into the new partition, or where they are."""
    task, batches = context.task, context.task.batches
    if task.held_axes and context.partition:
        batches = held_back(connection, context.partition, task.held_axes, batches)
    counted = _counted(batches, counts)
    if change:
        return build_rows(connection, context, change, counted)
    assert context.partition  # noqa: S101 - without a partition there is a swap
    return update_rows(connection, context, context.partition, counted)


def _make_current(
    connection: Connection,
    context: PublicationContext,
    change: PartitionSwap | None,
    written: Written,
) -> None:
    """Indexes, the ledger, and the swap last; tables that are no longer kept are dropped."""
    task, parent = context.task, context.parent
    in_use = {name for name in vars(written.tables).values() if name}
    if change:
        partition.build_indexes(connection, parent, change.new, context.axes)
    kept_chain = context.chain[: task.keep_runs]
    kept_tables.drop_tables(connection, parent, task.store_id, kept_chain, in_use)
    mark_published(connection, task.run_id, task.model, written.tables, written.n_published)
    if change:
        partition.swap(connection, change, task.patience_seconds)
        mark_finished(connection, task.run_id)  # waiting for readers may have taken a while
        if not task.keep_runs:
            kept_tables.drop_tables(connection, parent, task.store_id, (), in_use)


def _as_of(connection: Connection, run_id: int) -> date:
    query = "SELECT coalesce(as_of, started_at::date) FROM segmentation_runs WHERE run_id = %s"
    found: date = fetch_one(connection, query, [run_id])[0]
    return found


def _counted(batches: Iterable[pa.RecordBatch], counts: SegmentCounts) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        counts.add(batch)


def _info(
    context: PublicationContext, where: str, written: Written, notes: tuple[str, ...]
) -> LoadInfo:
    task = context.task
    keeps = task.absent == "keep"
    return LoadInfo(
        run_id=task.run_id,
        store_id=task.store_id,
        database=where,
        n_published=written.n_published,
        n_inserted=written.n_inserted,
        n_updated=written.n_updated,
        n_absent_kept=written.n_absent if keeps else 0,
        n_absent_deleted=0 if keeps else written.n_absent,
        n_unchanged=written.n_unchanged,
        previous_run_id=task.previous.run_id if task.previous else None,
        transitions=written.counter.transitions(context.axes),
        notes=notes,
    )


def _reasons_to_update(parent: ProfilesTable, previous: PreviousRun | None) -> tuple[str, ...]:
    if parent.is_referenced:
        return ("Rows were updated in place: a foreign key refers to customer_profiles.",)
    if parent.has_own_columns:
        return ("Rows were updated in place: customer_profiles has columns of your own.",)
    if previous and previous.is_repeated:
        return ("Only rows that changed were written: same model, same observation date.",)
    return ()
