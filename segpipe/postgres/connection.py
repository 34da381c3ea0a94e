"""Connections to PostgreSQL, in autocommit, so that a transaction stands where it is written."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from psycopg.conninfo import make_conninfo

from segpipe.core.errors import DatabaseError
from segpipe.postgres.errors import plain_errors
from segpipe.postgres.urls import database_url, parse, redact

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

# What psycopg warns of, such as a COPY whose connection is lost, is raised as well.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

OLDEST_SERVER = 130000
_SESSION = {  # what a server does not know is left out
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "60",  # else the system's two hours, in which the store stays held
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
    "client_connection_check_interval": "5000",  # ms; else noticed at a long statement's end
}
_NETWORK = {  # of libpq: a peer that has gone is noticed in two minutes
    "connect_timeout": "10",
    "keepalives_idle": "60",
    "keepalives_interval": "10",
    "keepalives_count": "6",
    "tcp_user_timeout": "120000",
}
_SERVICE_NETWORK = {  # of libpq: a request that waits for an answer fails within seconds
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "2",
    "tcp_user_timeout": "6000",
}


def connect(url: str) -> Connection:
    """Open connection of application `segpipe`, in autocommit and UTF-8.

    Raises DatabaseError when the server cannot be reached, rejects the role, or is older than 13.
    """
    normal = database_url(url) or ""
    return _open({**_NETWORK, **parse(normal)}, redact(normal))


def connect_again(connection: Connection) -> Connection:
    """Second connection to the same database, as the same role. Raises DatabaseError."""
    info = connection.info
    parts = info.get_parameters()
    if info.password:
        parts["password"] = info.password
    second = _open(parts, location(connection))
    try:
        prepare_session(second)
    except DatabaseError:
        second.close()
        raise
    return second


def pool(url: str, size: int) -> ConnectionPool[Connection]:
    """Pool of up to `size` connections with short timeouts; the caller opens it.

    It comes back by itself when the server does. Needs the extra `api`.
    """
    from psycopg_pool import ConnectionPool

    parts = {**_NETWORK, **parse(url), **_SERVICE_NETWORK, "client_encoding": "UTF8"}
    return ConnectionPool(
        make_conninfo(**parts, application_name="segpipe serve"),
        kwargs={"autocommit": True, "prepare_threshold": None},
        configure=_set_service_timeouts,
        min_size=1,
        max_size=size,
        open=False,
        timeout=2,
        reconnect_timeout=5,
    )


def abort_connection(connection: Connection) -> None:
    """End the session from this side, so that another thread that waits in it fails at once."""
    with (
        suppress(psycopg.Error, OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as peer,
    ):
        peer.shutdown(socket.SHUT_RDWR)


def prepare_session(connection: Connection) -> None:
    """Let the session outlast its role's timeouts, and the server notice a client that has died.

    A run computes for minutes while its session holds the store.
    """
    with plain_errors():
        connection.execute(
            "SELECT set_config(s.name, new.value, false) FROM pg_settings AS s"
            " JOIN unnest(%s::text[], %s::text[]) AS new (name, value) USING (name)"
            " WHERE s.name <> 'client_connection_check_interval'"
            " OR version() !~* 'visual c|mingw'",  # a server on Windows cannot check
            [list(_SESSION), list(_SESSION.values())],
        )


def location(connection: Connection) -> str:
    """URL of an open connection without passwords, for people to read."""
    info = connection.info
    parts = {"user": info.user, "host": info.host, "port": str(info.port), "dbname": info.dbname}
    return redact(make_conninfo(**parts))


def check_server_version(server_version: int) -> None:
    """Raise DatabaseError for a server that lacks what publishing needs."""
    if server_version < OLDEST_SERVER:
        found = f"{server_version // 10000}"
        raise DatabaseError(
            f"The server is PostgreSQL {found}; segpipe needs 13 or newer. Name another server."
        )


def _open(parts: dict[str, str], where: str) -> Connection:
    parts = {**parts, "application_name": "segpipe", "client_encoding": "UTF8"}
    with plain_errors(where):
        # Named prepared statements do not live through PgBouncer's transaction pooling.
        connection = psycopg.connect(
            make_conninfo(**parts), autocommit=True, prepare_threshold=None
        )
    # Whatever the role's default is: COPY FREEZE wants a transaction without an older snapshot.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    try:
        check_server_version(connection.info.server_version)
    except DatabaseError:
        connection.close()
        raise
    return connection


def _set_service_timeouts(connection: Connection) -> None:
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    connection.execute(
        "SELECT set_config('statement_timeout', '5000', false),"
        " set_config('lock_timeout', '2000', false),"
        " set_config('idle_in_transaction_session_timeout', '10000', false)"
    )
