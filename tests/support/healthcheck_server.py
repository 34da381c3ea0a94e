"""A real HTTP server in the place of a healthcheck, which answers as a test wants."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True)
class Ping:
    """A request that was received."""

    method: str
    path: str
    body: str


@dataclass(frozen=True)
class Answer:
    """What the server answers."""

    status: int = 200
    location: str | None = None


@dataclass
class Listener:
    """The server's address and the requests it has received."""

    url: str
    pings: list[Ping] = field(default_factory=list)

    @property
    def events(self) -> list[tuple[str, str]]:
        """Path after that of the check, and body, of each ping."""
        return [(ping.path.removeprefix("/check"), ping.body) for ping in self.pings]

    def wait(self, n: int) -> None:
        """Return once `n` pings have come."""
        while len(self.pings) < n:
            time.sleep(0.01)


@contextmanager
def listening(answer: Callable[[Ping], Answer] = lambda _: Answer()) -> Iterator[Listener]:
    """A server on a free port of this machine; `url` is the URL of a check."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            ping = Ping(self.command, self.path, self.rfile.read(length).decode())
            reply = answer(ping)
            listener.pings.append(ping)
            self.send_response(reply.status)
            if reply.location:
                self.send_header("Location", reply.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener = Listener(f"http://127.0.0.1:{server.server_address[1]}/check")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
