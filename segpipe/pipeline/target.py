"""Where a run is published: the connection, the ledger's row, and what is in force there.

Takes settings; gives a Target whose store is held, so that no other run comes between. The ledger
is told of each stage, and of a failure.
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
    previous: PublishedRun | None  # the run in force
    last: LastRun | None  # the same, as the gates see it
    forgotten: Forgotten | None


@contextmanager
def open_run_session(settings: RunSettings, told: Notify) -> Iterator[RunSession]:
    """Hold the store within the block, with a new row in the ledger."""
    load = settings.load
    with (
        open_store(load.database_url) as connection,
        hold_store(connection, load.store_id, wait=load.wait, told=told),
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
def reopened(target: RunSession, settings: RunSettings, told: Notify) -> Iterator[RunSession]:
    """The target, over a new connection where the old one is lost; the store is held again."""
    if not target.connection.closed:
        yield target
        return
    load = settings.load
    with (
        open_store(load.database_url) as connection,
        hold_store(connection, load.store_id, wait=True, told=told, own_run_id=target.run_id),
    ):
        yield dataclasses.replace(target, connection=connection)


@contextmanager
def with_connection(target: RunSession, settings: RunSettings) -> Iterator[Connection]:
    """A connection that works; the store is not held, for a run's own row needs no lock."""
    if not target.connection.closed:
        yield target.connection
        return
    with open_store(settings.load.database_url) as connection:
        yield connection


def record_stage_of(target: RunSession, stage: str) -> None:
    """Write the stage to the ledger, where a run that is killed leaves it; no failure if not."""
    with suppress(SegpipeError):
        record_stage(target.connection, target.run_id, stage)


def record_failure(settings: RunSettings, run_id: int, stage: str, failure: BaseException) -> None:
    """Write the reason to the ledger; a database that is down keeps `running` till the next run.

    Over a connection of its own, for the run's may be what failed.
    """
    reason = str(failure) if isinstance(failure, Exception) else "ended by a signal"
    with suppress(SegpipeError), open_store(settings.load.database_url) as store:
        fail_run(store, run_id, stage, reason)


def former_model(target: RunSession | None) -> tuple[Model | None, tuple[str, ...]]:
    """Model of the run in force, from which segments take their identity; a note where it cannot.

    None at a store's first run and in a dry run.
    """
    if target is None or target.previous is None or target.previous.model is None:
        return None, ()
    try:
        return model_of(target.previous.model, f"of run {target.previous.run_id}"), ()
    except InputError as error:
        return None, (f"Segments could not be matched, and have names given afresh: {error}",)


def _facts(settings: RunSettings) -> RunFacts:
    parameters = plain_values(dataclasses.asdict(settings))
    parameters["load"].pop("database_url")
    versions = {name: version(name) for name in _LIBRARIES}
    versions |= {"segpipe": __version__, "python": platform.python_version()}
    return RunFacts(seed=settings.sample.seed, parameters=parameters, versions=versions)
