"""Takes sessions in use, ends those whose server no longer says a word.

A server that stands still keeps no timeout of its own, and the kernel goes on to answer for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from time import monotonic

from segpipe.postgres.connection import Connection, abort_connection

SECONDS = 6.0  # more than the server's own statement_timeout
_LOOK_SECONDS = 0.5


class SessionWatchdog:
    """A thread that looks at the sessions in use."""

    def __init__(self) -> None:
        self._since: dict[Connection, float] = {}
        self._lock = Lock()
        self._ending = Event()
        self._thread = Thread(target=self._watch, name="patience", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def end(self) -> None:
        """Look no longer."""
        self._ending.set()
        self._thread.join()

    @contextmanager
    def of(self, connection: Connection) -> Iterator[None]:
        """Let the session be used that long in the block, and not longer."""
        with self._lock:
            self._since[connection] = monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._since.pop(connection, None)

    def _watch(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            now = monotonic()
            with self._lock:  # held, so that none is hung up on after its block
                for connection, since in self._since.items():
                    if now - since > SECONDS:
                        abort_connection(connection)
