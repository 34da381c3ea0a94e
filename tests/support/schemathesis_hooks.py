"""Hooks of schemathesis, which loads this module in its own process: it is slow to import."""

from __future__ import annotations

import json
from typing import Any

import schemathesis

# What JSON Schema cannot say, such as that an order exists, a day exists, and an id comes once.
_BEYOND_SCHEMA = {"unknown_order", "duplicate_customer", "date_value", "refused"}


@schemathesis.deserializer("application/x-ndjson")
def first_line(_context: object, response: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """The first of the lines, which have the same keys."""
    first, *others = [json.loads(line) for line in response.content.splitlines()]
    if any(set(other) != set(first) for other in others):
        raise ValueError("lines with different keys")
    return first


@schemathesis.hook
def filter_failure(_context: object, failure: object, _case: object, response: Any) -> bool:  # noqa: ANN401
    """Whether it is a failure; a refusal for reasons beyond the document is not."""
    kind = type(failure).__name__
    if kind == "AcceptedNegativeData":
        return bool(response.status_code != 413)  # refused for its length before it is read
    if kind == "RejectedPositiveData" and response.status_code == 422:
        # A field that is wrong by the schema would be listed instead.
        return not all(is_beyond_schema(one) for one in response.json()["detail"])
    return True


def is_beyond_schema(wrong: dict[str, Any]) -> bool:
    """Whether JSON Schema cannot express that this is wrong."""
    is_product = wrong["msg"].startswith("Quantity times price")
    return is_product or wrong["type"] in _BEYOND_SCHEMA or wrong["loc"] == ["query", "after"]
