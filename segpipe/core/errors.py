"""One root error, so that the command line knows what is meant for the user.

Takes a message that says what was found, what was expected and what to do; gives an exit status.
"""

from __future__ import annotations


class SegpipeError(Exception):
    """Root of every error that segpipe raises on purpose; its text is one plain sentence or two."""

    exit_status = 1


class InputError(SegpipeError, ValueError):
    """What the user handed in cannot be used: a file, a column, a setting, an option."""

    exit_status = 2


class DatabaseError(SegpipeError):
    """PostgreSQL could not be reached, or refused what segpipe asked."""

    exit_status = 2


class ServiceError(SegpipeError):
    """The service could not be reached, or refused what it was asked."""

    exit_status = 2


class GateError(SegpipeError):
    """A run would publish what looks wrong; nothing was published."""

    exit_status = 3


class BusyError(SegpipeError):
    """Another run holds the store, and waiting was not wanted."""

    exit_status = 75


class MissingExtraError(SegpipeError):
    """An optional part was asked for whose extra is not installed."""

    exit_status = 2


class StageError(SegpipeError):
    """A stage failed for a reason that segpipe did not foresee."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(
            f"The stage {stage} failed ({reason}). The previous run stays in force;"
            " mend the cause and run again."
        )
