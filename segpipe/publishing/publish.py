"""Publishing: takes membership batches, gives a run that all readers see at once or not at all.

One transaction: the store's next partition is built beside the table and takes the lock on
customer_profiles at the end only, or the few rows that changed are updated where they are. A
publication that dies leaves the previous run in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from segpipe.core.report import LoadInfo
from segpipe.postgres import Connection, fetch_one, location, plain_errors
from segpipe.publishing.copy import RowFormat
from segpipe.publishing.counts import SegmentCounts, write_counts, write_definitions
from segpipe.publishing.in_place import update_rows
from segpipe.publishing.swap import build_rows
from segpipe.publishing.task import Check, Publication, Written
from segpipe.runs import kept_tables, partition
from segpipe.runs.kept_tables import KeptRun
from segpipe.runs.ledger import mark_finished, mark_published
from segpipe.runs.partition import Partition, PartitionSwap, ProfilesTable
from segpipe.runs.records import PreviousRun, RunTables, SegmentDefinition
from segpipe.runs.store_lock import begin
from segpipe.runs.transitions import check_not_overtaken, write_transitions


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
    keep_runs: int = 2,
    measures: Iterable[pa.RecordBatch] | None = None,
    previous: PreviousRun | None = None,
    as_of: date | None = None,
    check: Check | None = None,
    reached: Callable[[LoadInfo], None] | None = None,
    patience_seconds: float = 120.0,
) -> LoadInfo:
    """Put the run's profiles in force, and say how many rows it was.

    `measures`, batches of customer_id and doubles, are kept in a table of the run's own.
    With the `previous` run, whose segments this one's were matched to, the transitions from it are
    counted; as_of is the ledger's where it is not given.
    Customers who are absent from the batches keep their old rows, or go with absent="delete".
    `check` sees the counts of all customers while nothing is in force yet; what it raises refuses
    the run. `reached` gets what this gives just before COMMIT, whose answer may be lost.
    A second publication of the same store waits for the first, and is refused where the
    first was not its previous run. Raises DatabaseError; whatever is raised, by the batches too,
    leaves the previous run in force.
    """
    where = location(connection)
    with plain_errors(), connection.transaction():
        now = begin(connection, store_id)
        check_not_overtaken(connection, store_id, run_id, previous)
        task = Publication(
            run_id=run_id,
            store_id=store_id,
            axes=tuple(axes),
            as_of=as_of or _as_of(connection, run_id),
            absent=absent,
            keep_runs=keep_runs,
            previous=previous,
            row_format=RowFormat.of(axes, store_id, run_id, now),
        )
        parent = partition.find_parent(connection)
        old = partition.find_partition(connection, parent, store_id)
        chain = kept_tables.read_chain(connection, parent, store_id)
        counts = SegmentCounts(task.axes)
        notes = _reasons_to_update(parent, previous) if old else ()
        exchange = None if notes else _partition_swap(connection, task, parent, old)
        written = _write(connection, task, exchange, parent, old, batches, counts, measures, chain)
        if check:
            check(counts)
        write_transitions(connection, store_id, run_id, written.moves.transitions(axes))
        write_counts(connection, store_id, run_id, counts)
        write_definitions(connection, store_id, run_id, definitions, counts)
        _make_current(connection, task, parent, exchange, written, chain, model, patience_seconds)
        info = _info(task, where, written, notes)
        if reached:
            reached(info)
    return info


def _partition_swap(
    connection: Connection, task: Publication, parent: ProfilesTable, old: Partition | None
) -> PartitionSwap:
    """The store's next partition, empty as yet, and the one whose place it will take."""
    new = partition.create_partition(connection, parent, task.store_id, task.run_id)
    return PartitionSwap(parent, task.store_id, old, new)


def _write(
    connection: Connection,
    task: Publication,
    exchange: PartitionSwap | None,
    parent: ProfilesTable,
    old: Partition | None,
    batches: Iterable[pa.RecordBatch],
    counts: SegmentCounts,
    measures: Iterable[pa.RecordBatch] | None,
    chain: Sequence[KeptRun],
) -> Written:
    """The rows and the measures: into the new partition, or where they are."""
    before = chain[0].tables if chain else RunTables(None)
    counted = _counted(batches, counts)
    if exchange:
        return build_rows(connection, task, exchange, counted, measures, before)
    assert old  # noqa: S101 - without a partition there is an exchange
    return update_rows(connection, task, parent, old, counted, measures, before)


def _make_current(
    connection: Connection,
    task: Publication,
    parent: ProfilesTable,
    exchange: PartitionSwap | None,
    written: Written,
    chain: Sequence[KeptRun],
    model: dict[str, Any] | None,
    patience_seconds: float,
) -> None:
    """Indexes, the ledger, and last of all the swap; what is no longer kept goes."""
    in_use = {name for name in vars(written.tables).values() if name}
    if exchange:
        partition.build_indexes(connection, parent, exchange.new, task.axes)
    kept_tables.drop_tables(connection, parent, task.store_id, chain[: task.keep_runs], in_use)
    mark_published(connection, task.run_id, model, written.tables, written.n_published)
    if exchange:
        partition.swap(connection, exchange, patience_seconds)
        mark_finished(connection, task.run_id)  # readers may have been waited for
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


def _info(task: Publication, where: str, written: Written, notes: tuple[str, ...]) -> LoadInfo:
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
        transitions=written.moves.transitions(task.axes),
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
