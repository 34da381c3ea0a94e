"""The answer of real time for one customer: segments and figures, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Refused:
    """Why a customer cannot be assigned; `field` is the path in the body, such as orders.0."""

    field: str
    message: str


@dataclass(frozen=True)
class Assigned:
    """A customer's segments and figures by one model."""

    customer_id: str
    as_of: date
    segment_memberships: dict[str, str]
    membership_strengths: dict[str, float]  # 0 to 1, to four decimals as they are published
    metrics: dict[str, Any]  # schema.METRICS; None: withheld, or without the axis rfm
    unavailable: dict[str, tuple[str, ...]]  # axis → inputs that the request lacks
    filled: dict[str, tuple[str, ...]]  # axis → measures that were filled with the shop's median
    notes: tuple[str, ...]
    measures: dict[str, float | None] = field(repr=False)  # that the model needs
