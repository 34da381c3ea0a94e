"""When made-up customers order: everybody in their own time, in a shop that does not change.

Takes a random generator and the axes to leave without structure; gives Visits. Lives begin at any
date, some before the window, so that each date finds the same mix of new, growing, declining and
lost customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from segpipe.core.arrays import Flags, Floats, Ints
from segpipe.datasets.synthetic.traits import (
    DECLINING,
    GROWING,
    LAPSED,
    MEDIUM,
    ONE_TIME,
    STEADY,
    draw,
)

WINDOW_DAYS = 730
_LIFE_SHARES = (0.09, 0.15, 0.43)
# by life: one-time buyer, fast, medium, slow
_GAP_DAYS = np.array([1.0, 30.0, 50.0, 90.0])
_FEWEST_ORDERS = np.array([1, 20, 10, 8])  # of a whole life, in the window or not
_MOST_ORDERS = np.array([1, 32, 16, 14])
_GAP_SPREAD = 0.12  # of log gap, between customers of one life
_GAP_NOISE = 0.3  # of log gap, from one order to the next
_FEWEST_GAP_DAYS = 10.0  # so that orders stay in order when they move to a day of their slot
_MOST_GAP_DAYS = 600.0  # less than the window, so that everybody has an order in it
_COURSE_SHARES = (0.35, 0.4)  # growing, steady; the rest declines
_QUICK, _SLACK = 0.35, 2.0  # gaps of growing and declining customers, in usual ones
_GROWTH_FROM = (0.2, 0.45)  # share of a life's orders after which it grows; a decline mirrors it
_LAPSED_GAPS = 3.0  # without an order since the last one of a life
_PEAK = 2.5  # orders a day from 4 November to 27 December, in usual ones
_HOLIDAY_SHARE = 0.08  # of the customers of a shop with seasons
_REST_OF_YEAR = 1e-6  # orders a day of a holiday shopper


@dataclass(frozen=True)
class Visits:
    """Days with an order, customer by customer, each customer's by time; guests last."""

    customer: Ints  # (n_orders,), like `day`
    day: Ints  # since 1970
    n_orders: Ints  # (n_customers,), at least 1, like those below
    life: Ints
    trajectory: Ints  # at the end of the window
    days_since_life: Floats  # since the last order of a life that is over, below 0 where it goes on
    gap_days: Floats  # to be expected at the end of the window
    is_holiday: Flags


@dataclass(frozen=True)
class _Lives:
    """What is drawn for each customer, shape (n_customers,)."""

    life: Ints
    course: Ints  # growing, steady or declining, sooner or later
    gap_days: Floats
    n_orders: Ints  # of the whole life
    change: Ints  # number of the first order at the new pace
    before: Floats  # gaps, in usual ones
    after: Floats


def draw_visits(
    rng: np.random.Generator,
    counts: tuple[int, int],
    until: date,
    loose: frozenset[str],
    *,
    has_season: bool,
) -> Visits:
    """The visits of `counts`: so many customers, and so many guests with one order each."""
    n_customers, n = counts[0], sum(counts)
    is_holiday = (np.arange(n) < n_customers) & has_season
    if has_season:
        is_holiday &= rng.random(n) < _HOLIDAY_SHARE
    lives = _draw_lives(rng, n_customers, n, is_holiday, loose)
    customer = np.arange(n).repeat(lives.n_orders)
    first = np.cumsum(lives.n_orders) - lives.n_orders
    number = np.arange(len(customer)) - first[customer]
    since_first = _since_first(rng, lives, customer, number)
    length = since_first[first + lives.n_orders - 1]
    arrival = rng.random(n) * (WINDOW_DAYS + length) - length
    at = since_first + arrival[customer] + 1e-9  # the last order of a life never rounds below 0
    is_seen = (at >= 0) & (at < WINDOW_DAYS)
    days_since_life = WINDOW_DAYS - arrival - length
    start = until - timedelta(days=WINDOW_DAYS - 1)
    seen, days = customer[is_seen], at[is_seen]
    if has_season:
        days = _in_season(days, is_holiday[seen], start)
    return Visits(
        customer=seen,
        day=np.floor(days).astype(np.int64) + (start - date(1970, 1, 1)).days,
        n_orders=np.bincount(seen, minlength=n),
        life=lives.life,
        trajectory=_trajectory(lives, seen, number[is_seen], days_since_life),
        days_since_life=days_since_life,
        gap_days=_last_gap(lives),
        is_holiday=is_holiday,
    )


def _draw_lives(
    rng: np.random.Generator, n_customers: int, n: int, is_holiday: Flags, loose: frozenset[str]
) -> _Lives:
    """Without structure, there are no one-time buyers, who would be a group."""
    life = draw(rng, n, _LIFE_SHARES)
    gap = _GAP_DAYS[life] * np.exp(_GAP_SPREAD * rng.standard_normal(n))
    n_orders = rng.integers(_FEWEST_ORDERS[life], _MOST_ORDERS[life] + 1)
    is_medium = is_holiday
    if "purchase_frequency" in loose:
        is_medium = np.ones(n, bool)
        gap = _GAP_DAYS[MEDIUM] * np.exp(0.4 * rng.standard_normal(n))
    elif is_holiday.any():
        gap[is_holiday] = _GAP_DAYS[MEDIUM]
    usual = rng.integers(_FEWEST_ORDERS[MEDIUM], _MOST_ORDERS[MEDIUM] + 1, n)
    life[is_medium], n_orders[is_medium] = MEDIUM, usual[is_medium]
    life[n_customers:], n_orders[n_customers:] = ONE_TIME, 1  # guests
    course = np.where(life == ONE_TIME, STEADY, draw(rng, n, _COURSE_SHARES))
    share = rng.uniform(*_GROWTH_FROM, n)
    before = np.select([course == GROWING, course == DECLINING], [_SLACK, _QUICK], 1.0)
    after = np.select([course == GROWING, course == DECLINING], [_QUICK, _SLACK], 1.0)
    if "loyalty_trajectory" in loose:
        course[:] = STEADY
        share = rng.random(n)
        after = np.exp(0.3 * rng.standard_normal(n))
        before = 1 / after
    share = np.where(course == DECLINING, 1 - share, share)
    change = 1 + np.floor(share * (n_orders - 1)).astype(np.int64)
    return _Lives(life, course, gap, n_orders, change, before, after)


def _since_first(rng: np.random.Generator, lives: _Lives, customer: Ints, number: Ints) -> Floats:
    """Days from the first order of the customer's life to each of its orders."""
    pace = np.where(number < lives.change[customer], lives.before[customer], lives.after[customer])
    noise = np.exp(_GAP_NOISE * rng.standard_normal(len(customer)))
    gap = np.clip(lives.gap_days[customer] * pace * noise, _FEWEST_GAP_DAYS, _MOST_GAP_DAYS)
    gap[number == 0] = 0.0
    run = np.cumsum(gap)
    since: Floats = run - run[np.flatnonzero(number == 0)][customer]
    return since


def _last_gap(lives: _Lives) -> Floats:
    gap: Floats = np.maximum(lives.gap_days * lives.after, _FEWEST_GAP_DAYS)
    return gap


def _trajectory(lives: _Lives, customer: Ints, number: Ints, days_since_life: Floats) -> Ints:
    """The course where orders of both paces are in the window; lapsed where the life is over."""
    n = len(lives.life)
    is_after = number >= lives.change[customer]
    n_after = np.bincount(customer, is_after, n)
    is_changed = (n_after > 0) & (n_after < np.bincount(customer, minlength=n))
    course = np.where(is_changed, lives.course, STEADY)
    return np.where(days_since_life > _LAPSED_GAPS * _last_gap(lives), LAPSED, course)


def _in_season(days: Floats, is_holiday: Flags, start: date) -> Floats:
    """The same days of the window, moved towards its peaks, in the same order."""
    calendar = [start + timedelta(days=day) for day in range(WINDOW_DAYS)]
    is_peak = np.array([(11, 4) <= (day.month, day.day) <= (12, 27) for day in calendar])
    moved = _moved(days, np.where(is_peak, _PEAK, 1.0))
    return np.where(is_holiday, _moved(days, np.where(is_peak, 1.0, _REST_OF_YEAR)), moved)


def _moved(days: Floats, orders_a_day: Floats) -> Floats:
    """Days of a shop with the same orders every day → those of one with so many on each day."""
    reached = np.concatenate(([0.0], np.cumsum(orders_a_day)))
    bounds = np.arange(WINDOW_DAYS + 1)
    moved: Floats = np.interp(days, reached * (WINDOW_DAYS / reached[-1]), bounds)
    return np.minimum(moved, WINDOW_DAYS - 1e-6)
