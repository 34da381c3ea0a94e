"""Reads a request's body within its limits, and validates it.

The size is counted as the body arrives, and it has to arrive within ten seconds.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

from fastapi import HTTPException, Request
from pydantic import BaseModel, ValidationError

from segpipe.api.errors import error_items

Body = TypeVar("Body", bound=BaseModel)
SECONDS = 10.0
ONE = 1_000_000  # bytes, of a single customer
MANY = 16_000_000  # bytes, of a batch
_CLOSE = {"Connection": "close"}  # the rest of the body is not read


async def read_body(request: Request, most: int) -> bytes:
    """The body. Raises 413 if it has more than `most` bytes, and 408 if it does not arrive."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:12]) > most:
        raise _too_long(most)
    parts, size = [], 0
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_long(most)
                parts.append(part)
    except TimeoutError:
        message = f"The body did not arrive within {SECONDS:.0f} seconds; send it again."
        raise HTTPException(408, message, _CLOSE) from None
    return b"".join(parts)


def validated(kind: type[Body], content: bytes) -> Body:
    """The body as that model. Raises 422 with every field that is wrong."""
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise HTTPException(422, error_items(found, "body")) from None


def _too_long(most: int) -> HTTPException:
    # The connection stays open: if it were closed, the rest of the body would discard the answer.
    return HTTPException(413, f"The body is longer than {most:,} bytes; send less at once.")
