"""Order lines of made-up orders: products, prices to the cent, discounts, refunds, returns.

Takes Traits and Orders; gives Lines, arrays over all lines of the block, with return lines last.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from segpipe.core.arrays import Flags, Ints
from segpipe.datasets.synthetic import traits as t
from segpipe.datasets.synthetic.catalogue import (
    N_DEPARTMENTS,
    N_PRODUCTS,
    price_cents,
)
from segpipe.datasets.synthetic.orders import Orders
from segpipe.datasets.synthetic.traits import Draft, Traits

_WINDOW = 59  # range of numbers, and so of prices, of a customer's products in a category
_WINDOW_STEP = 7  # has no divisor in common with _WINDOW, so the first 59 offsets differ
_TASTE_MIDDLE = np.array([30, 120, 210, 120])  # product number, by taste
_NEW_SHARE = 0.04  # of the lines of those who buy the same products again
_AGAIN_SHARE = 0.1  # of the first lines of orders of those who always buy new ones
_LARGEST_ORDER = 8  # lines; new products come after so many
_SPLURGE_QUANTITY = 8  # pieces, where a splurger usually buys one
_REFUND_SHARE = 0.6  # of a refunded line
_RETURN_LINE_SHARE = 0.15  # of the refunds without a discount: returned as a separate line
_RETURN_DELAY_SECONDS = (2 * 86_400, 20 * 86_400)


@dataclass(frozen=True)
class Lines:
    """Arrays of shape (n_lines,); amounts in cents."""

    customer: Ints
    order: Ints
    at: Ints  # seconds since 1970
    channel: Ints
    product: Ints  # index into the catalogue's arrays
    quantity: Ints  # below 0: a return
    price: Ints
    discount: Ints
    sales: Ints  # price * quantity - discount
    refund: Ints


@dataclass(frozen=True)
class _LineDraft(Draft):
    place: Ints  # within the order, from 0
    is_splurge: Flags


def make_lines(
    rng: np.random.Generator, traits: Traits, orders: Orders, end: int, loose: frozenset[str]
) -> Lines:
    """The lines of all orders, and return lines no later than `end` (seconds since 1970)."""
    order = np.arange(len(orders.n_lines)).repeat(orders.n_lines)
    first_of_order = np.cumsum(orders.n_lines) - orders.n_lines
    place = np.arange(len(order)) - first_of_order[order]  # within the order
    customer = orders.customer[order]
    draft = _LineDraft(
        rng=rng,
        traits=traits,
        loose=loose,
        customer=customer,
        number=np.arange(len(order)) - first_of_order[orders.first][customer],
        place=place,
        is_splurge=orders.is_splurge[order],
    )
    product = _products(draft)
    quantity = _quantities(draft)
    price = price_cents()[product]
    discount = np.rint(price * quantity * orders.discount_share[order]).astype(np.int64)
    sales = price * quantity - discount
    is_refunded = place >= (orders.n_lines - orders.n_refunds)[order]
    is_sent_back = is_refunded & (discount == 0) & (rng.random(len(order)) < _RETURN_LINE_SHARE)
    refund = np.where(is_refunded & ~is_sent_back, np.rint(sales * _REFUND_SHARE), 0)
    bought = Lines(
        customer=customer,
        order=order,
        at=orders.at[order],
        channel=orders.channel[order],
        product=product,
        quantity=quantity,
        price=price,
        discount=discount,
        sales=sales,
        refund=refund.astype(np.int64),
    )
    return _with_returns(rng, bought, is_sent_back, end)


def _with_returns(rng: np.random.Generator, bought: Lines, is_sent_back: Flags, end: int) -> Lines:
    back = {f.name: getattr(bought, f.name)[is_sent_back] for f in fields(Lines)}
    delay = rng.integers(*_RETURN_DELAY_SECONDS, len(back["at"]))
    back["at"] = np.maximum(np.minimum(back["at"] + delay, end), back["at"])
    back["quantity"] = -back["quantity"]
    back["sales"] = -back["sales"]
    return Lines(
        **{name: np.concatenate((getattr(bought, name), rows)) for name, rows in back.items()}
    )


def _products(draft: _LineDraft) -> Ints:
    """Product of each line, by the customer's assortment, tier and taste."""
    rng, n, customer, traits = draft.rng, draft.n_customers, draft.customer, draft.traits
    if "category_exploration" in draft.loose:
        department, offset = _loose_choice(draft)
    else:
        department, offset = _choice(draft)
    department = (rng.integers(0, N_DEPARTMENTS, n)[customer] + department) % N_DEPARTMENTS
    if "value_sophistication" in draft.loose:
        middle = np.clip(np.rint(rng.normal(120, 35, n)), 30, 210).astype(np.int64)
    else:
        middle = _TASTE_MIDDLE[traits.taste]
    start = rng.integers(0, _WINDOW, n)
    window = (start[customer] + offset * _WINDOW_STEP) % _WINDOW - _WINDOW // 2
    number = middle[customer] + window
    product: Ints = (traits.tier[customer] * N_DEPARTMENTS + department) * N_PRODUCTS + number
    return product


def _choice(draft: _LineDraft) -> tuple[Ints, Ints]:
    """Department and product offset of each line, both counted from 0.

    Some buy the same again: a product for each place in the order. The others buy new ones, but
    now and then the last product of their previous order.
    """
    line, place = draft.number, draft.place
    assortment = draft.traits.assortment[draft.customer]
    chance = draft.rng.random(draft.n)
    is_same = assortment <= t.SAME_EVERYWHERE
    same = np.where(chance < _NEW_SHARE, _LARGEST_ORDER + line, place)
    is_again = (place == 0) & (line > 0) & (chance < _AGAIN_SHARE)
    offset = np.where(is_same, same, line - is_again)
    cases = [assortment == code for code in range(4)]
    department = np.select(cases, [np.zeros_like(line), place, offset // _WINDOW, offset])
    return department, offset


def _loose_choice(draft: _LineDraft) -> tuple[Ints, Ints]:
    """Without structure: everybody repeats some products in some departments, more or less."""
    rng, n = draft.rng, draft.n_customers
    # many departments: of a few, each number would be a group of its own
    n_departments = np.clip(np.rint(8 * np.exp(0.4 * rng.standard_normal(n))), 3, 16)
    n_known = np.clip(np.rint(16 * np.exp(0.3 * rng.standard_normal(n))), 8, 40)
    offset = (rng.random(draft.n) * n_known[draft.customer]).astype(np.int64)
    return offset % n_departments.astype(np.int64)[draft.customer], offset


def _quantities(draft: _LineDraft) -> Ints:
    rng = draft.rng
    more = (rng.random(draft.n) < 0.1).astype(np.int64)
    if "purchase_value" in draft.loose:
        drawn = np.rint(9 * np.exp(0.7 * rng.standard_normal(draft.n_customers)))
        units: Ints = np.maximum(drawn, 1).astype(np.int64)
        return units[draft.customer]
    return np.where(draft.is_splurge, _SPLURGE_QUANTITY, 1) + more
