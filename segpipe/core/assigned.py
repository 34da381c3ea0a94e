"""What real time gives of one customer: segments and figures, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class Refused:
    """Why a customer cannot be assigned; `field` is the path in the body, such as orders.0."""

    field: str
    message: str


@dataclass(frozen=True)
class Assigned:
    """A customer's segments and figures, by the model that `assign_customers` was given."""

    customer_id: str
    as_of: date
    segment_memberships: dict[str, str]
    membership_strengths: dict[str, float]  # 0 to 1, to four decimals as they are published
    metrics: dict[str, float | int]
    unavailable: dict[str, tuple[str, ...]]  # axis → inputs that the body lacks for it
    filled: dict[str, tuple[str, ...]]  # axis → measures in whose place the shop's median stands
    notes: tuple[str, ...]
    measures: dict[str, float | None] = field(repr=False)  # those that the model needs
