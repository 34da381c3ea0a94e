"""What psycopg raises: turned into DatabaseError, and tried again where that can help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from tenacity import RetryCallState, retry_if_exception, stop_after_attempt

from segpipe.core.backoff import backoff
from segpipe.core.errors import DatabaseError
from segpipe.postgres import error_messages

T = TypeVar("T")

ServerError = psycopg.Error
LockTimeoutError = psycopg.errors.LockNotAvailable
DependentObjectsError = psycopg.errors.DependentObjectsStillExist
DeadlockError = psycopg.errors.DeadlockDetected
PrivilegeError = psycopg.errors.InsufficientPrivilege

_CONNECTION_ERRORS = (psycopg.OperationalError, psycopg.InterfaceError)
_LONGEST_PAUSE_SECONDS = 30


@contextmanager
def plain_errors(where: str = "") -> Iterator[None]:
    """Turn whatever PostgreSQL raises inside into DatabaseError; `where` is a redacted URL."""
    try:
        yield
    except psycopg.Error as error:
        if not error.sqlstate and not isinstance(error, _CONNECTION_ERRORS):
            raise DatabaseError(f"A statement of segpipe could not be sent: {error}.") from error
        message = error_messages.sentence(
            str(error), error.sqlstate, error.diag.message_primary, where or None
        )
        raise DatabaseError(message) from error


def is_transient(error: BaseException) -> bool:
    """Whether the same may succeed when it is tried again, over a new connection."""
    found = _server_error(error)
    if found is None or (not found.sqlstate and not isinstance(found, _CONNECTION_ERRORS)):
        return False
    is_attempt = found.pgconn is not None  # to connect
    return error_messages.is_passing(str(found), found.sqlstate, is_attempt=is_attempt)


def is_denied(error: BaseException) -> bool:
    """Whether the role lacks a privilege."""
    return isinstance(_server_error(error), psycopg.errors.InsufficientPrivilege)


def with_retries(attempts: int, notify: Callable[[str], None], action: Callable[[], T]) -> T:
    """What the action gives, tried again after 1, 2, 4 … 30 seconds where that can help.

    The action opens its own connection. `notify` gets a sentence about each failure but the last
    one, which is raised.
    """

    def before_sleep(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        reason = str(error).split(". ", maxsplit=1)[0].rstrip(".")
        attempt = f"attempt {state.attempt_number + 1} of {attempts}"
        notify(f"{reason}; trying again in {state.upcoming_sleep:g} s ({attempt}).")

    attempting = backoff(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(attempts),
        first_seconds=1,
        longest_seconds=_LONGEST_PAUSE_SECONDS,
        before_sleep=before_sleep,
    )
    return attempting(action)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, DatabaseError | psycopg.Error) and is_transient(error)


def _server_error(error: BaseException) -> psycopg.Error | None:
    """What psycopg raised, where it is the error's cause."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, psycopg.Error):
        found = found.__cause__
    return found
