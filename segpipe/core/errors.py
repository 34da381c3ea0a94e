"""The errors that segpipe raises on purpose, under one root, with their exit statuses.

A message says what was found, what was expected and what to do.
"""

from __future__ import annotations


class SegpipeError(Exception):
    """Root of the errors whose message is meant for the user."""

    exit_status = 1


class InputError(SegpipeError, ValueError):
    """A file, column, setting or option of the user cannot be used."""

    exit_status = 2


class DatabaseError(SegpipeError):
    """PostgreSQL could not be reached, or refused a statement."""

    exit_status = 2


class ServiceError(SegpipeError):
    """The service could not be reached, or refused a request."""

    exit_status = 2


class GateError(SegpipeError):
    """A run was refused because its result looks wrong; nothing was published."""

    exit_status = 3


class BusyError(SegpipeError):
    """Another run of the store is at work, and --no-wait was given."""

    exit_status = 75


class MissingExtraError(SegpipeError):
    """An optional part was used whose extra is not installed."""

    exit_status = 2


class StageError(SegpipeError):
    """A stage failed for an unexpected reason."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(
            f"The stage {stage} failed ({reason}). The last published run stays current;"
            " fix the cause and run again."
        )
