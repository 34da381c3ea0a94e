"""Latent classes: what each made-up customer is like, in addition to when they order.

Takes a random generator, Visits' numbers and the axes to leave without structure; gives Traits, one
code per customer and trait. A trait drives one axis, or several that measure the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segpipe.core.arrays import Flags, Ints

# Life is how often somebody orders while they are a customer.
ONE_TIME, FAST, MEDIUM, SLOW = range(4)
GROWING, STEADY, DECLINING, LAPSED = range(4)
NO_FIXED_TIME, WEEKEND, DAYTIME, EVENING, HOLIDAY = range(5)
# Assortment is products and categories together.
SAME_PRODUCTS, SAME_EVERYWHERE, NEW_IN_ONE, NEW_EVERYWHERE = range(4)
SMALL, LARGE = range(2)  # baskets
FULL_PRICE, FEW_DEALS, ALL_DEALS = range(3)
CHEAP, USUAL, EXPENSIVE, SPLURGE = range(4)
WEB, STORE, PHONE, ALL_CHANNELS = range(4)
NEVER, SELDOM, OFTEN = range(3)

_FEWEST_FOR_SHARE = 4  # orders from which a small share is seen: fewer have none of the kind
_FEWEST_FOR_SPLURGE = 6  # with fewer orders, two large ones are not above twice the mean
_SPLURGE_SHARE = 0.2  # of those who pay the usual prices


@dataclass(frozen=True)
class Traits:
    """Codes of shape (n_customers,), guests last; a guest is a one-time buyer without an id."""

    n_customers: int  # without guests
    n_orders: Ints
    cadence: Ints
    assortment: Ints
    basket: Ints
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
    rng: np.random.Generator,
    n_customers: int,
    n_orders: Ints,
    is_holiday: Flags,
    loose: frozenset[str],
) -> Traits:
    """The traits of customers and guests with these numbers of orders."""
    n = len(n_orders)
    is_single = n_orders == 1
    has_few = n_orders < _FEWEST_FOR_SHARE
    price = draw(rng, n, (0.35, 0.35))
    price[has_few & (price == FEW_DEALS)] = FULL_PRICE
    channel = draw(rng, n, (0.35, 0.25, 0.2))
    channel[has_few & (channel == ALL_CHANNELS)] = WEB
    returns = draw(rng, n, (0.5, 0.25))
    returns[is_single | (has_few & (returns == SELDOM))] = NEVER
    cadence = draw(rng, n, (0.25, 0.25, 0.25))
    return Traits(
        n_customers=n_customers,
        n_orders=n_orders,
        cadence=np.where(is_holiday, HOLIDAY, cadence),
        assortment=draw(rng, n, (0.3, 0.25, 0.2)),
        basket=draw(rng, n, (0.78,)),
        price=price,
        taste=_taste(rng, n_orders),
        channel=channel,
        returns=returns,
        tier=np.ones(n, np.int64) if "purchase_value" in loose else draw(rng, n, (0.4, 0.3, 0.25)),
        contact=draw(rng, n, (0.35, 0.2, 0.2)),
        trouble=np.where(is_single, 0, draw(rng, n, (0.56, 0.26))),
    )


def _taste(rng: np.random.Generator, n_orders: Ints) -> Ints:
    taste = draw(rng, len(n_orders), (0.25, 0.5))
    is_splurger = (taste == USUAL) & (rng.random(len(taste)) < _SPLURGE_SHARE)
    taste[is_splurger & (n_orders >= _FEWEST_FOR_SPLURGE)] = SPLURGE
    return taste


def draw(rng: np.random.Generator, n: int, shares: tuple[float, ...]) -> Ints:
    """Codes 0, 1, … with these shares; the rest gets one more code."""
    codes: Ints = np.searchsorted(np.cumsum(shares), rng.random(n), side="right").astype(np.int64)
    return codes
