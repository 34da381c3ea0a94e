"""Orders of made-up customers: at what time, through which channel, and how each one behaves.

Takes Traits and Visits; gives Orders, arrays over all orders of the block, customer by customer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segpipe.core.arrays import Flags, Floats, Ints
from segpipe.datasets.synthetic import traits as t
from segpipe.datasets.synthetic.traits import Draft, Traits
from segpipe.datasets.synthetic.visits import Visits

_WEEKEND = 0  # slots 0 to 2 are weekend, daytime and evening
_FIRST_HOUR = np.array([10, 9, 18])
_N_HOURS = np.array([7, 8, 4])
_SLOT_PURITY = 0.97  # of orders in the customer's slot
_CHANNEL_PURITY = 0.98
_SMALL_BASKET, _LARGE_BASKET = (1, 2), (6, 8)  # fewest and most lines
_TWO_LINES_SHARE = 0.35  # of small baskets
_FEW_DEALS_SHARE = 0.25  # of orders
_ALL_DEALS_SHARE = 0.93
_DISCOUNT_SHARES = np.array([0.0, 0.08, 0.3])  # by price trait, of each line
_SELDOM_SHARE = 0.15  # of orders with a refund
_OFTEN_SHARE = 0.9
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Orders:
    """Arrays of shape (n_orders,); `first` holds each customer's first row."""

    customer: Ints
    first: Ints
    at: Ints  # seconds since 1970, the shop's wall clock
    channel: Ints  # 0 web, 1 store, 2 phone
    n_lines: Ints
    discount_share: Floats  # of each line, 0 for none
    n_refunds: Ints  # lines with a refund
    is_splurge: Flags


@dataclass(frozen=True)
class _OrderDraft(Draft):
    @property
    def n_orders(self) -> Ints:
        """Number of orders of the customer, one value per order."""
        return self.traits.n_orders[self.customer]


def make_orders(
    rng: np.random.Generator, traits: Traits, visits: Visits, end_day: int, loose: frozenset[str]
) -> Orders:
    """The orders of all visits, none after `end_day` (since 1970)."""
    first = np.cumsum(traits.n_orders) - traits.n_orders
    customer = visits.customer
    draft = _OrderDraft(
        rng=rng,
        traits=traits,
        loose=loose,
        customer=customer,
        number=np.arange(len(customer)) - first[customer],
    )
    third = draft.n_orders // 3
    is_large = (draft.number == third) | (draft.number == 2 * third)
    return Orders(
        customer=customer,
        first=first,
        at=_times(draft, visits.day, end_day),
        channel=_channels(draft),
        n_lines=_line_counts(draft),
        discount_share=_discounts(draft),
        n_refunds=_refunds(draft),
        is_splurge=(traits.taste[customer] == t.SPLURGE) & is_large,
    )


def _times(draft: _OrderDraft, day: Ints, end_day: int) -> Ints:
    """Seconds since 1970: a day near the planned one in the slot of the customer's cadence."""
    slot = _slots(draft)
    hour = _FIRST_HOUR[slot] + draft.rng.integers(0, _N_HOURS[slot])
    seconds = hour * 3600 + draft.rng.integers(0, 3600, draft.n)
    # the few weeks of a holiday shopper are too short to move orders
    is_holiday = (draft.traits.cadence == t.HOLIDAY)[draft.customer]
    day = np.where(is_holiday, day, _on_slot_day(day, slot, end_day))
    at: Ints = day * _DAY_SECONDS + seconds
    return at


def _slots(draft: _OrderDraft) -> Ints:
    if "purchase_cadence" in draft.loose:
        return _mixed(draft)
    turn = (draft.number + draft.rng.integers(0, 3, draft.n_customers)[draft.customer]) % 3
    cadence = draft.traits.cadence[draft.customer]
    has_slot = (cadence != t.NO_FIXED_TIME) & (cadence != t.HOLIDAY)
    return _mostly(draft, np.where(has_slot, cadence - t.WEEKEND, turn), _SLOT_PURITY)


def _on_slot_day(day: Ints, slot: Ints, end_day: int) -> Ints:
    """The nearest day of the slot, at the weekend or not, no later than the end."""
    weekday = (day + 3) % 7  # 1 January 1970 was a Thursday
    to_weekend = np.array([-1, -2, -3, 2, 1, 0, 0])[weekday]
    to_workday = np.array([0, 0, 0, 0, 0, -1, 1])[weekday]
    moved = day + np.where(slot == _WEEKEND, to_weekend, to_workday)
    return np.where(moved > end_day, moved - 7, moved)


def _channels(draft: _OrderDraft) -> Ints:
    if "communication_preference" in draft.loose:
        return _mixed(draft)
    own = draft.traits.channel[draft.customer]
    turn = (draft.number + draft.customer) % 3
    return _mostly(draft, np.where(own == t.ALL_CHANNELS, turn, own), _CHANNEL_PURITY)


def _mostly(draft: _OrderDraft, own: Ints, purity: float) -> Ints:
    """`own`, with a few values replaced by random codes 0 to 2."""
    return np.where(draft.rng.random(draft.n) < purity, own, draft.rng.integers(0, 3, draft.n))


def _mixed(draft: _OrderDraft) -> Ints:
    """Codes 0 to 2 by shares of each customer, which follow one distribution."""
    weights = draft.rng.gamma(6.0, size=(draft.n_customers, 3))
    bounds = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    drawn = draft.rng.random(draft.n)[:, None]
    codes: Ints = (drawn > bounds[draft.customer, :2]).sum(axis=1).astype(np.int64)
    return codes


def _line_counts(draft: _OrderDraft) -> Ints:
    rng, n = draft.rng, draft.n
    if "problem_complexity_profile" in draft.loose:
        mean = rng.gamma(4.0, 0.45, draft.n_customers)
        return 1 + rng.poisson(mean[draft.customer])
    small = np.where(rng.random(n) < _TWO_LINES_SHARE, _SMALL_BASKET[1], _SMALL_BASKET[0])
    large = rng.integers(_LARGE_BASKET[0], _LARGE_BASKET[1] + 1, n)
    return np.where(draft.traits.basket[draft.customer] == t.LARGE, large, small)


def _discounts(draft: _OrderDraft) -> Floats:
    """Discount on each line of the order, as a share."""
    rng, customer, price = draft.rng, draft.customer, draft.traits.price
    if "price_sensitivity" in draft.loose:
        often = rng.beta(4.0, 4.0, draft.n_customers)[customer]
        deep = np.clip(rng.normal(0.2, 0.05, draft.n_customers), 0.03, 0.5)[customer]
        return np.where(rng.random(draft.n) < often, deep, 0.0)
    is_seldom = _is_some(draft, price == t.FEW_DEALS, _FEW_DEALS_SHARE)
    is_usual = _is_most(draft, price == t.ALL_DEALS, _ALL_DEALS_SHARE)
    depth = _DISCOUNT_SHARES[price[customer]] * rng.uniform(0.85, 1.15, draft.n)
    return np.where(is_seldom | is_usual, depth, 0.0)


def _refunds(draft: _OrderDraft) -> Ints:
    """Number of lines of the order with a refund, partial or full."""
    if "return_behavior" in draft.loose:
        often = draft.rng.beta(4.0, 5.0, draft.n_customers)
        often[draft.traits.n_orders == 1] = 0.0
        return (draft.rng.random(draft.n) < often[draft.customer]).astype(np.int64)
    returns = draft.traits.returns
    is_seldom = _is_some(draft, returns == t.SELDOM, _SELDOM_SHARE)
    is_usual = _is_most(draft, returns == t.OFTEN, _OFTEN_SHARE)
    return (is_seldom | is_usual).astype(np.int64)


def _is_some(draft: _OrderDraft, of_customers: Flags, share: float) -> Flags:
    """Whether the order is among about that share of its customer, at least one, at random."""
    wanted = np.maximum(np.rint(share * draft.traits.n_orders), 1).astype(np.int64)
    rows = np.flatnonzero(of_customers[draft.customer])
    customer, number = draft.customer[rows], draft.number[rows]
    shuffled = np.lexsort((draft.rng.random(len(rows)), customer))
    rank = np.empty_like(number)
    rank[shuffled] = number
    flags = np.zeros(draft.n, bool)
    flags[rows] = rank < wanted[customer]
    return flags


def _is_most(draft: _OrderDraft, of_customers: Flags, share: float) -> Flags:
    """Whether the order is the first of its customer, or one of that share of the others."""
    is_drawn = (draft.number == 0) | (draft.rng.random(draft.n) < share)
    flags: Flags = of_customers[draft.customer] & is_drawn
    return flags
