"""PostgreSQL, the one package that imports psycopg: connections, statements, errors as text."""

from psycopg import sql
from psycopg.types.json import Json, Jsonb

from segpipe.postgres.connection import (
    Connection,
    check_server_version,
    connect,
    connect_again,
    location,
    pool,
    prepare_session,
)
from segpipe.postgres.errors import (
    DeadlockError,
    DependentObjectsError,
    LockTimeoutError,
    PrivilegeError,
    ServerError,
    is_denied,
    is_transient,
    plain_errors,
    with_retries,
)
from segpipe.postgres.statements import (
    column_list,
    fetch_dicts,
    fetch_one,
    insert_rows,
    upsert_from,
)
from segpipe.postgres.urls import database_url, redact, secrets

__all__ = [
    "Connection",
    "DeadlockError",
    "DependentObjectsError",
    "Json",
    "Jsonb",
    "LockTimeoutError",
    "PrivilegeError",
    "ServerError",
    "check_server_version",
    "column_list",
    "connect",
    "connect_again",
    "database_url",
    "fetch_dicts",
    "fetch_one",
    "insert_rows",
    "is_denied",
    "is_transient",
    "location",
    "plain_errors",
    "pool",
    "prepare_session",
    "redact",
    "secrets",
    "sql",
    "upsert_from",
    "with_retries",
]
