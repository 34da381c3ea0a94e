"""HTTP as uvicorn speaks it, with less patience: a head is complete in ten seconds, and is short.

Else connections that say nothing, or a byte a second, would be held for ever.
"""

from __future__ import annotations

import asyncio
import json
from asyncio.events import TimerHandle
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_SECONDS = 10.0
LONGEST_HEAD = 64 * 1024  # bytes


class TimeoutHttpProtocol(HttpToolsProtocol):
    """One connection; its patience ends where a head does."""

    _waiting: TimerHandle | None = None
    _n_head_bytes = 0
    _is_in_body = False  # of a request that may have been answered before it was read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless the head has grown too long."""
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        if self._waiting is not None and not self._is_in_body:
            self._n_head_bytes += len(data)
        super().data_received(data)
        # Counted with what follows the head, but by then the head was complete and nobody waits.
        if self._waiting is not None and self._n_head_bytes > LONGEST_HEAD:
            self._refuse(431, "The request's head is longer than 64 KB.")

    def on_headers_complete(self) -> None:
        """Wait no longer: what follows is the body, which has its own limits."""
        self._stop_waiting()
        self._is_in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes next is a head."""
        self._stop_waiting()
        self._is_in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """The answer to what is no HTTP, in the shape of the others."""
        self._refuse(400, msg)

    def _wait(self) -> None:
        if self._waiting is None:
            self._n_head_bytes = 0
            self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self._is_in_body:  # it has its answer: a second one would be taken for the next one's
            self.transport.close()
        elif not self.transport.is_closing():
            self._refuse(408, "The request's head did not arrive within ten seconds.")

    def _refuse(self, status: int, detail: str) -> None:
        body = json.dumps({"detail": detail}).encode()
        head = [
            STATUS_LINE[status],
            b"content-type: application/json\r\n",
            b"content-length: %d\r\n" % len(body),
            b"x-request-id: %s\r\n" % uuid4().hex.encode(),
            b"connection: close\r\n\r\n",
        ]
        self.transport.write(b"".join([*head, body]))
        self.transport.close()
