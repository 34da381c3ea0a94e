"""The least that can answer over HTTP: the service's web server, and a constant body.

Takes the size of the body; prints where it listens, and ends with SIGTERM. A floor of service.py.
"""

from __future__ import annotations

import argparse
import logging
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def constant(size: int) -> App:
    """An app that reads the request, and answers `size` bytes."""
    body = b" " * size
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % size)]

    async def app(_scope: Message, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

    return app


def main() -> None:
    """Answer until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", type=int, help="bytes of the answer")
    asked = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as bound:
        print(f"at http://127.0.0.1:{bound.getsockname()[1]}", flush=True)
        config = uvicorn.Config(
            constant(asked.size),
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level=logging.ERROR,
            server_header=False,
        )
        uvicorn.Server(config).run(sockets=[bound])


if __name__ == "__main__":
    main()
