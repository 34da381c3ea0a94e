"""Stores one customer who was assigned between two runs, as the current run would have done.

Takes an `Assigned`; writes the profile, the measures and the sizes of the segments. What can undo
the current run is completed first, so that a rollback stays possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from segpipe.core.errors import BusyError, InputError, SegpipeError
from segpipe.core.identifiers import normalise_customer_id
from segpipe.core.schema import PROFILE_COLUMNS
from segpipe.postgres import (
    Connection,
    LockTimeoutError,
    column_list,
    fetch_one,
    plain_errors,
    sql,
    upsert_from,
)
from segpipe.publishing.profile_row import profile_row
from segpipe.publishing.recount import Change, resize
from segpipe.runs.forgotten import is_forgotten
from segpipe.runs.measures import columns_of
from segpipe.runs.profiles_table import (
    PROFILE_KEY,
    ProfilesTable,
    StoreTable,
    find_parent,
    find_partition,
)
from segpipe.runs.store_lock import set_transaction_defaults, store_key

if TYPE_CHECKING:
    from segpipe.core.assigned import Assigned

_LOCK_TIMEOUT = "2s"  # for sessions that alter the tables; a run is not waited for at all
_STATEMENT_TIMEOUT = "5s"


class RunReplacedError(SegpipeError):
    """The run whose model assigned the customer has been replaced or withdrawn."""

    exit_status = 75


@dataclass(frozen=True)
class _CurrentTables:
    """The current run's date and its tables, as far as they are there."""

    as_of: date
    measures: StoreTable | None
    undo: StoreTable | None
    measures_undo: StoreTable | None


def persist(connection: Connection, store_id: str, run_id: int, assigned: Assigned) -> None:
    """Write the customer's profile and measures, and count them in the run's segments.

    One transaction. Raises BusyError while a run, a rollback or a `forget` is at work,
    RunReplacedError if `run_id` is no longer current, and InputError for a customer who was
    forgotten or whose `as_of` is before the run's; nothing is written then.
    """
    with _busy_errors(store_id), connection.transaction():
        now = _begin(connection, store_id)
        parent = find_parent(connection)
        current = _current_tables(connection, parent, store_id, run_id)
        _check_customer(connection, store_id, assigned, current.as_of)
        customer_id = assigned.customer_id
        before = _counted(connection, store_id, customer_id)
        partition = find_partition(connection, parent, store_id)
        row = profile_row(connection, partition, store_id, run_id, assigned, now)
        if current.undo:
            _save_profile(connection, parent, current.undo, store_id, customer_id)
        if current.measures and current.measures_undo:
            _save_measures(connection, current.measures, current.measures_undo, customer_id)
        _upsert(connection, parent.name, PROFILE_COLUMNS, PROFILE_KEY, row)
        if current.measures:
            _put_measures(connection, current.measures, assigned)
        value = float(assigned.metrics["lifetime_value"])
        after = Change(1, value, dict(assigned.segment_memberships))
        resize(connection, store_id, run_id, before, after)


@contextmanager
def _busy_errors(store_id: str) -> Iterator[None]:
    with plain_errors():
        try:
            yield
        except LockTimeoutError as error:
            raise _busy(store_id) from error


def _busy(store_id: str) -> BusyError:
    return BusyError(
        f"Store {store_id!r} is being written by a run, a rollback or the like, so the customer was"
        " not stored; try again when that has ended."
    )


def _begin(connection: Connection, store_id: str) -> str:
    """The time, once no run holds the store and no other customer is being written.

    Those who write one customer share the run's lock, and wait for each other by a lock of theirs.
    """
    set_transaction_defaults(connection)
    key = store_key(store_id)
    connection.execute(
        "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
        [_LOCK_TIMEOUT, _STATEMENT_TIMEOUT],
    )
    if not fetch_one(connection, "SELECT pg_try_advisory_xact_lock_shared(%s)", [key])[0]:
        raise _busy(store_id)
    own = store_key(f"{store_id}, a customer")
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [own])
    return str(fetch_one(connection, "SELECT clock_timestamp()::text")[0])


def _current_tables(
    connection: Connection, parent: ProfilesTable, store_id: str, run_id: int
) -> _CurrentTables:
    row = connection.execute(
        """
        SELECT run_id, coalesce(as_of, started_at::date), tables.*
        FROM segmentation_runs, LATERAL (
            SELECT max(relname) FILTER (WHERE relname = measures_table),
                max(relname) FILTER (WHERE relname = undo_table),
                max(relname) FILTER (WHERE relname = measures_undo_table)
            FROM pg_class WHERE relnamespace = %s
                AND relname IN (measures_table, undo_table, measures_undo_table)
        ) AS tables
        WHERE store_id = %s AND status = 'published' ORDER BY finished_at DESC LIMIT 1
        """,
        [parent.schema_oid, store_id],
    ).fetchone()
    if row is None or row[0] != run_id:
        now = f"run {row[0]} is" if row else "none is"
        raise RunReplacedError(
            f"Run {run_id} of store {store_id!r} is no longer the current one, {now}; the customer"
            " was not stored. Assign them again."
        )
    tables = (StoreTable(parent.schema, name) if name else None for name in row[2:])
    return _CurrentTables(row[1], *tables)


def _check_customer(connection: Connection, store_id: str, assigned: Assigned, as_of: date) -> None:
    if normalise_customer_id(assigned.customer_id) != assigned.customer_id:
        raise InputError(
            "A run would write this customer_id in another form; to store the customer, send it as"
            " the file's customers have it, without blanks around it or '.0' behind."
        )
    if assigned.as_of < as_of:
        raise InputError(
            f"The customer's as_of is {assigned.as_of}, before that of the current run, {as_of};"
            " to store the customer, leave as_of out or give that day or a later one."
        )
    if is_forgotten(connection, store_id, assigned.customer_id):
        raise InputError(
            "This customer asked to be forgotten, so nothing of them is stored. To let them in"
            " again, delete their row of forgotten_customers."
        )


def _counted(connection: Connection, store_id: str, customer_id: str) -> Change | None:
    """How the customer is counted at present; absent ones are not."""
    row = connection.execute(
        "SELECT lifetime_value, segment_memberships FROM customer_profiles"
        " WHERE store_id = %s AND customer_id = %s AND absent_since_run_id IS NULL",
        [store_id, customer_id],
    ).fetchone()
    return Change(-1, -row[0], row[1]) if row else None


def _save_profile(
    connection: Connection, parent: ProfilesTable, undo: StoreTable, store_id: str, customer_id: str
) -> None:
    """Add the customer to the undo of a run that changed rows in place, as the run would have."""
    if _has(connection, undo, customer_id):
        return
    statement = sql.SQL(
        "INSERT INTO {undo} ({columns}) SELECT {columns} FROM {parent}"
        " WHERE store_id = %s AND customer_id = %s"
    ).format(undo=undo.identifier, parent=parent.name, columns=column_list(PROFILE_COLUMNS))
    if connection.execute(statement, [store_id, customer_id]).rowcount:
        return
    new = sql.SQL("INSERT INTO {} (store_id, customer_id) VALUES (%s, %s)").format(undo.identifier)
    connection.execute(new, [store_id, customer_id])


def _save_measures(
    connection: Connection, table: StoreTable, undo: StoreTable, customer_id: str
) -> None:
    """The same for the measures."""
    if _has(connection, undo, customer_id):
        return
    statement = sql.SQL(
        "INSERT INTO {undo} ({columns}, is_there) SELECT {columns}, true FROM {table}"
        " WHERE customer_id = %s"
    ).format(
        undo=undo.identifier,
        table=table.identifier,
        columns=column_list(columns_of(connection, table)),
    )
    if connection.execute(statement, [customer_id]).rowcount:
        return
    new = sql.SQL("INSERT INTO {} (customer_id, is_there) VALUES (%s, false)")
    connection.execute(new.format(undo.identifier), [customer_id])


def _has(connection: Connection, table: StoreTable, customer_id: str) -> bool:
    statement = sql.SQL("SELECT FROM {} WHERE customer_id = %s LIMIT 1").format(table.identifier)
    return connection.execute(statement, [customer_id]).fetchone() is not None


def _put_measures(connection: Connection, table: StoreTable, assigned: Assigned) -> None:
    """Write the figures that the table has columns for; one that is missing is NULL."""
    figures = {"customer_id": assigned.customer_id, **assigned.measures}
    columns = columns_of(connection, table)
    _upsert(connection, table.identifier, columns, ("customer_id",), figures)


def _upsert(
    connection: Connection,
    table: sql.Identifier,
    columns: Sequence[str],
    keys: Sequence[str],
    row: Mapping[str, Any],
) -> None:
    """Write the whole row; columns of the table's users stay as they are."""
    values = sql.SQL("VALUES ({})").format(sql.SQL(", ").join([sql.Placeholder()] * len(columns)))
    statement = upsert_from(table, columns, keys, values)
    connection.execute(statement, [row.get(name) for name in columns])
