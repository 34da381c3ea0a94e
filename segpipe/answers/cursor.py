"""Where a page of customers ended, as an opaque text with which to ask for the next page."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import asdict, dataclass

from segpipe.core.errors import InputError, SegpipeError

_LONGEST = 2000  # characters; an id and a name have up to 100 each, escaped
_MOST = 1e300  # of any amount
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


class OutdatedCursorError(SegpipeError):
    """The cursor belongs to a listing of a run that is no longer current."""

    exit_status = 75


@dataclass(frozen=True)
class Cursor:
    """The last customer of a page, in the listing that it belongs to."""

    run_id: int
    axis: str
    segment: str
    order: str
    value: float | None  # of the column of the order; None: by id
    customer_id: str

    def text(self) -> str:
        """URL-safe text."""
        document = json.dumps(list(asdict(self).values()), separators=(",", ":"))
        return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """The cursor of a text that `Cursor.text` gave; InputError for any other."""
    msg = "The cursor is not one of this service's; leave it out to start with the first page."
    if len(text) > _LONGEST or not text.isascii():
        raise InputError(msg)
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        parts = json.loads(decoded)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InputError(msg) from error
    if not isinstance(parts, list) or len(parts) != 6 or not _are_valid(*parts):
        raise InputError(msg)
    return Cursor(*parts)


def check_cursor_matches(cursor: Cursor, run_id: int, axis: str, segment: str, order: str) -> None:
    """Raise InputError for a cursor of another listing, OutdatedCursorError for another run's."""
    if (cursor.axis, cursor.segment, cursor.order) != (axis, segment, order):
        raise InputError(
            f"The cursor belongs to {cursor.axis}/{cursor.segment} in order of {cursor.order};"
            " ask for that listing, or leave the cursor out to start with the first page."
        )
    if cursor.run_id != run_id:
        raise OutdatedCursorError(
            f"The cursor belongs to run {cursor.run_id}, and run {run_id} is the current one; start"
            " with the first page again."
        )


def _are_valid(*parts: object) -> bool:
    run_id, axis, segment, order, value, customer_id = parts
    return (
        type(run_id) is int
        and all(map(_is_text, (axis, segment, order, customer_id)))
        and (value is None or (type(value) in (int, float) and -_MOST < value < _MOST))  # type: ignore[operator]
    )


def _is_text(value: object) -> bool:
    """Whether it is a text that the database can hold."""
    return isinstance(value, str) and not _NOT_STORABLE.search(value)
