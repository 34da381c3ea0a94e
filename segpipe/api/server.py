"""`segpipe serve`: binds the socket and serves, in one process or several, until a signal."""

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

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 30  # for requests in flight
_BACKLOG = 2048
_KEEP_ALIVE = 75  # seconds an idle connection is kept, more than a proxy's usual 60


def bind(host: str, port: int) -> socket.socket:
    """The socket, bound at once so that a port in use is reported. Raises InputError."""
    try:
        [found, *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        bound = socket.socket(found[0], socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(found[4])
            bound.listen(_BACKLOG)  # clients can connect from now on, and wait for the answer
        except OSError:
            bound.close()
            raise
    except OSError as error:
        msg = f"{host} port {port} cannot be served ({error.strerror});"
        raise InputError(f"{msg} stop what listens there, or name another --port.") from error
    bound.set_inheritable(True)
    return bound


def serve(settings: ServeSettings, bound: socket.socket) -> None:
    """Answer requests until SIGTERM or SIGINT, then finish those in flight."""
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
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=GRACE_SECONDS,
    )
    if settings.workers > 1:
        _serve_with_workers(config, settings, bound)
        return
    server = uvicorn.Server(config)
    with _ended_by_signals(server):
        server.run(sockets=[bound])


def _app(settings: ServeSettings) -> ASGIApp:
    """The app, imported by the process that serves: a parent of workers needs no engine."""
    from segpipe.api.app import make_app
    from segpipe.api.log import configure_log

    configure_log()
    return make_app(settings)


def _serve_with_workers(
    config: uvicorn.Config, settings: ServeSettings, bound: socket.socket
) -> None:
    folder = settings.folder / "metrics"
    folder.mkdir(exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # the workers inherit it
    with _signals_restored():
        Multiprocess(config, sockets=[bound]).run()


@contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """End the server by a signal, even one that comes before uvicorn handles signals.

    uvicorn raises the signal again once it has finished; that is not a failure.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    with _signals_restored():
        for number in _SIGNALS:
            signal.signal(number, end)
        yield


@contextmanager
def _signals_restored() -> Iterator[None]:
    """Give the signals back to their handlers after the block."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
