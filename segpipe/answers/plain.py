"""Values of a row as JSON knows them: dates as ISO texts, times in UTC with a Z."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any


def plain(value: Any) -> Any:  # noqa: ANN401 - any value of a row or a record
    """The value, with those inside it."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value
