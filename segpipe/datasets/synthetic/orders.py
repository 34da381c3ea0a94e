"""Orders of made-up customers: when, through which channel, and how each one behaves.

Takes Traits; gives Orders, arrays over all orders of the block, customer by customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from segpipe.core.arrays import Flags, Floats, Ints
from segpipe.datasets.synthetic import traits as t
from segpipe.datasets.synthetic.traits import Draft, Traits

# by life: one-time buyer, fast, medium, slow, stopped, one-time buyer long ago
_SPAN_DAYS = np.array([0.0, 60.0, 140.0, 510.0, 21.0, 0.0])
_TWO_ORDER_SPAN_DAYS = 300.0
_MAX_GAP_DAYS = 160.0  # for recency: with it a slow customer's history fits in two years
_HISTORY_DAYS = 725
# by trajectory: growing, steady, declining, lapsed
_GAP_STEP = np.array([-0.45, 0.0, 0.45, 0.0])  # log gap from one to the next
_LINES_STEP = np.array([0.45, 0.0, -0.45, 0.0])  # lines from one order to the next
_RECENCY_GAPS = np.array([0.8, 1.0, 1.4, 1.0])  # recency in mean gaps
_BEND = 0.9  # of steady gaps, longest in the middle or at the ends: as uneven as gaps with a trend
_MEAN_LINES, _FEWEST_LINES, _MOST_LINES = 3, 2, 4
_HOLIDAY_MARGIN_DAYS = 110  # from the last holiday order to the end: nobody is overdue by less
_LONG_AGO_DAYS = 400.0
_LAST_DAY_SHARE = 0.03  # of one-time buyers, so that the newest order is on the last day
_WEEKEND = 0  # slots 0 to 2 are weekend, daytime and evening
_FIRST_HOUR = np.array([10, 9, 18])
_N_HOURS = np.array([7, 8, 4])
_SLOT_PURITY = 0.97  # of orders in the customer's slot
_CHANNEL_PURITY = 0.99
_DISCOUNT_SHARES = np.array([0.0, 0.05, 0.15, 0.35])  # by price trait
_EPOCH = date(1970, 1, 1)
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
    end_day: int  # since 1970
    holiday_recency_days: int
    first: Ints  # row of the customer's first order

    @property
    def n_orders(self) -> Ints:
        """Number of orders of the customer, one value per order."""
        return self.traits.n_orders[self.customer]


def make_orders(
    rng: np.random.Generator, traits: Traits, until: date, loose: frozenset[str]
) -> Orders:
    """All orders of the customers, those of each customer sorted by time up to a few days."""
    first = np.cumsum(traits.n_orders) - traits.n_orders
    customer = np.arange(len(first)).repeat(traits.n_orders)
    draft = _OrderDraft(
        rng=rng,
        traits=traits,
        loose=loose,
        end_day=(until - _EPOCH).days,
        holiday_recency_days=_days_since_holidays(until),
        first=first,
        customer=customer,
        number=np.arange(len(customer)) - first[customer],
    )
    gap_step, lines_step = _trajectory_steps(draft)
    return Orders(
        customer=customer,
        first=first,
        at=_times(draft, gap_step),
        channel=_channels(draft),
        n_lines=_line_counts(draft, lines_step[customer]),
        discount_share=_discounts(draft),
        n_refunds=_refunds(draft),
        is_splurge=(traits.taste[customer] == t.SPLURGE) & (draft.number == draft.n_orders // 2),
    )


def _trajectory_steps(draft: _OrderDraft) -> tuple[Floats, Floats]:
    if "loyalty_trajectory" in draft.loose:
        n = draft.n_customers
        return 0.2 * draft.rng.standard_normal(n), 0.12 * draft.rng.standard_normal(n)
    return _GAP_STEP[draft.traits.trajectory], _LINES_STEP[draft.traits.trajectory]


def _times(draft: _OrderDraft, gap_step: Floats) -> Ints:
    """Seconds since 1970: a day near the planned one in the slot of the customer's cadence."""
    span, recency = _span_and_recency(draft)
    share = _share_of_span(draft, gap_step)
    start = draft.end_day - recency - span
    day = np.rint(start[draft.customer] + share * span[draft.customer]).astype(np.int64)
    slot = _slots(draft)
    hour = _FIRST_HOUR[slot] + draft.rng.integers(0, _N_HOURS[slot])
    seconds = hour * 3600 + draft.rng.integers(0, 3600, draft.n)
    # the few weeks of a holiday shopper are too short to move orders
    is_holiday = (draft.traits.cadence == t.HOLIDAY)[draft.customer]
    day = np.where(is_holiday, day, _on_slot_day(day, slot, draft.end_day))
    at: Ints = day * _DAY_SECONDS + seconds
    return at


def _share_of_span(draft: _OrderDraft, gap_step: Floats) -> Floats:
    """Position of the order in the customer's span, 0 to 1: gaps grow, shrink or are steady."""
    customer, traits = draft.customer, draft.traits
    centred = draft.number - draft.n_orders / 2  # of the gap before this order, in gaps
    bend = np.where(draft.rng.random(draft.n_customers) < 0.5, _BEND, -_BEND)
    bend[(gap_step != 0) | (traits.life == t.STOPPED)] = 0.0
    shape = gap_step[customer] * centred + bend[customer] * np.abs(centred)
    gap = np.exp(shape + 0.08 * draft.rng.standard_normal(draft.n))
    gap[draft.number == 0] = 0.0
    run = np.cumsum(gap)
    since_first = run - run[draft.first][customer]
    total = since_first[draft.first + traits.n_orders - 1]
    total[traits.n_orders == 1] = 1.0
    share: Floats = since_first / total[customer]
    return share


def _span_and_recency(draft: _OrderDraft) -> tuple[Floats, Floats]:
    """Days from first to last order, and from the last order to the end; one value per customer."""
    rng, traits, n = draft.rng, draft.traits, draft.n_customers
    if "purchase_frequency" in draft.loose:
        span = np.clip(170 * np.exp(0.5 * rng.standard_normal(n)), 30, 480)
    else:
        span = _SPAN_DAYS[traits.life] * rng.uniform(0.92, 1.08, n)
        span[traits.n_orders == 2] = _TWO_ORDER_SPAN_DAYS
    span[traits.n_orders == 1] = 0.0
    if "loyalty_trajectory" in draft.loose:
        gaps = np.exp(0.3 * rng.standard_normal(n))
    else:
        gaps = _RECENCY_GAPS[traits.trajectory] * rng.uniform(0.9, 1.1, n)
    mean_gap = np.minimum(span / np.maximum(traits.n_orders - 1, 1), _MAX_GAP_DAYS)
    recency = np.minimum(gaps * mean_gap, _HISTORY_DAYS - span)
    single = np.clip(20 * np.exp(0.3 * rng.standard_normal(n)), 2, 60)
    single[rng.random(n) < _LAST_DAY_SHARE] = 0.0
    single[traits.life == t.ONE_TIME_LONG_AGO] = _LONG_AGO_DAYS
    recency = np.where(traits.n_orders == 1, single * rng.uniform(0.9, 1.1, n), recency)
    holiday = draft.holiday_recency_days + rng.uniform(0, 3, n)
    return span, np.where(traits.life == t.STOPPED, holiday, recency)


def _days_since_holidays(until: date) -> int:
    """Days from the last 28 December that is well before the end."""
    newest = date(until.year - 1, 12, 28)
    if (until - newest).days < _HOLIDAY_MARGIN_DAYS:
        newest = date(until.year - 2, 12, 28)
    return (until - newest).days


def _slots(draft: _OrderDraft) -> Ints:
    if "purchase_cadence" in draft.loose:
        return _mixed(draft)
    turn = (draft.number + draft.rng.integers(0, 3, draft.n_customers)[draft.customer]) % 3
    cadence = draft.traits.cadence[draft.customer]
    own = np.where((cadence == t.ALL_YEAR) | (cadence == t.HOLIDAY), turn, cadence - t.WEEKEND)
    return _mostly(draft, own, _SLOT_PURITY)


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


def _line_counts(draft: _OrderDraft, lines_step: Floats) -> Ints:
    rng, n = draft.rng, draft.n
    noise = np.where(rng.random(n) < 0.1, rng.choice((-1.0, 1.0), n), 0.0)
    noise[lines_step != 0] = 0.0
    centred = draft.number - (draft.n_orders - 1) / 2
    lines = np.rint(_MEAN_LINES + lines_step * centred + noise)
    lines = np.clip(lines, _FEWEST_LINES, _MOST_LINES).astype(np.int64)
    return np.where(draft.n_orders == 1, 1, lines)


def _discounts(draft: _OrderDraft) -> Floats:
    """Discount on each line of the order, as a share."""
    rng, n_orders, customer = draft.rng, draft.traits.n_orders, draft.customer
    if "price_sensitivity" in draft.loose:
        often = rng.beta(4.0, 4.0, draft.n_customers)[customer]
        deep = np.clip(rng.normal(0.2, 0.05, draft.n_customers), 0.03, 0.5)[customer]
        return np.where(rng.random(draft.n) < often, deep, 0.0)
    some = np.rint(0.45 * n_orders).astype(np.int64)
    wanted = np.stack((np.zeros_like(some), np.ones_like(some), some, n_orders))
    is_wanted = _is_among(draft, wanted[draft.traits.price, np.arange(draft.n_customers)])
    price = draft.traits.price[customer]
    is_lapse = (price == t.ALL_DEALS) & (draft.number > 0) & (rng.random(draft.n) < 0.05)
    depth = _DISCOUNT_SHARES[price] * rng.uniform(0.9, 1.1, draft.n)
    return np.where(is_wanted & ~is_lapse, depth, 0.0)


def _refunds(draft: _OrderDraft) -> Ints:
    """Number of lines of the order with a refund, partial or full."""
    n_orders = draft.traits.n_orders
    if "return_behavior" in draft.loose:
        often = draft.rng.beta(4.0, 5.0, draft.n_customers)
        often[n_orders == 1] = 0.0
        return (draft.rng.random(draft.n) < often[draft.customer]).astype(np.int64)
    half = np.rint(0.57 * n_orders).astype(np.int64)
    wanted = np.stack((np.zeros_like(half), np.ones_like(half), half, n_orders))
    counts = wanted[draft.traits.returns, np.arange(draft.n_customers)]
    return _is_among(draft, counts).astype(np.int64)


def _is_among(draft: _OrderDraft, counts: Ints) -> Flags:
    """Whether the order is among that many of its customer, drawn at random."""
    shuffled = np.lexsort((draft.rng.random(draft.n), draft.customer))
    rank = np.empty_like(draft.number)
    rank[shuffled] = draft.number
    flags: Flags = rank < counts[draft.customer]
    return flags
