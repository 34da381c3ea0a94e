"""The runs of a store that are kept: the current one, and those that a rollback can put back.

Takes the ledger and the catalog; gives the runs, newest first, and the tables to drop. A run that
changed rows in place keeps the rows as they were before it (`undo`); any other run leaves the whole
table of the run before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from segpipe.postgres import (
    Connection,
    DeadlockError,
    DependentObjectsError,
    LockTimeoutError,
    PrivilegeError,
    sql,
)
from segpipe.runs.profiles_table import ProfilesTable, StoreTable
from segpipe.runs.records import RunTables

_TABLES = ("profiles_table", "measures_table", "undo_table", "measures_undo_table")  # RunTables


@dataclass(frozen=True)
class KeptRun:
    """A published run and its tables; one that somebody dropped is None."""

    run_id: int
    tables: RunTables

    @property
    def names(self) -> set[str]:
        """Names of its tables."""
        found = vars(self.tables).values()
        return {name for name in found if name is not None}


def read_chain(connection: Connection, parent: ProfilesTable, store_id: str) -> list[KeptRun]:
    """Published runs, the current one first, as far back as each can be put back."""
    rows = connection.execute(
        sql.SQL(
            "SELECT run_id, previous_run_id, {} FROM segmentation_runs"
            " WHERE store_id = %(store_id)s AND status = 'published' ORDER BY finished_at DESC"
        ).format(sql.SQL(", ").join(map(_existing, _TABLES))),
        {"schema": parent.schema_oid, "store_id": store_id},
    ).fetchall()
    runs = {row[0]: (row[1], KeptRun(row[0], RunTables(*row[2:]))) for row in rows}
    chain: list[KeptRun] = []
    run_id = rows[0][0] if rows else None
    while run_id in runs:
        before, run = runs[run_id]
        if chain and not _can_go_back(chain[-1], run):
            break
        chain.append(run)
        run_id = before
    return chain


def _existing(column: str) -> sql.Composed:
    """The table's name where there is such a table."""
    return sql.SQL(
        "(SELECT relname FROM pg_class WHERE relname = {} AND relnamespace = %(schema)s)"
    ).format(sql.Identifier(column))


def _can_go_back(run: KeptRun, before: KeptRun) -> bool:
    if run.tables.undo:
        return run.tables.profiles == before.tables.profiles
    return before.tables.profiles not in (None, run.tables.profiles)


def drop_tables(
    connection: Connection,
    parent: ProfilesTable,
    store_id: str,
    chain: Iterable[KeptRun],
    in_use: set[str],
) -> int:
    """Bytes freed by dropping every table of the store that neither the chain nor `in_use` has.

    The oldest run of the chain needs no undo. A table that a session or a view uses is left for the
    next time.
    """
    kept = list(chain)
    needed = in_use.union(*(run.names for run in kept))
    if kept:
        oldest = kept[-1].tables
        needed -= {name for name in (oldest.undo, oldest.measures_undo) if name} - in_use
    freed = 0
    for column in _TABLES:
        rows = connection.execute(
            sql.SQL(
                "SELECT run_id, {0} FROM segmentation_runs WHERE store_id = %s AND {0} <> ALL(%s)"
            ).format(sql.Identifier(column)),
            [store_id, sorted(needed)],
        ).fetchall()
        for run_id, name in rows:
            freed += drop_table(connection, StoreTable(parent.schema, name), column, run_id)
    return freed


def drop_table(connection: Connection, table: StoreTable, column: str, run_id: int) -> int:
    """Bytes freed by dropping the table that the ledger names there; 0 if it is in use."""
    forget = sql.SQL("UPDATE segmentation_runs SET {} = NULL WHERE run_id = %s")
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '1s'")
            if is_attached(connection, table):  # never the current one, whatever is recorded
                return 0
            freed = size_of(connection, table)
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table.identifier))
            connection.execute(forget.format(sql.Identifier(column)), [run_id])
    except (LockTimeoutError, DeadlockError, DependentObjectsError, PrivilegeError):
        return 0
    return freed


def release_tables(
    connection: Connection, run_ids: Sequence[int], chain: Iterable[KeptRun]
) -> None:
    """Leave the tables of the chain to its own runs: the ledger's rows of the others lose them."""
    shared = sorted(set().union(*(run.names for run in chain)))
    for column in _TABLES:
        statement = sql.SQL(
            "UPDATE segmentation_runs SET {0} = NULL WHERE run_id = ANY(%s) AND {0} = ANY(%s)"
        )
        connection.execute(statement.format(sql.Identifier(column)), [list(run_ids), shared])


def size_of(connection: Connection, table: StoreTable) -> int:
    """Bytes of a table with its indexes, 0 if there is none."""
    row = connection.execute(
        "SELECT pg_total_relation_size(c.oid) FROM pg_class AS c JOIN pg_namespace AS n"
        " ON n.oid = relnamespace WHERE nspname = %s AND relname = %s",
        [table.schema, table.name],
    ).fetchone()
    return int(row[0]) if row else 0


def is_attached(connection: Connection, table: StoreTable) -> bool:
    """Whether the table is a partition now."""
    row = connection.execute(
        "SELECT relispartition FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace"
        " WHERE nspname = %s AND relname = %s",
        [table.schema, table.name],
    ).fetchone()
    return bool(row and row[0])
