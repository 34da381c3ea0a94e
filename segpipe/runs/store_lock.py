"""One writer a store: a lock that a run holds from its start, and cleaning up after dead runs.

The lock is the session's, so that it goes with a process, however that ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from segpipe.core.errors import BusyError
from segpipe.postgres import Connection, LockTimeoutError, ServerError, fetch_one, plain_errors
from segpipe.runs.kept_tables import drop_table
from segpipe.runs.privileges import check_privileges
from segpipe.runs.profiles_table import StoreTable, profiles_schema

_DIED = "The process ended unexpectedly: it was killed, or the machine or the server went down."
_SHORT_WAIT = "1s"  # of a run that does not wait: storing one customer takes less
_SESSION = {  # of a transaction that writes: no default of the role may end it or round
    "lock_timeout": "0",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "standard_conforming_strings": "on",
    "extra_float_digits": "1",
    "datestyle": "ISO, YMD",
    "timezone": "UTC",
}


@contextmanager
def hold_store(
    connection: Connection,
    store_id: str,
    *,
    wait: bool,
    notify: Callable[[str], None],
    own_run_id: int | None = None,
) -> Iterator[None]:
    """Hold the store within the block; others who write its profiles wait, or get BusyError.

    With wait=False BusyError is raised after a second at most; else `notify` gets a sentence first.
    Runs that the ledger still has as running, because their process died, are cleaned up first,
    but not the caller's own.
    """
    with plain_errors():
        check_privileges(connection)
        key = store_key(store_id)
        if not fetch_one(connection, "SELECT pg_try_advisory_lock(%s)", [key])[0]:
            holder = _holder(connection, store_id, own_run_id)
            if wait:
                notify(f"{holder} holds store {store_id!r}; waiting for it to end.")
            timeout = "0" if wait else _SHORT_WAIT
            try:
                _wait_for_store(connection, key, timeout)
            except LockTimeoutError:
                raise BusyError(
                    f"{holder} holds store {store_id!r}; nothing was done. Try again when it has"
                    " ended, or wait for it (without --no-wait)."
                ) from None
    try:
        with plain_errors():
            sweep(connection, store_id, own_run_id)
        yield
    finally:
        with suppress(ServerError):  # a lost connection holds no lock
            connection.execute("SELECT pg_advisory_unlock(%s)", [key])


def _wait_for_store(connection: Connection, key: int, timeout: str) -> None:
    """Take the store, for the session. Raises LockTimeoutError, unless the timeout is 0."""
    with connection.transaction():
        set_transaction_defaults(connection)
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [timeout])
        connection.execute("SELECT pg_advisory_lock(%s)", [key])


def sweep(connection: Connection, store_id: str, own_run_id: int | None = None) -> None:
    """Mark the store's dead runs as failed, with their stage, and drop the tables they left.

    The caller holds the store, so that no other of its runs is alive.
    """
    connection.execute(
        "UPDATE segmentation_runs SET status = 'failed', failed_stage = coalesce(stage, 'connect'),"
        " error = %s, finished_at = clock_timestamp()"
        " WHERE store_id = %s AND status = 'running' AND run_id IS DISTINCT FROM %s",
        [_DIED, store_id, own_run_id],
    )
    left = connection.execute(
        "SELECT run_id, measures_table FROM segmentation_runs"
        " WHERE store_id = %s AND status = 'failed' AND measures_table IS NOT NULL",
        [store_id],
    ).fetchall()
    if not left:
        return
    schema = profiles_schema(connection)
    for run_id, name in left:
        drop_table(connection, StoreTable(schema, name), "measures_table", run_id)


def lock_store(connection: Connection, store_id: str) -> None:
    """Hold the store until the transaction ends: the same lock, on a connection without it."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [store_key(store_id)])


def begin(connection: Connection, store_id: str) -> str:
    """Set up a transaction that writes, and hold the store; gives its one timestamp."""
    set_transaction_defaults(connection)
    lock_store(connection, store_id)
    return str(fetch_one(connection, "SELECT clock_timestamp()::text")[0])


def set_transaction_defaults(connection: Connection) -> None:
    """No timeout of the role for this transaction, and exact numbers and dates."""
    connection.execute(
        "SELECT set_config(s.name, new.value, true) FROM pg_settings AS s"
        " JOIN unnest(%s::text[], %s::text[]) AS new (name, value) ON lower(s.name) = new.name",
        [list(_SESSION), list(_SESSION.values())],
    )


def _holder(connection: Connection, store_id: str, own_run_id: int | None) -> str:
    row = connection.execute(
        "SELECT run_id, to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI \"UTC\"')"
        " FROM segmentation_runs WHERE store_id = %s AND status = 'running'"
        " AND run_id IS DISTINCT FROM %s ORDER BY run_id DESC LIMIT 1",
        [store_id, own_run_id],
    ).fetchone()
    return f"Run {row[0]}, which started at {row[1]}," if row else "Another segpipe"


def store_key(store_id: str) -> int:
    """Number of the store's advisory lock."""
    digest = sha256(f"segpipe store {store_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
