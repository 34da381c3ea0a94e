"""The customers of a request as records, from a JSON body that is valid by the schema.

The keys of a body say which inputs it has, as the header of a file does; null is a blank cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Order:
    """One order, or a return if total_price is negative."""

    order_date: str  # ISO, with or without time and offset; the shop's wall clock without
    total_price: Decimal  # charged after discount, before refunds; negative: a return
    order_id: str | None = None  # None: an order of its own
    discount_amount: Decimal | None = None
    refund_amount: Decimal | None = None
    source: str | None = None  # the channel


@dataclass(frozen=True)
class Item:
    """One line of an order, or of a return if its quantity or total is negative."""

    quantity: Decimal
    order_id: str | None = None  # None: of the only order, or of the newest
    order_date: str | None = None  # None: its order's
    product_title: str | None = None  # stands in for a missing product_id
    product_id: str | None = None
    category: str | None = None
    price: Decimal | None = None  # list price of one unit
    total_price: Decimal | None = None  # charged for the line; None: its share of the order's
    discount_amount: Decimal | None = None  # None: its share of the order's
    refund_amount: Decimal | None = None  # None: its share of the order's


@dataclass(frozen=True)
class Ticket:
    """One support ticket, as in the tickets file of a run."""

    created_at: str
    channel: str
    resolved_at: str | None = None
    message_count: int | None = None
    satisfaction: Decimal | None = None  # 1 to 5
    priority: str | None = None
    reopened: bool | None = None


@dataclass(frozen=True)
class Customer:
    """Everything that is known of one customer."""

    customer_id: str
    orders: tuple[Order, ...]
    items: tuple[Item, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    as_of: date | None = None  # None: the run's, or the day after a newer order
    inputs: frozenset[str] = frozenset()  # of schema.INPUTS, those with keys in the body; and items


ITEMS = "items"  # an input: without items, prices of one unit are unknown
_ORDER_INPUTS = {"discount_amount": "discount", "refund_amount": "refund", "source": "channel"}
_ITEM_INPUTS = {
    "product_title": "product",
    "product_id": "product",
    "category": "category",
    "discount_amount": "discount",
    "refund_amount": "refund",
}


def customer_of(document: Mapping[str, Any]) -> Customer:
    """The customer of a body that is valid by the schema, with only the keys that were sent."""
    orders, items = document["orders"], document.get("items") or ()
    tickets = document.get("tickets")
    return Customer(
        customer_id=document["customer_id"],
        orders=tuple(Order(**order) for order in orders),
        items=tuple(Item(**item) for item in items),
        tickets=tuple(Ticket(**ticket) for ticket in tickets or ()),
        as_of=document.get("as_of"),
        inputs=_inputs(orders, items, has_tickets=tickets is not None),
    )


def _inputs(
    orders: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]], *, has_tickets: bool
) -> frozenset[str]:
    found = {"tickets"} if has_tickets else set()
    found.update({ITEMS} if items else ())
    for order in orders:
        found.update(name for key, name in _ORDER_INPUTS.items() if key in order)
        found.update({"refund"} if order["total_price"] < 0 else ())
        found.update({"time_of_day"} if ":" in order["order_date"] else ())
    for item in items:
        found.update(name for key, name in _ITEM_INPUTS.items() if key in item)
        is_returned = item["quantity"] < 0 or (item.get("total_price") or 0) < 0
        found.update({"refund"} if is_returned else ())
    return frozenset(found)
