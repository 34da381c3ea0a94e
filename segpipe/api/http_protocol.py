"""uvicorn's HTTP protocol with limits: a request's head arrives in ten seconds, and is short.

Without them, clients that send nothing, or a byte a second, would hold a connection forever.
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
    """One connection; a timer runs until a head is complete."""

    _timer: TimerHandle | None = None
    _n_head_bytes = 0
    _is_in_body = False  # of a request that may be answered before it is read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first head."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and refuse a head that is too long."""
        if self.cycle is None or self.cycle.response_complete:
            self._start_timer()
        if self._timer is not None and not self._is_in_body:
            self._n_head_bytes += len(data)
        super().data_received(data)
        # What follows the head is counted too, but by then the head was complete and no timer runs.
        if self._timer is not None and self._n_head_bytes > LONGEST_HEAD:
            self._refuse(431, "The request's head is longer than 64 KB; send shorter headers.")

    def on_headers_complete(self) -> None:
        """Stop the timer: the body follows, which has its own limits."""
        self._stop_timer()
        self._is_in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect a head next."""
        self._stop_timer()
        self._is_in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the shape of the other errors."""
        self._refuse(400, msg)

    def _start_timer(self) -> None:
        if self._timer is None:
            self._n_head_bytes = 0
            self._timer = self.loop.call_later(HEAD_SECONDS, self._time_out)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        self._timer = None
        if (
            self._is_in_body
        ):  # already answered: the client would take a second answer for the next request's
            self.transport.close()
        elif not self.transport.is_closing():
            self._refuse(
                408, "The request's head did not arrive within ten seconds; send it again."
            )

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
