"""`segpipe serve`: takes settings and a bound socket's place, serves until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from segpipe.api.http_protocol import TimeoutHttpProtocol
from segpipe.api.settings import ServeSettings
from segpipe.core.errors import InputError

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 30  # for what is in flight
_BACKLOG = 2048
_QUIET = 75  # seconds an idle connection is kept, more than a proxy's usual 60


def bind(host: str, port: int) -> socket.socket:
    """The socket, so that a port in use is told at once. Raises InputError."""
    try:
        [found, *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        bound = socket.socket(found[0], socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(found[4])
            bound.listen(_BACKLOG)  # from now on who asks is heard, if not answered yet
        except OSError:
            bound.close()
            raise
    except OSError as error:
        msg = f"{host} port {port} cannot be served ({error.strerror});"
        told = "end what listens there, or take another with --port."
        raise InputError(f"{msg} {told}") from error
    bound.set_inheritable(True)
    return bound


def serve(settings: ServeSettings, bound: socket.socket) -> None:
    """Answer requests until SIGTERM or SIGINT, and then finish what is in flight."""
    config = uvicorn.Config(
        partial(_app, settings),
        factory=True,
        workers=settings.workers,
        http=TimeoutHttpProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level=logging.ERROR,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_QUIET,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=GRACE_SECONDS,
    )
    if settings.workers > 1:
        _serve_with_workers(config, settings, bound)
        return
    server = uvicorn.Server(config)
    with _ended_by(server):
        server.run(sockets=[bound])


def _app(settings: ServeSettings) -> ASGIApp:
    """Imported where it serves: a parent of workers does without the engine."""
    from segpipe.api.app import make_app

    return make_app(settings)


def _serve_with_workers(
    config: uvicorn.Config, settings: ServeSettings, bound: socket.socket
) -> None:
    folder = settings.folder / "figures"
    folder.mkdir(exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # the workers inherit it
    before = {number: signal.getsignal(number) for number in _ENDINGS}
    try:
        Multiprocess(config, sockets=[bound]).run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _ended_by(server: uvicorn.Server) -> Iterator[None]:
    """A signal ends the server, also one that comes before uvicorn listens to it.

    And one that uvicorn raises again when it has finished: that is no failure.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in _ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
