"""What the endpoints share: the worker's state, parameters, and the errors they document."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse

from segpipe.api.request_models import ID_PATTERN, LONGEST_ID, Label
from segpipe.api.response_models import Invalid, Problem
from segpipe.api.worker import WorkerState

CustomerId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=LONGEST_ID,
        pattern=ID_PATTERN,
        description="The id as in the file, percent-encoded; a slash need not be.",
        examples=["c0001"],
    ),
]
Name = Annotated[str, Path(min_length=1, max_length=200, pattern=ID_PATTERN)]
Axes = Annotated[list[Label] | None, Query(alias="axis", max_length=50)]
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}
_DESCRIPTIONS = {
    401: "No key, or not an active one.",
    403: "The key is read-only.",
    404: "It does not exist; the detail says what.",
    408: "The request did not arrive in time.",
    409: "It contradicts the current run.",
    413: "The body is too long.",
    429: "The key's rate is used up.",
    500: "The service failed.",
    503: "The database does not answer, no run is published, or too many requests wait.",
}


def state_of(request: Request) -> WorkerState:
    """The state of this worker."""
    state: WorkerState = request.app.state.segpipe
    return state


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of an endpoint that needs a key, for the OpenAPI document."""
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": _DESCRIPTIONS[status]}
        for status in (401, 429, 503, *statuses)
    }
    for status in (429, 503):
        found[status]["headers"] = _RETRY_AFTER
    found[422] = {"model": Invalid, "description": "A field is wrong."}
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


def json_or_404(found: dict[str, Any] | None, missing: HTTPException) -> JSONResponse:
    """The answer, or the error if there is none."""
    if found is None:
        raise missing
    return JSONResponse(found)


def no_customer(customer_id: str, store_id: str) -> HTTPException:
    """404 for a customer."""
    return HTTPException(404, f"Store {store_id!r} has no customer {customer_id!r}.")
