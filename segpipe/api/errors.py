"""Every answer that is no success: takes a status and a sentence, gives JSON with `detail`.

None tells of the inside: no SQL, no traceback, no value of the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from segpipe.answers import OutdatedCursorError
from segpipe.api.request_models import SAID
from segpipe.core.errors import BusyError, DatabaseError, InputError, SegpipeError
from segpipe.realtime.batching import OverloadedError

AGAIN = {"Retry-After": "1"}
AWAY = "The database does not answer; try again in a second."
DENIED = "The service's role lacks a privilege in the database; its log names it."
MEANWHILE = "Another run came in force meanwhile; try again in a second."
NO_RUN = "No run is published in this store; publish one with `segpipe run`, or try again later."
_MOST_ERRORS = 100  # told of one request
_LONGEST_PART = 100  # characters of a key that the request made up
_STATUS: dict[type[SegpipeError], int] = {
    OutdatedCursorError: 409,
    OverloadedError: 503,
    BusyError: 503,
    DatabaseError: 503,
    InputError: 422,
}


def problem(status: int, detail: object, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer in words, or in a list of what is wrong where."""
    return JSONResponse({"detail": detail}, status, headers=dict(headers or {}))


def unavailable(detail: str) -> HTTPException:
    """503, which asks to try again in a second."""
    return HTTPException(503, detail, AGAIN)


def invalid(loc: Sequence[str | int], message: str, kind: str = "value_error") -> JSONResponse:
    """422 for one field."""
    return problem(422, [{"loc": list(loc), "msg": message, "type": kind}])


def error_items(errors: Sequence[Mapping[str, Any]], *before: str) -> list[dict[str, Any]]:
    """What pydantic found, without the values that it found; `before` is where the field is."""
    return [
        {
            "loc": [*before, *(_short(part) for part in _place(error))],
            "msg": SAID.get(error.get("ctx", {}).get("pattern", ""), error["msg"]),
            "type": error["type"],
        }
        for error in errors[:_MOST_ERRORS]
    ]


def _place(error: Mapping[str, Any]) -> Sequence[str | int]:
    """Where the error is; one that spans fields names its own in the context."""
    where: Sequence[str | int] = (*error["loc"], *error.get("ctx", {}).get("place", ()))
    return where


def _short(part: str | int) -> str | int:
    return part[:_LONGEST_PART] if isinstance(part, str) else part


def add_handlers(app: FastAPI) -> None:
    """Have the app answer every error in this shape."""
    app.add_exception_handler(StarletteHTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(SegpipeError, _known)
    app.add_exception_handler(Exception, _unforeseen)


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - as registered
    detail: object = error.detail  # a list where fields are wrong
    if isinstance(detail, str):
        detail = _PLAIN.get(detail, detail)
    return problem(error.status_code, detail, error.headers)


def _validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
    return problem(422, error_items(error.errors()))


def _known(_request: Request, error: Exception) -> JSONResponse:
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    if status == 500 or type(error) is DatabaseError:
        return problem(status, _VAGUE[status], AGAIN if status == 503 else None)
    if status == 422:
        return invalid(["query"], str(error))
    return problem(status, str(error), AGAIN if status == 503 else None)


def _unforeseen(_request: Request, _error: Exception) -> JSONResponse:
    return problem(500, _VAGUE[500])


_PLAIN = {  # what the router says
    "Not Found": "There is no such path; GET /openapi.json lists them.",
    "Method Not Allowed": "This path takes another method; GET /openapi.json lists them.",
}
_VAGUE = {
    500: "The service failed at this request; its log tells more under the request id.",
    503: AWAY,
}
