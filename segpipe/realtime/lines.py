"""The orders and items of a request as order lines, texts that are typed as those of a file are.

An amount that is given for the order alone is shared among its items, to a ten-thousandth, so that
it adds up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import accumulate, count, pairwise

from segpipe.core.assigned import Refused
from segpipe.realtime.customers import Customer, Item, Order, Ticket

_STEP = Decimal("0.0001")  # of an amount in the engine
_ZERO = Decimal(0)
Row = tuple[str | None, ...]  # of sources.request.LINE_COLUMNS


@dataclass(frozen=True)
class _Line:
    """One line with its amounts, before they are texts."""

    item: Item
    amount: Decimal
    discount: Decimal | None
    refund: Decimal | None


def line_rows(key: str, customer: Customer) -> list[Row]:
    """Rows of all lines of the customer, with `key` as the customer's id."""
    ids = _order_ids(customer.orders)
    newest = max(range(len(ids)), key=lambda i: (instant(customer.orders[i].order_date), -i))
    items: dict[str, list[Item]] = {order_id: [] for order_id in ids}
    for item in customer.items:
        items[item.order_id or ids[newest]].append(item)
    rows: list[Row] = []
    for order_id, order in zip(ids, customer.orders, strict=True):
        # If an id is there twice, the first order has the items.
        rows += [
            _row(key, order_id, order, line) for line in _lines(order, items.pop(order_id, []))
        ]
    return rows


def ticket_row(key: str, ticket: Ticket) -> Row:
    """Row of a ticket, in the order of sources.request.TICKET_COLUMNS."""
    is_reopened = None if ticket.reopened is None else str(ticket.reopened).lower()
    return (
        key,
        ticket.created_at,
        ticket.channel,
        ticket.resolved_at,
        _text(ticket.message_count),
        _text(ticket.satisfaction),
        ticket.priority,
        is_reopened,
    )


def unknown_order(customer: Customer) -> Refused | None:
    """The first item whose order the customer does not have."""
    known = {order.order_id for order in customer.orders}
    for index, item in enumerate(customer.items):
        if item.order_id is not None and item.order_id not in known:
            return Refused(f"items.{index}.order_id", "is not the order_id of any order")
    return None


def instant(text: str) -> datetime:
    """The moment; a wall clock is read as UTC, which is close enough to find the newest order."""
    found = datetime.fromisoformat(text.strip())
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _order_ids(orders: Sequence[Order]) -> list[str]:
    """The id of each order; one without gets an id of its own."""
    taken = {order.order_id for order in orders}
    made = (f"#{number:06}" for number in count(1))
    free = (order_id for order_id in made if order_id not in taken)
    return [order.order_id if order.order_id is not None else next(free) for order in orders]


def _lines(order: Order, items: Sequence[Item]) -> Iterator[_Line]:
    """The order's lines: its items, or the order itself if it has none that were bought."""
    is_return = order.total_price < 0
    shared = [item for item in items if is_return or not is_returned(item)]
    yield from (
        _Line(item, _own_amount(item), item.discount_amount, item.refund_amount)
        for item in items
        if not is_return and is_returned(item)
    )
    if not items or (not shared and order.total_price > 0):
        shared = [Item(quantity=_ZERO)]  # no product, and so no price of one unit
    if not shared:
        return
    amounts = _shared(order.total_price, [item.total_price for item in shared], _worth(shared))
    discounts = _shared(order.discount_amount, [item.discount_amount for item in shared], amounts)
    refunds = _shared(order.refund_amount, [item.refund_amount for item in shared], amounts)
    for item, amount, discount, refund in zip(shared, amounts, discounts, refunds, strict=True):
        yield _Line(item, amount or _ZERO, discount, refund)


def is_returned(item: Item) -> bool:
    """Whether the item was sent back."""
    return item.quantity < 0 or (item.total_price is not None and item.total_price < 0)


def _own_amount(item: Item) -> Decimal:
    if item.total_price is not None:
        return item.total_price
    return item.quantity * (item.price or _ZERO)


def _worth(items: Sequence[Item]) -> list[Decimal | None]:
    """The weight of each item in its order: its price, or its units if some have no price."""
    has_prices = all(item.price is not None for item in items if item.total_price is None)
    return [
        abs(item.quantity) * (item.price if has_prices and item.price is not None else 1)
        for item in items
    ]


def _shared(
    total: Decimal | None, own: Sequence[Decimal | None], weights: Sequence[Decimal | None]
) -> list[Decimal | None]:
    """Each item's own amount, or its share of what the others leave of the order's amount."""
    open_ones = [index for index, amount in enumerate(own) if amount is None]
    if total is None or not open_ones:
        return list(own)
    left = total - sum((amount for amount in own if amount is not None), _ZERO)
    left = max(left, _ZERO) if total >= 0 else min(left, _ZERO)
    parts = [abs(weights[index] or _ZERO) for index in open_ones]
    if not sum(parts):
        parts = [Decimal(1)] * len(open_ones)
    whole = sum(parts)
    cuts = [_cut(left * reach / whole) for reach in accumulate(parts, initial=_ZERO)]
    shares = list(own)
    for index, (start, end) in zip(open_ones, pairwise(cuts), strict=True):
        shares[index] = end - start
    return shares


def _cut(amount: Decimal) -> Decimal:
    return amount.quantize(_STEP, ROUND_HALF_EVEN)


def _row(key: str, order_id: str, order: Order, line: _Line) -> Row:
    item = line.item
    return (
        key,
        order_id,
        item.order_date or order.order_date,
        _text(line.amount),
        _text(item.quantity),
        _text(line.discount),
        _text(line.refund),
        item.product_id or item.product_title,
        item.category,
        order.source,
        _text(item.price),
    )


def _text(number: Decimal | int | None) -> str | None:
    return None if number is None else f"{(Decimal(number) + 0).normalize():f}"
