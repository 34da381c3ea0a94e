"""Forgets a customer: takes an id, gives what was removed where, and what was out of reach.

Rows, statistics and exported records are removed; a salted hash stays, by which later runs leave
the customer out. It is one transaction: if it fails, nothing is done and it can be run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from segpipe.core.errors import DatabaseError, InputError
from segpipe.core.settings import home_path
from segpipe.export import ErasedFile, erase_from_exports, folders_of, hold_exports
from segpipe.pipeline import checkpoint_folder
from segpipe.postgres import Connection, ServerError, plain_errors, sql
from segpipe.runs import hold_store, stores_of
from segpipe.runs.current_run import CURRENT_RUN
from segpipe.runs.forgotten import is_forgotten, remember_forgotten
from segpipe.runs.profiles_table import profiles_schema
from segpipe.runs.store_lock import set_transaction_defaults

_REFERENCED = "23503"  # SQLSTATE of a foreign key that prevents a DELETE
Notify = Callable[[str], None]


@dataclass(frozen=True)
class Erasure:
    """A table, and how many rows of the customer it had."""

    table: str
    n_rows: int


@dataclass(frozen=True)
class ErasureReport:
    """What was done; the lists are empty if the customer had been forgotten before."""

    store_id: str
    customer_id: str
    was_forgotten: bool  # before, so that this was done once more
    tables: tuple[Erasure, ...]
    files: tuple[ErasedFile, ...]
    unreached: tuple[str, ...]  # sentences

    @property
    def is_clean(self) -> bool:
        """Whether nothing of the customer was found."""
        return not self.tables and not any(file.n_records for file in self.files)


def store_of_customer(connection: Connection, customer_id: str, store_id: str | None) -> str:
    """The store that is meant. Raises InputError if it must be named.

    A customer without a profile may have been forgotten, or be in a kept run or in an export.
    """
    if store_id is not None:
        return store_id
    with plain_errors():
        rows = connection.execute("SELECT DISTINCT store_id FROM segmentation_runs ORDER BY 1")
        every = [row[0] for row in rows]
        stores = stores_of(connection, customer_id) or [
            store for store in every if is_forgotten(connection, store, customer_id)
        ]
    found = stores or every
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError("No run has been published, so there is nobody to forget.")
    is_in = "is in" if stores else "is in none of"
    raise InputError(
        f"Customer {customer_id!r} {is_in} several stores ({', '.join(found)}); name one with"
        " --store-id."
    )


def erase_customer(
    connection: Connection, store_id: str, customer_id: str, notify: Notify = lambda _: None
) -> ErasureReport:
    """Remove the customer from the store, and leave them out from now on.

    Waits for a run or an export at work; `notify` gets a sentence then. Raises InputError for a
    customer who is nowhere and was never forgotten; DatabaseError leaves everything as it was.
    """
    with hold_store(connection, store_id, wait=True, notify=notify):
        with _reference_errors(customer_id), connection.transaction():
            set_transaction_defaults(connection)
            hold_exports(connection)
            tables = _erase_rows(connection, store_id, customer_id)
            files = _erase_files(connection, store_id, customer_id)
            is_new = remember_forgotten(connection, store_id, customer_id)
            if is_new and not tables and not any(file.n_records for file in files):
                msg = f"There is no customer {customer_id!r} in store {store_id!r}, its kept runs"
                raise InputError(f"{msg} or its exports; check the id, as `segpipe show` has it.")
        unreached = [
            *_discard_unfinished(store_id, customer_id),
            *_clean(connection, customer_id, [erasure.table for erasure in tables]),
        ]
    return ErasureReport(
        store_id=store_id,
        customer_id=customer_id,
        was_forgotten=not is_new,
        tables=tables,
        files=files,
        unreached=(*unreached, *_beyond(connection, store_id)),
    )


@contextmanager
def _reference_errors(customer_id: str) -> Iterator[None]:
    try:
        with plain_errors():
            yield
    except DatabaseError as error:
        cause = error.__cause__
        if isinstance(cause, ServerError) and cause.sqlstate == _REFERENCED:
            msg = f"Another table refers to customer {customer_id!r}"
            detail = cause.diag.table_name
            msg += f" ({detail}); " if detail else "; "
            raise DatabaseError(
                f"{msg}nothing was removed. Remove them there first, and run this again."
            ) from error
        raise


def _erase_rows(connection: Connection, store_id: str, customer_id: str) -> tuple[Erasure, ...]:
    """Tables that had the customer: the current partition, and those of the store's kept runs."""
    deleted = connection.execute(
        "DELETE FROM customer_profiles WHERE store_id = %s AND customer_id = %s"
        " RETURNING (SELECT relname FROM pg_class WHERE oid = customer_profiles.tableoid)",
        [store_id, customer_id],
    ).fetchall()
    found = [Erasure(name, 1) for (name,) in deleted]
    schema = profiles_schema(connection)
    statement = sql.SQL("DELETE FROM {} WHERE customer_id = %s")
    for name in _kept_tables(connection, store_id):
        table = sql.Identifier(schema, name)
        found.append(
            Erasure(name, connection.execute(statement.format(table), [customer_id]).rowcount)
        )
    return tuple(erasure for erasure in found if erasure.n_rows)


def _kept_tables(connection: Connection, store_id: str) -> list[str]:
    """Tables that the ledger has for the store, as far as they exist and are not current."""
    rows = connection.execute(
        """
        SELECT DISTINCT relname
        FROM segmentation_runs CROSS JOIN unnest(ARRAY[
            profiles_table, measures_table, undo_table, measures_undo_table]) AS name
        JOIN pg_class AS c ON c.relname = name AND c.relnamespace = (
            SELECT relnamespace FROM pg_class WHERE oid = 'customer_profiles'::regclass
        )
        WHERE store_id = %s AND c.relkind = 'r' AND NOT c.relispartition
        ORDER BY relname
        """,
        [store_id],
    ).fetchall()
    return [row[0] for row in rows]


def _erase_files(connection: Connection, store_id: str, customer_id: str) -> tuple[ErasedFile, ...]:
    folders = folders_of(connection, store_id)
    if not folders:
        return ()
    rows = connection.execute(
        "SELECT run_id FROM segmentation_runs WHERE store_id <> %s", [store_id]
    ).fetchall()
    others = frozenset(row[0] for row in rows)
    return tuple(
        file for folder in folders for file in erase_from_exports(folder, customer_id, others)
    )


def _discard_unfinished(store_id: str, customer_id: str) -> tuple[str, ...]:
    """Remove what a failed run keeps for --resume; gives a sentence if that fails."""
    try:
        checkpoint_folder.erase_customer(store_id, customer_id)
    except InputError as error:
        return (str(error),)
    return ()


def _clean(connection: Connection, customer_id: str, tables: Sequence[str]) -> tuple[str, ...]:
    """Overwrite the removed rows and the planner's examples now; gives a sentence if that fails.

    Autovacuum would, but only after enough other rows have changed, which may take months.
    """
    try:
        with plain_errors():
            schema = profiles_schema(connection)
            vacuum = sql.SQL("VACUUM (INDEX_CLEANUP ON) {}")
            for name in tables:
                connection.execute(vacuum.format(sql.Identifier(schema, name)))
            analyze = sql.SQL("ANALYZE {} (customer_id)")
            for name in _tables_with_example(connection, schema, customer_id):
                connection.execute(analyze.format(sql.Identifier(schema, name)))
    except DatabaseError as error:
        return (f"The space of the removed rows is only overwritten by the next VACUUM: {error}",)
    return ()


def _tables_with_example(connection: Connection, schema: str, customer_id: str) -> list[str]:
    """Tables whose statistics for the planner have the id among their examples."""
    rows = connection.execute(
        """
        SELECT DISTINCT tablename FROM pg_stats
        WHERE attname = 'customer_id' AND schemaname = %s AND %s = ANY(
            coalesce(histogram_bounds::text::text[], '{}')
            || coalesce(most_common_vals::text::text[], '{}')
        )
        """,
        [schema, customer_id],
    ).fetchall()
    return [row[0] for row in rows]


def _beyond(connection: Connection, store_id: str) -> tuple[str, ...]:
    """What no database command reaches, with the file names of the current run."""
    with plain_errors():
        row = connection.execute(
            "SELECT report->'source'->'paths', report->'source'->>'rejects_path'"
            f" FROM {CURRENT_RUN}".encode(),
            {"store_id": store_id},
        ).fetchone()
    paths = ", ".join(row[0]) if row and row[0] else ""
    current = f" (of the current run: {paths})" if paths else ""
    rejects = f" ({row[1]})" if row and row[1] else ""
    return (
        f"Input files{current}, those of earlier runs too, and files of rejected rows{rejects}.",
        "Backups, replicas' and the server's logs, and copies of exports made elsewhere.",
        f"What a failed run keeps for --resume in a folder other than {home_path() / 'resume'}.",
        "Points of the sample, without ids, in pages of runs and in segmentation_runs.",
    )
