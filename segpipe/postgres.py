"""PostgreSQL, the one place that imports psycopg.

Takes a URL; gives a connection in autocommit, so that a transaction stands where it is written.
Every refusal of the server becomes a DatabaseError of a sentence or two, without the password.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import Json, Jsonb

from segpipe.errors import DatabaseError, InputError

__all__ = [
    "Connection",
    "DeadlockError",
    "DependentObjectsError",
    "Json",
    "Jsonb",
    "LockTimeoutError",
    "PrivilegeError",
    "ServerError",
    "another",
    "connect",
    "database_url",
    "fetch_dicts",
    "fetch_one",
    "is_transient",
    "location",
    "plain_errors",
    "redact",
    "sql",
    "with_retries",
    "without_timeouts",
]

T = TypeVar("T")

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
ServerError = psycopg.Error
LockTimeoutError = psycopg.errors.LockNotAvailable
DependentObjectsError = psycopg.errors.DependentObjectsStillExist
DeadlockError = psycopg.errors.DeadlockDetected
PrivilegeError = psycopg.errors.InsufficientPrivilege

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
    return _open({"connect_timeout": "10", **_parsed(normal)}, redact(normal))


def another(connection: Connection) -> Connection:
    """Second connection to the same database, as the same role. Raises DatabaseError."""
    info = connection.info
    parts = info.get_parameters()
    if info.password:
        parts["password"] = info.password
    return _open(parts, location(connection))


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
        refuse_old_server(connection.info.server_version)
    except DatabaseError:
        connection.close()
        raise
    return connection


def without_timeouts(connection: Connection) -> None:
    """Let the session outlast the timeouts of its role, as a run must that computes for minutes."""
    # The transaction of a publication does so for itself, whoever's connection it is given.
    with plain_errors():
        connection.execute(
            "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = ANY(%s)",
            [list(_TIMEOUTS)],
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


def refuse_old_server(server_version: int) -> None:
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
        raise DatabaseError(explain(error, where)) from error


def is_transient(error: BaseException) -> bool:
    """Whether the same may well succeed when it is tried again, over a new connection."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, psycopg.Error):
            return _is_passing(found)
        found = found.__cause__
    return False


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


def explain(error: psycopg.Error, where: str = "") -> str:
    """Plain sentence of what the server said and what to do."""
    state = error.sqlstate or ""
    said = (error.diag.message_primary or _last_line(str(error))).rstrip(".")
    if not state:
        return _explain_connection(said, str(error).lower(), where)
    for prefix, sentence in _SENTENCES.items():
        if state.startswith(prefix):
            return sentence.format(said=said)
    return f"PostgreSQL refused: {said} (SQLSTATE {state})."


_LONGEST_PAUSE = 30  # seconds
_TIMEOUTS = (
    "statement_timeout",
    "lock_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
)
_PASSING_STATES = ("08", "40001", "40003", "40P01", "53300", "55P03", "57P01", "57P02", "57P03")
_PASSING_REFUSALS = (
    "connection refused",
    "failed: no such file or directory",  # a server that is down has no socket
    "timeout",
    "starting up",
    "shutting down",
    "recovery mode",
    "not accepting connections",
    "not yet accepting connections",
    "too many",
    "connection slots",
    "closed the connection",
    "connection reset",
    "temporary failure in name resolution",
)
_NOT_CONNECTED = ("connection failed", "connection is bad", "failed to resolve")
_RUN_AGAIN = "The previous run stays in force; run the command again"
_SENTENCES = {
    "42501": "PostgreSQL refused for lack of a privilege: {said}. Ask the owner of the tables for"
    " a GRANT, or connect as their owner.",
    "42P01": "A table is missing: {said}. Create the tables with `segpipe db upgrade`.",
    "53100": "The disk of the database is full: {said}. " + _RUN_AGAIN + " once there is room.",
    "53300": "The server takes no more connections: {said}. Close some, or try again later.",
    "53": "The server ran out of resources: {said}. " + _RUN_AGAIN + " once it has room.",
    "25006": "The database is read-only: {said}. Connect to the primary server, or to a role whose"
    " default_transaction_read_only is off.",
    "55P03": "Another session held a lock for too long: {said}. " + _RUN_AGAIN + " later.",
    "57014": "The server stopped the statement: {said}. Raise statement_timeout, or try again.",
    "57P": "The connection was lost: {said}. " + _RUN_AGAIN + " once the server is back.",
    "08": "The connection was lost: {said}. " + _RUN_AGAIN + " once the server is back.",
    "40": "Another session was in the way: {said}. " + _RUN_AGAIN + ".",
    "23505": "The same customer came twice: {said}. The run was not published.",
    "23503": "Another table refers to a customer who would go: {said}."
    " Keep absent customers with --absent keep.",
}
_REFUSALS = {  # what libpq says of a connection → what was found, what to do
    "does not support ssl": "does not offer TLS, which the URL's sslmode asks for; turn it on there"
    " (ssl = on), or take sslmode out of the URL where the network is trusted",
    "does not match host name": "showed a certificate of another host ({said}); write the host as"
    " in the certificate, or have one made for this host",
    "certificate verify failed": "showed a certificate that the CA of sslrootcert has not signed;"
    " name the file of the server's own CA with sslrootcert",
    "root certificate file": "cannot be checked: {said}; name the file of the server's CA with"
    " sslrootcert, or sslrootcert=system for the CAs of this machine",
    "certificate": "was not reached over TLS: {said}; correct sslrootcert, sslcert and sslkey",
    "no encryption": "does not let this user in without TLS; add sslmode=verify-full to the URL,"
    " or its pg_hba.conf must allow it",
    "password authentication failed": "refused the user name or the password; correct the URL",
    "no password supplied": "wants a password; write it into the URL as user:password@",
    "no pg_hba.conf entry": "does not let this user in from here; its pg_hba.conf must allow it",
    "permission denied for database": "does not let this user in ({said}); its owner can with:"
    " GRANT CONNECT ON DATABASE … TO …;",
    "does not exist": "answered that {said}; correct the URL, or create it",
    "could not translate host name": "has a host name that is not known; correct the URL",
    "name or service not known": "has a host name that is not known; correct the URL",
    "failed to resolve host": "has a host name that is not known; correct the URL",
    "connection refused": "does not answer: nothing listens at that host and port; start it, or"
    " correct the URL",
    "no such file or directory": "does not answer: its socket is not there; start it, or correct"
    " the URL",
    "timeout": "did not answer in time; correct the host, or let this machine through",
    "starting up": "is still starting up; try again in a moment",
    "shutting down": "is shutting down; try again once it is back",
    "recovery mode": "is recovering from a crash; try again in a moment",
    "too many": "takes no more connections ({said}); close some, or try again later",
    "connection slots": "takes no more connections ({said}); close some, or try again later",
}


def _is_passing(error: psycopg.Error) -> bool:
    if error.sqlstate:
        return error.sqlstate.startswith(_PASSING_STATES)
    said = str(error).lower()
    if error.pgconn is None and not said.startswith(_NOT_CONNECTED):
        return isinstance(error, psycopg.OperationalError)  # an open connection was lost
    return any(sign in said for sign in _PASSING_REFUSALS)


def _explain_connection(said: str, full: str, where: str) -> str:
    for sign, sentence in _REFUSALS.items():
        if where and sign in full:
            said = re.split(r"FATAL:| failed: ", said)[-1].strip()
            return f"The database {where} {sentence.format(said=said)}."
    if where:
        return f"The database {where} cannot be reached: {said}."
    return f"The connection was lost: {said}. {_RUN_AGAIN} once the server is back."


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "FATAL:" in line), lines[0] if lines else "no reason")


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
