"""Support tickets of made-up customers, with a planted channel and planted trouble.

Takes Traits and Orders; gives a table in the canonical ticket columns. One-time buyers have none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Floats, Ints
from segpipe.datasets.synthetic.orders import Orders
from segpipe.datasets.synthetic.traits import Traits

CHANNELS = ("email", "chat", "phone", "self_service")
_PRIORITIES = ("low", "normal", "high")
# by trouble: self-sufficient, moderate, high
_PER_ORDER = np.array([0.15, 1.25, 2.5])
_MESSAGES = np.array([2.0, 6.0, 10.0])
_HOURS = np.array([1.5, 12.0, 96.0])
_REOPENED = np.array([0.0, 0.5, 1.0])
_SATISFACTION = np.array([5, 4, 2])
_PURITY = 0.97  # of tickets through the preferred channel
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class TicketSpan:
    """Whose tickets, and until when (seconds since 1970)."""

    customer_ids: pa.Array
    end: int


def make_tickets(
    rng: np.random.Generator,
    traits: Traits,
    orders: Orders,
    span: TicketSpan,
    loose: frozenset[str],
) -> pa.Table:
    """The tickets of all customers with at least two orders."""
    n_orders = traits.n_orders
    is_loose = "problem_complexity_profile" in loose
    per_order = _level(rng, traits, _PER_ORDER, is_loose)
    counts = np.where(n_orders == 1, 0, np.maximum(np.rint(per_order * n_orders), 1))
    counts = counts.astype(np.int64)
    customer = np.arange(len(counts)).repeat(counts)
    nth = np.arange(len(customer)) - (np.cumsum(counts) - counts)[customer]
    n = len(customer)
    order = orders.first[customer] + rng.integers(0, n_orders[customer])
    created = np.minimum(orders.at[order] + rng.integers(0, _DAY_SECONDS, n), span.end)
    log_hours = _level(rng, traits, np.log(_HOURS), is_loose)[customer]
    seconds = np.rint(3600 * np.exp(log_hours + 0.15 * rng.standard_normal(n)))
    reopened = _level(rng, traits, _REOPENED, is_loose)[customer]
    messages = _level(rng, traits, _MESSAGES, is_loose)[customer] + rng.integers(-1, 2, n)
    satisfaction = _SATISFACTION[traits.trouble[customer]] - rng.integers(0, 2, n)
    channel = _channels(rng, traits, customer, "communication_preference" in loose)
    return pa.table(
        {
            "customer_id": span.customer_ids.take(pa.array(customer)),
            "created_at": _timestamps(created),
            "channel": pa.array(CHANNELS).take(pa.array(channel)),
            "resolved_at": _timestamps(created + seconds.astype(np.int64)),
            "message_count": pa.array(np.rint(messages).astype(np.int64)),
            "satisfaction": pa.array(satisfaction),
            "priority": pa.array(_PRIORITIES).take(pa.array(traits.trouble[customer])),
            # as a running count, so that customers with few tickets have the same share
            "reopened": pa.array(np.floor((nth + 1) * reopened) > np.floor(nth * reopened)),
        }
    )


def _level(rng: np.random.Generator, traits: Traits, by_trouble: Floats, is_loose: bool) -> Floats:
    """A value per customer: by the customer's trouble, or drawn from one distribution."""
    if is_loose:
        drawn = np.clip(rng.normal(1.0, 0.3, len(traits.trouble)), 0.0, 2.0)
        return np.interp(drawn, range(3), by_trouble)
    return by_trouble[traits.trouble]


def _timestamps(seconds: Ints) -> pa.Array:
    return pa.array(seconds.astype("datetime64[s]"))


def _channels(rng: np.random.Generator, traits: Traits, customer: Ints, is_loose: bool) -> Ints:
    stray = rng.integers(0, len(CHANNELS), len(customer))
    if is_loose:
        return stray
    return np.where(rng.random(len(customer)) < _PURITY, traits.contact[customer], stray)
