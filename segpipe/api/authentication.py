"""Checks a request's API key, its rate and the load, before anything else of it is read.

A client without a key thus learns nothing about paths or customers.
"""

from __future__ import annotations

import math
import re
from time import monotonic

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from segpipe.access.api_keys import ApiKey, authenticated
from segpipe.api.access_log import request_info_of
from segpipe.api.errors import AWAY, RETRY_AFTER, invalid, problem
from segpipe.api.worker import WorkerState

OPEN_PATHS = frozenset({"/health", "/openapi.json", "/docs"})
MOST_AT_ONCE = 500  # requests in a worker; some seconds of lookups
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_OVERLOADED = "Too many requests are waiting; try again in a second."
_NO_KEY = (
    "The header X-API-Key has no valid API key, which every request needs;"
    " make one with `segpipe keys create NAME`."
)


class ApiKeyMiddleware:
    """Wraps the routes of the app."""

    def __init__(self, app: ASGIApp, state: WorkerState) -> None:
        self._app = app
        self._state = state
        self._n_in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal:
            await refusal(scope, receive, send)
            return
        self._n_in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._n_in_flight -= 1

    def _refusal(self, scope: Scope) -> Response | None:
        keys = self._state.watcher.keys
        if keys is None:
            return self._rejected("database", 503, AWAY, RETRY_AFTER)
        token = _token(scope)
        key = authenticated(token, keys) if token is not None else None
        if key is None:
            return self._rejected("key", 401, _NO_KEY, {"WWW-Authenticate": "ApiKey"})
        request_info_of(scope).key = key
        limited = self._limited(key)
        if limited is None and _CONTROL.search(scope["path"]):  # no route matches a line break
            return invalid(["path", "customer_id"], "Should have no control characters")
        return limited

    def _limited(self, key: ApiKey) -> Response | None:
        wait = self._state.rate.admit(key.key_id, key.rate_per_minute, monotonic())
        if wait > 0:
            limit = f"This key is limited to {key.rate_per_minute} requests a minute"
            message = f"{limit}; wait as many seconds as Retry-After says."
            return self._rejected("rate", 429, message, {"Retry-After": str(math.ceil(wait))})
        if self._n_in_flight >= MOST_AT_ONCE:
            return self._rejected("load", 503, _OVERLOADED, RETRY_AFTER)
        return None

    def _rejected(self, reason: str, status: int, detail: str, headers: dict[str, str]) -> Response:
        self._state.metrics.rejected.labels(reason).inc()
        return problem(status, detail, headers)


def _token(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return str(value, "latin-1")
    return None
