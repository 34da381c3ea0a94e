"""What a worker knows: the run in force and its model, the keys, and whether the database is there.

A thread looks every second. What it finds replaces what was known as a whole, so that a request
sees one run; a database that is away leaves the last.
"""

from __future__ import annotations

import logging
import os
import signal
import traceback
from collections.abc import Callable, Hashable
from datetime import datetime
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from segpipe.access.api_keys import ApiKey
from segpipe.access.key_table import read_active_keys
from segpipe.access.rate_limit import RateLimit
from segpipe.answers import CurrentRun, current_run
from segpipe.api.errors import AWAY, DENIED, NO_RUN, unavailable
from segpipe.api.metrics import ServiceMetrics
from segpipe.api.settings import ServeSettings
from segpipe.core.errors import BusyError, DatabaseError, SegpipeError
from segpipe.postgres import Connection, ServerError, is_denied, is_transient, pool
from segpipe.postgres.session_watchdog import SessionWatchdog
from segpipe.realtime.batching import AssignQueue, Snapshot, open_snapshot
from segpipe.runs import read_model

T = TypeVar("T")
LOG = logging.getLogger("segpipe.api")
POLL_SECONDS = 1.0
_CONNECTIONS = 8  # a worker; a lookup holds one for a millisecond


class WorkerState:
    """All that the requests of one worker have in common."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.figures = ServiceMetrics()
        self.rate = RateLimit(settings.rate_path)
        self.queue = AssignQueue(log_error)
        self.keys: dict[int, ApiKey] | None = None  # None: not read yet
        self.is_database_up = False
        self.run: CurrentRun | None = None
        self.n_batches = 0  # whose bodies are held in memory
        self._kept: tuple[Hashable, Any] = (None, None)
        self._asked = pool(settings.database_url, _CONNECTIONS)
        self._watching = pool(settings.database_url, 1)
        self._patience = SessionWatchdog()
        self._poll_lock = Lock()
        self._ending = Event()
        self._thread = Thread(target=self._watch, name="watch", daemon=True)

    def start(self) -> None:
        """Open what is needed, and look for the first time."""
        self.queue.start()
        self._patience.start()
        self._asked.open()
        self._watching.open()
        self.poll()
        self._thread.start()

    def end(self) -> None:
        """Answer what waits, and let go of everything."""
        self._ending.set()
        self._thread.join()
        self.queue.end()
        self._asked.close()
        self._watching.close()
        self._patience.end()
        self.rate.close()

    def snapshot(self) -> Snapshot:
        """The run in force with its model. Raises 503 where none is."""
        found = self.queue.snapshot
        if found is None:
            raise unavailable(NO_RUN if self.is_database_up else AWAY)
        return found

    def published(self) -> CurrentRun:
        """The run in force. Raises 503 where none is."""
        if self.run is None:
            raise unavailable(NO_RUN if self.is_database_up else AWAY)
        return self.run

    def ask(self, question: Callable[[Connection], T]) -> T:
        """What the database says. Raises 503 where it is away, at once where that is known."""
        if not self.is_database_up:
            raise unavailable(AWAY)
        try:
            return self._answer(question)
        except BusyError:
            raise
        except (DatabaseError, ServerError) as error:
            if is_denied(error):  # what it says names tables, and no customer
                LOG.warning("segpipe: the service's role may not do what is asked: %s", error)
                raise unavailable(DENIED) from error
            if not is_transient(error):
                log_error(error)
            raise unavailable(AWAY) from error

    def kept(self, name: Hashable, question: Callable[[Connection], T]) -> T:
        """What the database said to the question of that name, the last of which is kept."""
        known, answer = self._kept
        if known != name or answer is None:
            answer = self.ask(question)
            self._kept = (name, answer)
        return answer  # type: ignore[no-any-return]

    def _answer(self, question: Callable[[Connection], T]) -> T:
        """Asked once more where the connection had been lost while it was idle."""
        with self._asked.connection() as connection:
            try:
                with self._patience.of(connection):
                    return question(connection)
            except (DatabaseError, ServerError):
                if not (connection.closed and self.is_database_up):
                    raise
        with self._asked.connection() as connection, self._patience.of(connection):
            return question(connection)

    def poll(self) -> None:
        """Look for another run in force, other keys, and whether the database is there."""
        with self._poll_lock:
            try:
                with self._watching.connection() as connection, self._patience.of(connection):
                    self._look(connection)
            except (DatabaseError, ServerError) as error:
                if self.is_database_up:
                    reason = str(error).split(". ", maxsplit=1)[0]
                    LOG.warning("segpipe: lookups wait for the database: %s", reason)
                self.is_database_up = False
                self.figures.database.set(0)
                return
            if not self.is_database_up:
                self._asked.check()  # lets go of connections that were lost
            self.is_database_up = True
            self.figures.database.set(1)

    def _look(self, connection: Connection) -> None:
        self.keys = read_active_keys(connection)
        found = current_run(connection, self.settings.store_id)
        if found == self.run and (found is None or self.queue.snapshot is not None):
            return
        before = self.run
        if found is None:
            self.queue.replace(None)
        elif _is_other(found, self.queue.snapshot):
            self._replace(found, read_model(connection, found.run_id))
        self.run = found  # last: what failed above is tried again at the next look
        if found and (before is None or before.run_id != found.run_id):
            self.figures.run.set(found.run_id)
            self.figures.published.set(_seconds(found.finished_at))

    def _replace(self, run: CurrentRun, document: dict[str, Any] | None) -> None:
        try:
            self.queue.replace(open_snapshot(run, document))
        except SegpipeError as error:  # such as a model of a newer segpipe
            LOG.warning("segpipe: the model of run %d cannot be used: %s", run.run_id, error)
            self.queue.replace(open_snapshot(run, None))

    def _watch(self) -> None:
        while not self._ending.wait(POLL_SECONDS):
            try:
                self.poll()
            except Exception as error:  # noqa: BLE001 - the thread's edge: it has to look on
                log_error(error)
            if self.settings.parent_pid not in (None, os.getppid()):  # it was killed
                os.kill(os.getpid(), signal.SIGTERM)
                return


def log_error(error: BaseException, request_id: str = "") -> None:
    """Where an error arose, to the log; not what it says, which may be of a customer."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    LOG.error("segpipe: unforeseen %s %s\n%s", type(error).__name__, request_id, frames)


def _is_other(run: CurrentRun, snapshot: Snapshot | None) -> bool:
    if snapshot is None:
        return True
    known = snapshot.run
    return (run.run_id, run.finished_at) != (known.run_id, known.finished_at)


def _seconds(at: datetime) -> float:
    return at.timestamp()
