"""A request's body: takes it piece by piece, gives what the schema admits of it.

It is counted while it arrives, and has to arrive within ten seconds.
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
_CLOSE = {"Connection": "close"}  # what is still to come is not read


async def read_body(request: Request, most: int) -> bytes:
    """The body. Raises 413 above `most` bytes, and 408 where it does not arrive."""
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
        late = f"The body did not arrive within {SECONDS:.0f} seconds."
        raise HTTPException(408, late, _CLOSE) from None
    return b"".join(parts)


def admitted(kind: type[Body], content: bytes) -> Body:
    """The body as that model. Raises 422 with every field that is wrong."""
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise HTTPException(422, error_items(found, "body")) from None


def _too_long(most: int) -> HTTPException:
    # Not closed at once: what is still to come would have the answer thrown away.
    return HTTPException(413, f"The body is longer than {most:,} bytes.")
