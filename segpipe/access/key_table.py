"""The table `api_keys`: takes a connection; makes, lists, revokes and reads keys."""

from __future__ import annotations

from typing import Any

from segpipe.access.api_keys import ApiKey, Scope, check_key_name, hash_token, new_token
from segpipe.core.errors import InputError
from segpipe.core.suggestions import did_you_mean
from segpipe.postgres import Connection, fetch_dicts, fetch_one, plain_errors


def create_key(
    connection: Connection, name: str, scope: Scope, rate_per_minute: int
) -> tuple[ApiKey, str]:
    """The new key and its token, which cannot be shown again.

    Raises InputError for a name that is not valid, or that an active key has.
    """
    check_key_name(name)
    with plain_errors(), connection.transaction():
        next_id = "SELECT nextval(pg_get_serial_sequence('api_keys', 'key_id'))"
        key_id = fetch_one(connection, next_id)[0]
        token = new_token(key_id)  # it names the key, so that the id is needed before the hash
        key = ApiKey(key_id, name, scope, rate_per_minute, hash_token(token))
        made = connection.execute(
            "INSERT INTO api_keys (key_id, name, scope, rate_per_minute, token_hash)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING",
            [key_id, name, scope, rate_per_minute, key.token_hash],
        )
    if not made.rowcount:
        raise InputError(
            f"There is an active key {name!r} already; choose another name, or revoke that key"
            " first with `segpipe keys revoke`."
        )
    return key, token


def list_keys(connection: Connection) -> list[dict[str, Any]]:
    """All keys, the revoked ones too, the oldest first; without the hashes."""
    with plain_errors():
        return fetch_dicts(
            connection,
            "SELECT key_id, name, scope, rate_per_minute, created_at, revoked_at"
            " FROM api_keys ORDER BY key_id",
        )


def revoke_key(connection: Connection, name: str) -> int:
    """Id of the active key of that name, which is revoked; InputError if there is none."""
    check_key_name(name)  # else a token, given by mistake, would be in the server's log
    with plain_errors():
        row = connection.execute(
            "UPDATE api_keys SET revoked_at = now() WHERE name = %s AND revoked_at IS NULL"
            " RETURNING key_id",
            [name],
        ).fetchone()
    if row is None:
        raise InputError(_unknown(name, list_keys(connection)))
    return int(row[0])


def read_active_keys(connection: Connection) -> dict[int, ApiKey]:
    """The active keys, by id."""
    with plain_errors():
        rows = connection.execute(
            "SELECT key_id, name, scope, rate_per_minute, token_hash"
            " FROM api_keys WHERE revoked_at IS NULL"
        ).fetchall()
    return {row[0]: ApiKey(*row) for row in rows}


def _unknown(name: str, keys: list[dict[str, Any]]) -> str:
    active = [key["name"] for key in keys if key["revoked_at"] is None]
    if not active:
        return f"There is no active key {name!r}; make one with `segpipe keys create NAME`."
    hint = did_you_mean(name, active)
    return f"There is no active key {name!r}. {hint} `segpipe keys list` shows them all."
