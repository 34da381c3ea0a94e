"""The outermost layer: a request's id, its line in the log, its figures, and the last resort.

The line has no body, no customer, no address and no token; a route's template stands for its path.
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from uuid import uuid4

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segpipe.access.api_keys import ApiKey
from segpipe.api.errors import problem
from segpipe.api.worker import WorkerState, log_error

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_GONE = 499  # in the log only: who asked did not wait
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
    """Wraps the whole of the app."""

    def __init__(self, app: ASGIApp, state: WorkerState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, whatever comes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = scope["segpipe"] = RequestInfo(request_id_of(scope), perf_counter())

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                named = (b"x-request-id", seen.request_id.encode())
                message["headers"] = [*message.get("headers", ()), named]
            else:
                seen.n_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._answer(scope, receive, answer, seen)
        finally:
            self._write(scope, seen)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, seen: RequestInfo) -> None:
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            seen.status = _GONE
        except Exception as error:  # noqa: BLE001 - the edge
            log_error(error, seen.request_id)
            if not seen.status:
                failed = problem(500, "The service failed at this request; its log tells more.")
                await failed(scope, receive, send)

    def _write(self, scope: Scope, seen: RequestInfo) -> None:
        seconds = perf_counter() - seen.started
        route = getattr(scope.get("route"), "path", "unmatched").replace(":path", "")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._state.figures.requests.labels(route, method, seen.status).inc()
        self._state.figures.seconds.labels(route, method).observe(seconds)
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "request_id": seen.request_id,
            "method": method,
            "route": route,
            "status": seen.status,
            "ms": round(seconds * 1000, 2),
            "key": seen.key.name if seen.key else None,
            "bytes": seen.n_bytes,
        }
        with suppress(OSError, ValueError):  # who read the log may have gone
            sys.stdout.write(json.dumps(line, ensure_ascii=True) + "\n")
            sys.stdout.flush()


def request_info_of(scope: Scope) -> RequestInfo:
    """What is known of the request."""
    seen: RequestInfo = scope["segpipe"]
    return seen


def request_id_of(scope: Scope) -> str:
    """The id that the request brings, where it is one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return uuid4().hex
