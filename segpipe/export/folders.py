"""The folders that exports were written to, from which a forgotten customer is removed.

An export that is being written while somebody is forgotten fails at its end: with the lock below
its files are moved into place either before these folders are searched, or not at all.
"""

from __future__ import annotations

from pathlib import Path

from segpipe.core.errors import InputError
from segpipe.postgres import Connection, fetch_one

_LOCK = 7_365_678  # any number, the same in every segpipe, and not that of the migrations
UNRECORDED = (
    "The folder could not be recorded in the database, so `segpipe forget` will not reach it: this"
    " role may not write to profile_exports, or not read forgotten_customers, or the server is"
    " read-only."
)


def may_record(connection: Connection) -> bool:
    """Whether this role, on this server, can record where exports are."""
    query = """
        SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
            AND has_table_privilege('profile_exports', 'SELECT')
            AND has_table_privilege('profile_exports', 'UPDATE')
            AND has_table_privilege('profile_exports', 'INSERT')
            AND has_table_privilege('forgotten_customers', 'SELECT')
    """
    return bool(fetch_one(connection, query)[0])


def record_folder(connection: Connection, store_id: str, run_id: int, folder: Path) -> None:
    """Record that the folder has, or is about to have, an export of the store."""
    connection.execute(
        "INSERT INTO profile_exports (store_id, path, run_id) VALUES (%s, %s, %s)"
        " ON CONFLICT (store_id, path) DO UPDATE"
        " SET run_id = EXCLUDED.run_id, written_at = now()",
        [store_id, str(folder.resolve()), run_id],
    )


def folders_of(connection: Connection, store_id: str) -> list[Path]:
    """Folders that exports of the store were written to, by path."""
    query = "SELECT path FROM profile_exports WHERE store_id = %s ORDER BY path"
    return [Path(row[0]) for row in connection.execute(query, [store_id]).fetchall()]


def count_forgotten(connection: Connection, store_id: str) -> int:
    """Customers who have been forgotten, in the transaction's view."""
    query = "SELECT count(*) FROM forgotten_customers WHERE store_id = %s"
    return int(fetch_one(connection, query, [store_id])[0])


def check_nobody_forgotten_since(connection: Connection, store_id: str, n_forgotten: int) -> None:
    """Raise InputError if somebody was forgotten; until the transaction ends nobody can be."""
    connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])
    if count_forgotten(connection, store_id) != n_forgotten:
        msg = "A customer was forgotten while the files were written, and would have been in them;"
        raise InputError(f"{msg} nothing was exported: export again.")


def hold_exports(connection: Connection) -> None:
    """Until the transaction ends, no export moves its files into place."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
