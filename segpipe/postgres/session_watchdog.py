"""Ends database sessions whose server no longer answers.

A server that hangs does not enforce its own timeouts, while the kernel keeps its sockets open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from time import monotonic

from segpipe.postgres.connection import Connection, abort_connection

SECONDS = 6.0  # more than the server's own statement_timeout
_CHECK_SECONDS = 0.5


class SessionWatchdog:
    """A thread that checks the sessions in use."""

    def __init__(self) -> None:
        self._since: dict[Connection, float] = {}
        self._lock = Lock()
        self._ending = Event()
        self._thread = Thread(target=self._watch, name="session-watchdog", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Stop the thread, and wait for its end."""
        self._ending.set()
        self._thread.join()

    @contextmanager
    def of(self, connection: Connection) -> Iterator[None]:
        """End the session if the block uses it for longer than SECONDS."""
        with self._lock:
            self._since[connection] = monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._since.pop(connection, None)

    def _watch(self) -> None:
        while not self._ending.wait(_CHECK_SECONDS):
            now = monotonic()
            with self._lock:  # held, so that no session is ended after its block
                for connection, since in self._since.items():
                    if now - since > SECONDS:
                        abort_connection(connection)
