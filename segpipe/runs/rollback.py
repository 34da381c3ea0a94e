"""Puts an earlier run back, and prunes the runs that are kept, in one transaction each.

A run is put back by swapping its partition in again or, if rows were changed in place, by writing
them as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

from segpipe.core.errors import InputError
from segpipe.postgres import Connection, ServerError, plain_errors, sql
from segpipe.runs import kept_tables, partition
from segpipe.runs.kept_tables import KeptRun
from segpipe.runs.measures import replace_measures
from segpipe.runs.partition import PartitionSwap
from segpipe.runs.profiles_table import (
    ProfilesTable,
    StoreTable,
    find_parent,
    find_partition,
    put_rows,
)
from segpipe.runs.store_lock import begin

_PATIENCE_SECONDS = 120.0
_IS_REFERENCED = "23503"
_OTHER_SHAPE = "42804"  # SQLSTATE of ATTACH with other columns or constraints


@dataclass(frozen=True)
class RolledBack:
    """The run that is current again, and those that were withdrawn for it."""

    current_run_id: int
    withdrawn: tuple[int, ...]  # the newest first
    n_profiles: int


@dataclass(frozen=True)
class Pruned:
    """Runs that can still be put back, and the space that the others' tables took."""

    kept: tuple[int, ...]  # apart from the current one, the newest first
    freed_bytes: int


def rollback(connection: Connection, store_id: str, run_id: int | None = None) -> RolledBack:
    """Make the run before the current one current again, or an earlier one that is kept.

    Raises InputError if there is no such run, and DatabaseError; either way nothing changes.
    """
    with plain_errors(), connection.transaction():
        begin(connection, store_id)
        parent = find_parent(connection)
        chain = kept_tables.read_chain(connection, parent, store_id)
        steps = _steps(chain, store_id, run_id)
        for run, before in steps:
            with _references_message(run):
                _step_back(connection, parent, store_id, run, before)
        withdrawn = tuple(run.run_id for run, _ in steps)
        connection.execute(
            "UPDATE segmentation_runs SET status = 'withdrawn' WHERE run_id = ANY(%s)",
            [list(withdrawn)],
        )
        remaining = kept_tables.read_chain(connection, parent, store_id)
        kept_tables.drop_tables(connection, parent, store_id, remaining, set())
        kept_tables.release_tables(connection, withdrawn, remaining)
        count = sql.SQL("SELECT count(*) FROM {} WHERE store_id = %s").format(parent.name)
        found = connection.execute(count, [store_id]).fetchone()
    return RolledBack(steps[-1][1].run_id, withdrawn, found[0] if found else 0)


def prune(connection: Connection, store_id: str, keep: int) -> Pruned:
    """Keep the newest `keep` runs apart from the current one, and drop the tables of the others.

    Their rows in the ledger, the counts and the transitions stay. Raises InputError for less than
    none, and DatabaseError.
    """
    if keep < 0:
        raise InputError(f"{keep} earlier runs cannot be kept; give 0 or more.")
    with plain_errors(), connection.transaction():
        begin(connection, store_id)
        parent = find_parent(connection)
        chain = kept_tables.read_chain(connection, parent, store_id)[: keep + 1]
        freed = kept_tables.drop_tables(connection, parent, store_id, chain, set())
    return Pruned(tuple(run.run_id for run in chain[1:]), freed)


def _steps(
    chain: list[KeptRun], store_id: str, run_id: int | None
) -> list[tuple[KeptRun, KeptRun]]:
    """(run, the run before it) from the current one down to the wanted one."""
    if not chain:
        raise InputError(f"Store {store_id!r} has no current run; `segpipe runs` lists all.")
    numbers = [run.run_id for run in chain]
    if run_id == numbers[0]:
        raise InputError(f"Run {run_id} of store {store_id!r} is the current one already.")
    kept_ones = f"runs {', '.join(map(str, numbers[1:]))}" if numbers[1:] else "none"
    if len(numbers) == 1 or (run_id is not None and run_id not in numbers):
        wanted = f"Run {run_id}" if run_id is not None else f"No run before run {numbers[0]}"
        not_kept = "is not kept" if run_id is not None else "is kept"
        raise InputError(
            f"{wanted} of store {store_id!r} {not_kept}; those that can be put back: {kept_ones}."
            " --keep-runs of `segpipe run` says how many stay."
        )
    last = numbers.index(run_id) if run_id is not None else 1
    return list(pairwise(chain[: last + 1]))


@contextmanager
def _references_message(run: KeptRun) -> Iterator[None]:
    """Explain what to do about rows of another table that refer to customers of the run."""
    try:
        yield
    except ServerError as error:
        if error.sqlstate != _IS_REFERENCED:
            raise
        raise InputError(
            f"Another table refers to customers that run {run.run_id} added, so they cannot be"
            f" removed: {error.diag.message_detail} Nothing has changed; delete those rows first."
        ) from error


def _step_back(
    connection: Connection, parent: ProfilesTable, store_id: str, run: KeptRun, before: KeptRun
) -> None:
    if run.tables.undo:
        _undo(connection, parent, store_id, run)
        return
    current = find_partition(connection, parent, store_id)
    former = StoreTable(parent.schema, before.tables.profiles or "")
    change = PartitionSwap(parent, store_id, current, former)
    if (parent.must_stay and current) or not _swap(connection, change):
        _write_back(connection, change)


def _swap(connection: Connection, change: PartitionSwap) -> bool:
    """Whether the kept table took its place: it cannot if customer_profiles was altered since."""
    try:
        partition.swap(connection, change, _PATIENCE_SECONDS)
    except ServerError as error:
        if error.sqlstate != _OTHER_SHAPE or not change.old:
            raise
        return False
    return True


def _write_back(connection: Connection, change: PartitionSwap) -> None:
    """Make the rows those of the kept table, which is then named as the withdrawn run's."""
    parent, former, current = change.parent, change.new, change.old
    assert current  # noqa: S101 - without one, the kept table is attached
    delete = sql.SQL(
        "DELETE FROM {parent} WHERE store_id = %s AND NOT EXISTS"
        " (SELECT FROM {former} AS f WHERE f.customer_id = {parent}.customer_id)"
    )
    names = {"parent": parent.name, "former": former.identifier}
    connection.execute(delete.format(**names), [change.store_id])
    put_rows(connection, parent, former)
    connection.execute(
        "UPDATE segmentation_runs"
        " SET profiles_table = CASE profiles_table WHEN %(new)s THEN %(old)s ELSE %(new)s END"
        " WHERE store_id = %(store)s AND profiles_table IN (%(new)s, %(old)s)",
        {"new": former.name, "old": current.name, "store": change.store_id},
    )


def _undo(connection: Connection, parent: ProfilesTable, store_id: str, run: KeptRun) -> None:
    """Write the rows that the run changed as they were, and remove those that it added."""
    rows = StoreTable(parent.schema, run.tables.undo or "")
    delete = sql.SQL(
        "DELETE FROM {} WHERE store_id = %s AND customer_id IN"
        " (SELECT customer_id FROM {} WHERE segment_memberships IS NULL)"
    )
    connection.execute(delete.format(parent.name, rows.identifier), [store_id])
    put_rows(connection, parent, rows)
    if run.tables.measures and run.tables.measures_undo:
        replace_measures(
            connection,
            StoreTable(parent.schema, run.tables.measures),
            StoreTable(parent.schema, run.tables.measures_undo),
            is_undo=True,
        )
