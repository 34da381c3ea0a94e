"""Who may come in: takes a request's key, gives the request on, or an answer that refuses it.

Before anything of the request is looked at, so that without a key there is nothing to be learnt.
"""

from __future__ import annotations

import math
import re
from time import monotonic

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from segpipe.access.api_keys import ApiKey, authenticated
from segpipe.api.access_log import request_info_of
from segpipe.api.errors import AGAIN, invalid, problem
from segpipe.api.worker import WorkerState

OPEN_PATHS = frozenset({"/health", "/openapi.json", "/docs"})
MOST_AT_ONCE = 500  # requests a worker; some seconds of lookups
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NO_KEY = "A valid API key is needed in the header X-API-Key; `segpipe keys create NAME` makes one."


class ApiKeyMiddleware:
    """Wraps the app's routes."""

    def __init__(self, app: ASGIApp, state: WorkerState) -> None:
        self._app = app
        self._state = state
        self._n_inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or refuse it."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal:
            await refusal(scope, receive, send)
            return
        self._n_inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._n_inside -= 1

    def _refusal(self, scope: Scope) -> Response | None:
        keys = self._state.watcher.keys
        if keys is None:
            return self._rejected("database", 503, "The database does not answer yet.", AGAIN)
        token = _token(scope)
        key = authenticated(token, keys) if token is not None else None
        if key is None:
            return self._rejected("key", 401, _NO_KEY, {"WWW-Authenticate": "ApiKey"})
        request_info_of(scope).key = key
        limited = self._limited(key)
        if limited is None and _CONTROL.search(scope["path"]):  # no route matches a line's end
            return invalid(["path", "customer_id"], "Should have no control characters")
        return limited

    def _limited(self, key: ApiKey) -> Response | None:
        wait = self._state.rate.admit(key.key_id, key.rate_per_minute, monotonic())
        if wait > 0:
            told = f"This key may ask {key.rate_per_minute} times a minute; wait a while."
            return self._rejected("rate", 429, told, {"Retry-After": str(math.ceil(wait))})
        if self._n_inside >= MOST_AT_ONCE:
            return self._rejected("load", 503, "Too many requests wait; try again soon.", AGAIN)
        return None

    def _rejected(self, reason: str, status: int, detail: str, headers: dict[str, str]) -> Response:
        self._state.metrics.rejected.labels(reason).inc()
        return problem(status, detail, headers)


def _token(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return str(value, "latin-1")
    return None
