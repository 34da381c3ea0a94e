"""The app of one worker, which uvicorn calls for each request."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from segpipe import __version__
from segpipe.api.access_log import AccessLogMiddleware
from segpipe.api.authentication import ApiKeyMiddleware
from segpipe.api.errors import add_handlers
from segpipe.api.openapi import document_of
from segpipe.api.routes import ROUTERS
from segpipe.api.settings import ServeSettings
from segpipe.api.worker import WorkerState

_ABOUT = (
    "Segments of a shop's customers, from the current run and in real time. Every path but"
    " GET /health needs a key in X-API-Key. Every answer has X-Request-ID, and names its run."
)
_NO_TELEMETRY: Any = {  # older FastAPIs ignore it; traces would have customers in their paths
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def make_app(settings: ServeSettings) -> ASGIApp:
    """The routes behind authentication, and both inside the access log."""
    state = WorkerState(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        app.openapi()  # built now, as it takes a while
        await asyncio.to_thread(state.start)
        # A full collection would go through everything that was imported, and answer nobody for an
        # eighth of a second. What is there now stays as long as the process does.
        gc.collect()
        gc.freeze()
        yield
        await asyncio.to_thread(state.end)

    app = FastAPI(
        title="segpipe",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    app.state.segpipe = state
    app.openapi = partial(document_of, app)  # type: ignore[method-assign]
    add_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    return AccessLogMiddleware(ApiKeyMiddleware(app, state), state)
