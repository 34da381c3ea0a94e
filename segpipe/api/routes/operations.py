"""The service itself: health, readiness, metrics and documentation."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, Response

from segpipe.answers import current_run
from segpipe.api.dependencies import error_responses, state_of
from segpipe.api.errors import NO_RUN, unavailable
from segpipe.api.metrics import CONTENT_TYPE
from segpipe.api.openapi import docs_page
from segpipe.api.response_models import Health, Ready

router = APIRouter(tags=["operations"])


@router.head("/health", include_in_schema=False)  # as some proxies ask
@router.get("/health", response_model=Health, summary="The process answers")
async def health() -> JSONResponse:
    """Needs neither a key nor the database."""
    return JSONResponse({"status": "ok", "service": "segpipe"})


@router.get(
    "/ready", response_model=Ready, responses=error_responses(), summary="The database answers"
)
def ready(request: Request) -> JSONResponse:
    """The current run and its age; 503 if the database is away or no run is published."""
    state = state_of(request)
    run = state.query(lambda connection: current_run(connection, state.settings.store_id))
    if run is None:
        raise unavailable(NO_RUN)
    age = (datetime.now(UTC) - run.finished_at).total_seconds()
    return JSONResponse({"status": "ready", **run.document(), "age_seconds": max(age, 0.0)})


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text.", "content": {"text/plain": {}}},
        **error_responses(),
    },
    summary="Metrics for Prometheus",
)
async def metrics(request: Request) -> Response:
    """Requests, latencies, customers assigned, the current run and the database's state."""
    text = await run_in_threadpool(state_of(request).metrics.text)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})


@router.get("/openapi.json", include_in_schema=False)
async def document(request: Request) -> JSONResponse:
    """The OpenAPI document."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The OpenAPI document as a page."""
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return HTMLResponse(docs_page(request.app.openapi()), headers=policy)
