"""Error answers: JSON with `detail`, a sentence or a list of the fields that are wrong.

None shows the inside: no SQL, no traceback, no value of the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from segpipe.answers import OutdatedCursorError
from segpipe.api.log import log_error
from segpipe.api.request_models import PATTERN_MESSAGES
from segpipe.core.errors import BusyError, DatabaseError, InputError, SegpipeError
from segpipe.realtime.batching import OverloadedError

RETRY_AFTER = {"Retry-After": "1"}
AWAY = "The database does not answer; try again in a second."
DENIED = "The service's role lacks a privilege in the database; the log names it."
FAILED = "The service failed at this request; its log has the reason under the request id."
RUN_CHANGED = "Another run was published in the meantime; try again in a second."
NO_RUN = "No run is published in this store; publish one with `segpipe run`, or try again later."
_MOST_ERRORS = 100  # listed for one request
_LONGEST_PART = 100  # characters of a key that the client made up
_STATUS: dict[type[SegpipeError], int] = {
    OutdatedCursorError: 409,
    OverloadedError: 503,
    BusyError: 503,
    DatabaseError: 503,
    InputError: 422,
}


def problem(status: int, detail: object, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer with that detail."""
    return JSONResponse({"detail": detail}, status, headers=dict(headers or {}))


def unavailable(detail: str) -> HTTPException:
    """503, which asks the client to try again in a second."""
    return HTTPException(503, detail, RETRY_AFTER)


def invalid(loc: Sequence[str | int], message: str, kind: str = "value_error") -> JSONResponse:
    """422 for one field."""
    return problem(422, [{"loc": list(loc), "msg": message, "type": kind}])


def error_items(errors: Sequence[Mapping[str, Any]], *before: str) -> list[dict[str, Any]]:
    """The errors that pydantic found, without the values; `before` goes in front of each place."""
    return [
        {
            "loc": [*before, *(_short(part) for part in _place(error))],
            "msg": PATTERN_MESSAGES.get(error.get("ctx", {}).get("pattern", ""), error["msg"]),
            "type": error["type"],
        }
        for error in errors[:_MOST_ERRORS]
    ]


def _place(error: Mapping[str, Any]) -> Sequence[str | int]:
    """Where the error is; our own checks of several fields name the place in the context."""
    place: Sequence[str | int] = (*error["loc"], *error.get("ctx", {}).get("place", ()))
    return place


def _short(part: str | int) -> str | int:
    return part[:_LONGEST_PART] if isinstance(part, str) else part


def add_handlers(app: FastAPI) -> None:
    """Make the app answer every error in this shape."""
    app.add_exception_handler(StarletteHTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(SegpipeError, _known)
    app.add_exception_handler(Exception, _unexpected)


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - as registered
    detail: object = error.detail  # a list where fields are wrong
    if isinstance(detail, str):
        detail = _ROUTER_MESSAGES.get(detail, detail)
    return problem(error.status_code, detail, error.headers)


def _validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
    return problem(422, error_items(error.errors()))


def _known(request: Request, error: Exception) -> JSONResponse:
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    if status == 500:
        log_error(error, request.scope["segpipe"].request_id)
        return problem(status, FAILED)
    if status == 422:
        return invalid(["query"], str(error))
    detail = AWAY if type(error) is DatabaseError else str(error)  # it may name the server
    return problem(status, detail, RETRY_AFTER if status == 503 else None)


def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
    return problem(500, FAILED)


_ROUTER_MESSAGES = {  # what Starlette says → what we say
    "Not Found": "This path does not exist; GET /openapi.json lists the paths.",
    "Method Not Allowed": "This path takes another method; GET /openapi.json lists the paths.",
}
