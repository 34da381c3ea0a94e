"""Where a run is published: the connection, the ledger's row, and the store's current run.

Takes settings; gives a RunSession that holds the store, so that no other run writes it meanwhile.
Each stage, and a failure, is written to the ledger.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version

from segpipe import __version__
from segpipe.core.errors import InputError, SegpipeError
from segpipe.core.forgotten import Forgotten
from segpipe.core.plain import plain_values
from segpipe.core.settings import RunSettings
from segpipe.model.document import Model, model_of
from segpipe.postgres import Connection
from segpipe.postgres.database import open_store
from segpipe.runs import (
    PublishedRun,
    RunFacts,
    fail_run,
    forgotten_hashes,
    hold_store,
    read_published,
    record_stage,
    start_run,
)
from segpipe.runs.last_run import LastRun, read_last_run

_LIBRARIES = ("duckdb", "ibis-framework", "numpy", "pyarrow")
Notify = Callable[[str], None]


@dataclass(frozen=True)
class RunSession:
    """A store that is held by this run."""

    connection: Connection
    run_id: int
    previous: PublishedRun | None  # the current run
    last: LastRun | None  # the same, as the gates see it
    forgotten: Forgotten | None


@contextmanager
def open_run_session(settings: RunSettings, notify: Notify) -> Iterator[RunSession]:
    """Hold the store within the block, with a new row in the ledger."""
    load = settings.load
    with (
        open_store(load.database_url) as connection,
        hold_store(connection, load.store_id, wait=load.wait, notify=notify),
    ):
        run_id = start_run(connection, load.store_id, _facts(settings))
        try:
            previous = read_published(connection, load.store_id)
            last = read_last_run(connection, load.store_id)
            forgotten = forgotten_hashes(connection, load.store_id)
        except BaseException as error:  # a signal too, for the ledger has the run already
            record_failure(settings, run_id, "connect", error)
            raise
        yield RunSession(connection, run_id, previous, last, forgotten)


@contextmanager
def reopened(session: RunSession, settings: RunSettings, notify: Notify) -> Iterator[RunSession]:
    """The session, over a new connection where the old one is lost; the store is held again."""
    if not session.connection.closed:
        yield session
        return
    load = settings.load
    with (
        open_store(load.database_url) as connection,
        hold_store(connection, load.store_id, wait=True, notify=notify, own_run_id=session.run_id),
    ):
        yield dataclasses.replace(session, connection=connection)


@contextmanager
def with_connection(session: RunSession, settings: RunSettings) -> Iterator[Connection]:
    """A connection that works; the store is not held, for a run's own row needs no lock."""
    if not session.connection.closed:
        yield session.connection
        return
    with open_store(settings.load.database_url) as connection:
        yield connection


def record_stage_of(session: RunSession, stage: str) -> None:
    """Write the stage to the ledger, so that it is there if the run is killed; never fails."""
    with suppress(SegpipeError):
        record_stage(session.connection, session.run_id, stage)


def record_failure(settings: RunSettings, run_id: int, stage: str, failure: BaseException) -> None:
    """Write the reason to the ledger, over a new connection, since the run's may be what failed.

    Where the database is down, the run stays `running` there until the next run.
    """
    reason = str(failure) if isinstance(failure, Exception) else "ended by a signal"
    with suppress(SegpipeError), open_store(settings.load.database_url) as store:
        fail_run(store, run_id, stage, reason)


def former_model(session: RunSession | None) -> tuple[Model | None, tuple[str, ...]]:
    """Model of the current run, whose ids and names segments keep; a note if it cannot be read.

    None at a store's first run and in a dry run.
    """
    if session is None or session.previous is None or session.previous.model is None:
        return None, ()
    try:
        return model_of(session.previous.model, f"of run {session.previous.run_id}"), ()
    except InputError as error:
        return None, (
            f"Segments could not be matched with the previous run, and are named again: {error}",
        )


def _facts(settings: RunSettings) -> RunFacts:
    parameters = plain_values(dataclasses.asdict(settings))
    parameters["load"].pop("database_url")
    versions = {name: version(name) for name in _LIBRARIES}
    versions |= {"segpipe": __version__, "python": platform.python_version()}
    return RunFacts(seed=settings.sample.seed, parameters=parameters, versions=versions)
