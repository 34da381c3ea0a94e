"""What the requests of one worker share: the current run, the queue, the connections, the metrics.

`realtime` follows the run; here are the HTTP errors and the metrics of what it finds.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from segpipe.access.rate_limit import RateLimit
from segpipe.answers import CurrentRun
from segpipe.api.errors import AWAY, DENIED, NO_RUN, unavailable
from segpipe.api.log import log_error
from segpipe.api.metrics import ServiceMetrics
from segpipe.api.settings import ServeSettings
from segpipe.core.errors import BusyError, DatabaseError
from segpipe.postgres import Connection, ServerError, is_denied, is_transient, pool
from segpipe.realtime.batching import AssignQueue, Snapshot
from segpipe.realtime.run_watcher import RunWatcher

T = TypeVar("T")
LOG = logging.getLogger(__name__)
_CONNECTIONS = 8  # a worker; a lookup holds one for a millisecond


class WorkerState:
    """All that the requests of one worker have in common."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.metrics = ServiceMetrics()
        self.rate = RateLimit(settings.rate_path)
        self.queue = AssignQueue(log_error)
        self.n_batches = 0  # whose bodies are held in memory
        self._pool = pool(settings.database_url, _CONNECTIONS)
        self.watcher = RunWatcher(
            settings.database_url,
            settings.store_id,
            self.queue,
            log_error,
            on_return=self._pool.check,  # drops connections that were lost
            after_poll=self._after_poll,
        )
        self._kept: tuple[Hashable, Any] = (None, None)

    def start(self) -> None:
        """Open what is needed, and look for the first time."""
        self.queue.start()
        self._pool.open()
        self.watcher.start()

    def end(self) -> None:
        """Answer what waits, and close everything."""
        self.watcher.end()
        self.queue.end()
        self._pool.close()
        self.rate.close()

    def snapshot(self) -> Snapshot:
        """The current run with its model. Raises 503 without one."""
        found = self.queue.snapshot
        if found is None:
            raise self._no_run()
        return found

    def published(self) -> CurrentRun:
        """The current run. Raises 503 without one."""
        if self.watcher.run is None:
            raise self._no_run()
        return self.watcher.run

    def query(self, question: Callable[[Connection], T]) -> T:
        """The database's answer. Raises 503 if it is away, at once where that is known."""
        if not self.watcher.is_database_up:
            raise unavailable(AWAY)
        try:
            return self._answer(question)
        except BusyError:
            raise
        except (DatabaseError, ServerError) as error:
            if is_denied(error):  # its text names tables, and no customer
                LOG.warning("The service's database role lacks a privilege: %s", error)
                raise unavailable(DENIED) from error
            if not is_transient(error):
                log_error(error)
            raise unavailable(AWAY) from error

    def kept(self, name: Hashable, question: Callable[[Connection], T]) -> T:
        """The database's answer to the question of that name; the last one is kept."""
        known, answer = self._kept
        if known != name or answer is None:
            answer = self.query(question)
            self._kept = (name, answer)
        return answer  # type: ignore[no-any-return]

    def _no_run(self) -> Exception:
        return unavailable(NO_RUN if self.watcher.is_database_up else AWAY)

    def _answer(self, question: Callable[[Connection], T]) -> T:
        """Ask, and once more if the connection had been lost while it was idle."""
        sessions = self.watcher.sessions
        with self._pool.connection() as connection:
            try:
                with sessions.of(connection):
                    return question(connection)
            except (DatabaseError, ServerError):
                if not (connection.closed and self.watcher.is_database_up):
                    raise
        with self._pool.connection() as connection, sessions.of(connection):
            return question(connection)

    def _after_poll(self) -> None:
        self.metrics.database_up.set(self.watcher.is_database_up)
        if run := self.watcher.run:
            self.metrics.current_run.set(run.run_id)
            self.metrics.published_at.set(run.finished_at.timestamp())
        if self.settings.parent_pid not in (None, os.getppid()):  # the parent was killed
            os.kill(os.getpid(), signal.SIGTERM)
