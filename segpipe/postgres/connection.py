"""PostgreSQL, the one place that imports psycopg.

Takes a URL; gives a connection in autocommit, so that a transaction stands where it is written.
Every refusal of the server becomes a DatabaseError of a sentence or two, without the password.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import Json, Jsonb

from segpipe.core.errors import DatabaseError, InputError
from segpipe.postgres import error_messages

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

__all__ = [
    "Connection",
    "DeadlockError",
    "DependentObjectsError",
    "Json",
    "Jsonb",
    "LockTimeoutError",
    "PrivilegeError",
    "ServerError",
    "abort_connection",
    "another",
    "connect",
    "database_url",
    "fetch_dicts",
    "fetch_one",
    "is_transient",
    "location",
    "plain_errors",
    "pool",
    "prepare_session",
    "redact",
    "sql",
    "with_retries",
]

T = TypeVar("T")

# What it warns of, such as a COPY whose connection is lost, is raised and told as well.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
ServerError = psycopg.Error
LockTimeoutError = psycopg.errors.LockNotAvailable
DependentObjectsError = psycopg.errors.DependentObjectsStillExist
DeadlockError = psycopg.errors.DeadlockDetected
PrivilegeError = psycopg.errors.InsufficientPrivilege

_OF_THE_CONNECTION = (psycopg.OperationalError, psycopg.InterfaceError)
OLDEST_SERVER = 130000
_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+psycopg[23]?)?://", re.IGNORECASE)
_SECRETS = ("password", "sslpassword", "oauth_client_secret")
_FORM = "postgresql://user:password@host:5432/database"


def database_url(settings_url: str | None) -> str | None:
    """URL from the settings, else from DATABASE_URL, else None; the scheme as libpq wants it."""
    url = (settings_url or os.environ.get("DATABASE_URL") or "").strip()
    if not url:
        return None
    if not _SCHEME.match(url):
        scheme = url.split("://", maxsplit=1)[0] if "://" in url else "no scheme"
        raise InputError(f"The database URL has {scheme[:20]!r}; expected {_FORM}.")
    return _SCHEME.sub("postgresql://", url)


def redact(url: str) -> str:
    """Same URL without passwords, for people to read."""
    parts = _parsed(url)
    parts = {key: value for key, value in parts.items() if key not in _SECRETS}
    user, host, port = parts.pop("user", ""), parts.pop("host", ""), parts.pop("port", "")
    name = quote(parts.pop("dbname", ""), safe="")
    if "/" in host or "," in host:  # a socket folder, or several hosts
        parts = {"host": host, **({"port": port} if port else {}), **parts}
        host = port = ""
    elif ":" in host:
        host = f"[{host}]"
    address = (quote(user, safe="") + "@" if user else "") + host + (f":{port}" if port else "")
    query = "?" + urlencode(parts, safe="/,", quote_via=quote) if parts else ""
    return f"postgresql://{address}/{name}{query}"


def secrets(url: str) -> dict[str, str]:
    """What `redact` leaves out, as the environment variables of libpq's programs."""
    parts = _parsed(url)
    return {"PGPASSWORD": parts["password"]} if "password" in parts else {}


def connect(url: str) -> Connection:
    """Open connection of application `segpipe`, in autocommit and UTF-8.

    Raises DatabaseError when the server cannot be reached, refuses, or is older than 13.
    """
    normal = database_url(url) or ""
    return _open({**_NETWORK, **_parsed(normal)}, redact(normal))


def another(connection: Connection) -> Connection:
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
    """Pool of up to `size` connections that have little patience, to be opened by who asks for it.

    It comes back by itself when the server does. Needs the extra `api`.
    """
    from psycopg_pool import ConnectionPool

    parts = {**_NETWORK, **_parsed(url), **_IMPATIENT, "client_encoding": "UTF8"}
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


def _set_service_timeouts(connection: Connection) -> None:
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    connection.execute(
        "SELECT set_config('statement_timeout', '5000', false),"
        " set_config('lock_timeout', '2000', false),"
        " set_config('idle_in_transaction_session_timeout', '10000', false)"
    )


def abort_connection(connection: Connection) -> None:
    """End the session from this side, so that another thread that waits in it is told at once."""
    with (
        suppress(psycopg.Error, OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as peer,
    ):
        peer.shutdown(socket.SHUT_RDWR)


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


def fetch_dicts(
    connection: Connection,
    query: str,
    parameters: Sequence[Any] | Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Rows of a query as column → value."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()


def fetch_one(
    connection: Connection, query: str, parameters: Sequence[Any] | None = None
) -> tuple[Any, ...]:
    """Row of a query that always has one, such as INSERT … RETURNING or an aggregate."""
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None  # noqa: S101 - by the query's nature
    return row


def check_server_version(server_version: int) -> None:
    """Raise DatabaseError for a server that lacks what publishing needs."""
    if server_version < OLDEST_SERVER:
        found = f"{server_version // 10000}"
        raise DatabaseError(
            f"The server is PostgreSQL {found}; segpipe needs 13 or newer. Name another server."
        )


@contextmanager
def plain_errors(where: str = "") -> Iterator[None]:
    """Turn whatever PostgreSQL raises inside into DatabaseError; `where` is a redacted URL."""
    try:
        yield
    except psycopg.Error as error:
        if not error.sqlstate and not isinstance(error, _OF_THE_CONNECTION):
            raise DatabaseError(f"segpipe asked what cannot be sent: {error}.") from error
        told = error_messages.sentence(
            str(error), error.sqlstate, error.diag.message_primary, where or None
        )
        raise DatabaseError(told) from error


def is_transient(error: BaseException) -> bool:
    """Whether the same may well succeed when it is tried again, over a new connection."""
    found = _of_server(error)
    if found is None or (not found.sqlstate and not isinstance(found, _OF_THE_CONNECTION)):
        return False
    is_attempt = found.pgconn is not None  # to connect
    return error_messages.is_passing(str(found), found.sqlstate, is_attempt=is_attempt)


def is_denied(error: BaseException) -> bool:
    """Whether the role lacks a privilege."""
    return isinstance(_of_server(error), psycopg.errors.InsufficientPrivilege)


def _of_server(error: BaseException) -> psycopg.Error | None:
    """What psycopg raised, where it is the error's cause."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, psycopg.Error):
        found = found.__cause__
    return found


def with_retries(attempts: int, told: Callable[[str], None], action: Callable[[], T]) -> T:
    """What the action gives, tried again after 1, 2, 4 … 30 seconds where that can help.

    The action opens its own connection. `told` hears of each failure that is not the last one,
    which is raised.
    """
    for attempt in range(1, attempts):
        try:
            return action()
        except (DatabaseError, psycopg.Error) as error:
            if not is_transient(error):
                raise
            pause = min(2 ** (attempt - 1), _LONGEST_PAUSE)
            reason = str(error).split(". ", maxsplit=1)[0].rstrip(".")
            told(f"{reason}; trying again in {pause} s (attempt {attempt + 1} of {attempts}).")
        time.sleep(pause)  # not in the except clause, which would keep the broken connection
    return action()


_LONGEST_PAUSE = 30  # seconds
_SESSION = {  # what a server does not know is passed over
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
_IMPATIENT = {  # of libpq: who waits for an answer is told within seconds
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "2",
    "tcp_user_timeout": "6000",
}


def _parsed(url: str) -> dict[str, str]:
    try:
        parts = conninfo_to_dict(_SCHEME.sub("postgresql://", url))
    except psycopg.Error:
        # libpq quotes the URL's parts, the password among them: from None keeps it out of logs.
        raise InputError(
            f"The database URL cannot be read; expected {_FORM}, with special characters of the"
            " password written as %XX."
        ) from None
    return {key: str(value) for key, value in parts.items() if value is not None}
