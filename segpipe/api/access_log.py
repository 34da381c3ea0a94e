"""The outermost layer: gives each request an id, a line in the log and its metrics.

It also answers what the app failed at. The line has no body, customer, address or token; the
route's template stands for the path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from time import perf_counter
from uuid import uuid4

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segpipe.access.api_keys import ApiKey
from segpipe.api.errors import FAILED, problem
from segpipe.api.log import log_error, log_request
from segpipe.api.worker import WorkerState

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_CLIENT_GONE = 499  # in the log only: the client did not wait for the answer
_METHODS = {"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"}


@dataclass
class RequestInfo:
    """What is known of a request, kept in its scope."""

    request_id: str
    started: float
    key: ApiKey | None = None
    status: int = 0
    n_bytes: int = 0


class AccessLogMiddleware:
    """Wraps the whole app."""

    def __init__(self, app: ASGIApp, state: WorkerState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, whatever happens in the app."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = scope["segpipe"] = RequestInfo(request_id_of(scope), perf_counter())

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                header = (b"x-request-id", request.request_id.encode())
                message["headers"] = [*message.get("headers", ()), header]
            else:
                request.n_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._answer(scope, receive, answer, request)
        finally:
            self._record(scope, request)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, request: RequestInfo
    ) -> None:
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            request.status = _CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - the edge
            log_error(error, request.request_id)
            if not request.status:
                await problem(500, FAILED)(scope, receive, send)

    def _record(self, scope: Scope, request: RequestInfo) -> None:
        seconds = perf_counter() - request.started
        route = getattr(scope.get("route"), "path", "unmatched").replace(":path", "")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._state.metrics.requests.labels(route, method, request.status).inc()
        self._state.metrics.request_seconds.labels(route, method).observe(seconds)
        log_request(
            request_id=request.request_id,
            method=method,
            route=route,
            status=request.status,
            ms=round(seconds * 1000, 2),
            key=request.key.name if request.key else None,
            bytes=request.n_bytes,
        )


def request_info_of(scope: Scope) -> RequestInfo:
    """What is known of the request."""
    request: RequestInfo = scope["segpipe"]
    return request


def request_id_of(scope: Scope) -> str:
    """The id that the request brings, if it is a valid one; otherwise a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return uuid4().hex
