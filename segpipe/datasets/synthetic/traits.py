"""Latent classes: what each made-up customer is like, before there is an order.

Takes a random generator and the axes to leave without structure; gives Traits, one code per
customer and trait. A trait drives one axis, or several that measure the same thing (see truth).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segpipe.core.arrays import Ints

# Life is the number of orders, their span and recency together.
ONE_TIME, FAST, MEDIUM, SLOW, STOPPED, ONE_TIME_LONG_AGO = range(6)
GROWING, STEADY, DECLINING, LAPSED = range(4)
ALL_YEAR, WEEKEND, DAYTIME, EVENING, HOLIDAY = range(5)
# Assortment is products and categories together.
SAME_PRODUCTS, STAPLES_AND_NEW, NEW_IN_ONE, NEW_EVERYWHERE = range(4)
FULL_PRICE, FEW_DEALS, SOME_DEALS, ALL_DEALS = range(4)
CHEAP, USUAL, EXPENSIVE, SPLURGE = range(4)
WEB, STORE, PHONE, ALL_CHANNELS = range(4)
NEVER, ONCE, HALF, ALWAYS = range(4)

_ORDERS = {  # life → fewest and most orders
    ONE_TIME: (1, 1),
    FAST: (9, 10),
    MEDIUM: (6, 7),
    SLOW: (4, 5),
    STOPPED: (5, 5),
    ONE_TIME_LONG_AGO: (1, 1),
}
_TWO_ORDER_SHARE = 0.06  # of the slow ones: too few orders for the axes that need three


@dataclass(frozen=True)
class Traits:
    """Codes of shape (n_customers,), guests last; a guest is a one-time buyer without an id."""

    n_customers: int  # without guests
    n_orders: Ints
    life: Ints
    trajectory: Ints
    cadence: Ints
    assortment: Ints
    price: Ints
    taste: Ints
    channel: Ints
    returns: Ints
    tier: Ints
    contact: Ints  # ticket channel
    trouble: Ints  # how hard to serve


@dataclass(frozen=True)
class Draft:
    """Orders or lines by customer, before their columns are drawn."""

    rng: np.random.Generator
    traits: Traits
    loose: frozenset[str]  # axes without structure
    customer: Ints
    number: Ints  # of the order or line among those of its customer, from 0

    @property
    def n(self) -> int:
        """Number of orders or lines."""
        return len(self.customer)

    @property
    def n_customers(self) -> int:
        """Number of customers, guests included."""
        return len(self.traits.n_orders)


def draw_traits(
    rng: np.random.Generator, n_customers: int, n_guests: int, loose: frozenset[str]
) -> Traits:
    """The traits of `n_customers`, then of `n_guests`; axes in `loose` get no classes."""
    n = n_customers + n_guests
    life = _life(rng, n, loose)
    life[n_customers:] = ONE_TIME
    n_orders = _order_counts(rng, life, is_loose="purchase_frequency" in loose)
    n_orders[n_customers:] = 1
    is_single = n_orders == 1
    is_stopped = life == STOPPED
    assortment = _draw(rng, n, (0.25, 0.25, 0.2))
    price = _draw(rng, n, (0.2, 0.2, 0.3))
    price[is_single & (price == FEW_DEALS)] = FULL_PRICE
    price[is_single & (price == SOME_DEALS)] = ALL_DEALS
    taste = _taste(rng, price, n_orders)
    if "price_sensitivity" in loose:
        price[:], taste[:] = FULL_PRICE, USUAL
    is_splurger = taste == SPLURGE
    n_orders[is_splurger] |= 1  # odd: a splurge in the middle makes no trend of order values
    assortment[is_splurger & (assortment == SAME_PRODUCTS)] = STAPLES_AND_NEW  # a splurge is new
    channel = _draw(rng, n, (0.35, 0.25, 0.2))
    channel[(n_orders < 3) & (channel == ALL_CHANNELS)] = WEB
    return Traits(
        n_customers=n_customers,
        n_orders=n_orders,
        life=life,
        trajectory=np.where(is_stopped, LAPSED, _draw(rng, n, (0.3, 0.4))),
        cadence=np.where(is_stopped, HOLIDAY, _draw(rng, n, (0.28, 0.26, 0.26))),
        assortment=assortment,
        price=price,
        taste=taste,
        channel=channel,
        returns=np.where(is_single, NEVER, _draw(rng, n, (0.55, 0.17, 0.16))),
        tier=np.ones(n, np.int64) if "purchase_value" in loose else _draw(rng, n, (0.4, 0.3, 0.2)),
        contact=_draw(rng, n, (0.35, 0.2, 0.2)),
        trouble=np.where(is_single, 0, _draw(rng, n, (0.56, 0.26))),
    )


def _life(rng: np.random.Generator, n: int, loose: frozenset[str]) -> Ints:
    """Without structure, there are no one-time buyers or stopped ones, which would be groups."""
    life = _draw(rng, n, (0.06, 0.2, 0.33, 0.21, 0.15))
    if loose & {"purchase_frequency", "purchase_cadence", "loyalty_trajectory"}:
        life[life == STOPPED] = MEDIUM
    if "purchase_frequency" in loose:
        life[:] = MEDIUM
    return life


def _order_counts(rng: np.random.Generator, life: Ints, *, is_loose: bool) -> Ints:
    if is_loose:
        drawn: Ints = np.rint(6 * np.exp(0.25 * rng.standard_normal(len(life)))).astype(np.int64)
        return np.clip(drawn, 3, 12)
    fewest = np.array([_ORDERS[code][0] for code in _ORDERS])
    most = np.array([_ORDERS[code][1] for code in _ORDERS])
    counts: Ints = rng.integers(fewest[life], most[life] + 1)
    counts[(life == SLOW) & (rng.random(len(life)) < _TWO_ORDER_SHARE)] = 2
    return counts


def _taste(rng: np.random.Generator, price: Ints, n_orders: Ints) -> Ints:
    """Depends on the price trait, since the share of full-price lines is in both axes."""
    taste = np.where(rng.random(len(price)) < 0.5, EXPENSIVE, SPLURGE)
    taste[price == ALL_DEALS] = CHEAP
    taste[price == SOME_DEALS] = USUAL
    taste[(taste == SPLURGE) & (n_orders < 4)] = (
        EXPENSIVE  # none of three is above twice their mean
    )
    return taste


def _draw(rng: np.random.Generator, n: int, shares: tuple[float, ...]) -> Ints:
    """Codes 0, 1, … with these shares; the rest gets one more code."""
    codes: Ints = np.searchsorted(np.cumsum(shares), rng.random(n), side="right").astype(np.int64)
    return codes
