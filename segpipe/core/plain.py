"""Records and rows as plain values for JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any


def plain_values(value: Any) -> Any:  # noqa: ANN401 - any value of a record or a row
    """The value, and those within it, with the types of JSON.

    Dates are ISO texts, times with a zone in UTC with a Z, sets are sorted, paths are texts.
    """
    if isinstance(value, dict):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):  # and times without a zone
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value
