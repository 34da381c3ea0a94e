"""What the endpoints have in common: the state, texts of a path, and errors for the document."""

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
        description="As in the file, percent-encoded; a slash may stand as it is.",
        examples=["c0001"],
    ),
]
Name = Annotated[str, Path(min_length=1, max_length=200, pattern=ID_PATTERN)]
Axes = Annotated[list[Label] | None, Query(alias="axis", max_length=50)]
_AGAIN = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}
_WORDS = {
    401: "No key, or none that is active.",
    403: "The key may only read.",
    404: "There is no such thing, in words.",
    408: "The request did not arrive in time.",
    409: "It contradicts what is in force.",
    413: "The body is too long.",
    429: "The key asks too often.",
    500: "The service failed.",
    503: "The database is away, no run is published, or too much waits.",
}


def state_of(request: Request) -> WorkerState:
    """What this worker knows."""
    state: WorkerState = request.app.state.segpipe
    return state


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of an endpoint behind a key, for the document."""
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": _WORDS[status]}
        for status in (401, 429, 503, *statuses)
    }
    for status in (429, 503):
        found[status]["headers"] = _AGAIN
    found[422] = {"model": Invalid, "description": "A field is wrong."}
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


def json_or_404(found: dict[str, Any] | None, missing: HTTPException) -> JSONResponse:
    """The answer, or the error where there is none."""
    if found is None:
        raise missing
    return JSONResponse(found)


def no_customer(customer_id: str, store_id: str) -> HTTPException:
    """404 for a customer."""
    return HTTPException(404, f"Store {store_id!r} has no customer {customer_id!r}.")
