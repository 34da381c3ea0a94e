"""Follows a store's current run: keeps the snapshot, the API keys and the database's state fresh.

A thread looks every second. What it finds replaces what was known as a whole, so that one request
sees one run. While the database does not answer, the last snapshot stays in use.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any

from segpipe.access.api_keys import ApiKey
from segpipe.access.key_table import read_active_keys
from segpipe.core.errors import DatabaseError, SegpipeError
from segpipe.postgres import Connection, ServerError, pool
from segpipe.postgres.session_watchdog import SessionWatchdog
from segpipe.realtime.batching import AssignQueue, Snapshot, open_snapshot
from segpipe.runs import read_model
from segpipe.runs.current_run import CurrentRun, current_run

LOG = logging.getLogger(__name__)
POLL_SECONDS = 1.0


class RunWatcher:
    """Replaces the queue's snapshot when another run becomes current, until it is ended."""

    def __init__(
        self,
        database_url: str,
        store_id: str,
        queue: AssignQueue,
        log_error: Callable[[BaseException], None],
        *,
        on_return: Callable[[], None] = lambda: None,
        after_poll: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_return` is called when the database answers again, `after_poll` every second.

        `log_error` gets errors that nobody expected; the thread goes on after them.
        """
        self.run: CurrentRun | None = None
        self.keys: dict[int, ApiKey] | None = None  # None: not read yet
        self.is_database_up = False
        self.sessions = SessionWatchdog()
        self._store_id = store_id
        self._queue = queue
        self._log_error = log_error
        self._on_return = on_return
        self._after_poll = after_poll
        self._pool = pool(database_url, 1)
        self._poll_lock = Lock()
        self._ending = Event()
        self._thread = Thread(target=self._watch, name="run-watcher", daemon=True)

    def start(self) -> None:
        """Look for the first time, and from then on every second."""
        self.sessions.start()
        self._pool.open()
        self.poll()
        self._after_poll()
        self._thread.start()

    def end(self) -> None:
        """Stop looking; the queue keeps its snapshot."""
        self._ending.set()
        self._thread.join()
        self._pool.close()
        self.sessions.end()

    def poll(self) -> None:
        """Look now for another current run, other keys, and whether the database answers."""
        with self._poll_lock:
            try:
                with self._pool.connection() as connection, self.sessions.of(connection):
                    self._look(connection)
            except (DatabaseError, ServerError) as error:
                if self.is_database_up:
                    reason = str(error).split(". ", maxsplit=1)[0]
                    LOG.warning("The database does not answer, lookups wait for it: %s", reason)
                self.is_database_up = False
                return
            if not self.is_database_up:
                # psycopg leaves attempts to connect that timed out in a reference cycle. Until it
                # is collected, a server that hung and goes on keeps a session for each of them.
                gc.collect()
                self._on_return()
            self.is_database_up = True

    def _look(self, connection: Connection) -> None:
        self.keys = read_active_keys(connection)
        found = current_run(connection, self._store_id)
        if found == self.run and (found is None or self._queue.snapshot is not None):
            return
        if found is None:
            self._queue.replace(None)
        elif _is_other(found, self._queue.snapshot):
            self._replace(found, read_model(connection, found.run_id))
        self.run = found  # last: what failed above is tried again by the next look

    def _replace(self, run: CurrentRun, document: dict[str, Any] | None) -> None:
        try:
            self._queue.replace(open_snapshot(run, document))
        except SegpipeError as error:  # such as a model of a newer segpipe
            LOG.warning("The model of run %d cannot be used: %s", run.run_id, error)
            self._queue.replace(open_snapshot(run, None))

    def _watch(self) -> None:
        while not self._ending.wait(POLL_SECONDS):
            for step in (self.poll, self._after_poll):
                try:
                    step()
                except Exception as error:  # noqa: BLE001 - the thread's edge: it has to go on
                    self._log_error(error)


def _is_other(run: CurrentRun, snapshot: Snapshot | None) -> bool:
    if snapshot is None:
        return True
    known = snapshot.run
    return (run.run_id, run.finished_at) != (known.run_id, known.finished_at)
