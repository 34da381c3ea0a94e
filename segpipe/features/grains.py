"""The shared grains: order line → order → order sequence, customer × product, category, channel.

Takes the order_lines table as an Ibis expression; gives one expression a grain. No engine is named
here. Sums run over decimals and integers only, so that no order of rows or threads changes a bit.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir

UNITS = 10_000  # an amount in ten-thousandths: integers, whose sums are exact
LOG_UNITS = 1_000_000  # a logarithm in millionths, for the same reason


def up_to(lines: ir.Table, as_of: date) -> ir.Table:
    """Lines dated on or before `as_of` by the shop's wall clock."""
    return lines.filter(lines.ordered_local < ibis.timestamp(as_of) + ibis.interval(days=1))


def orders(lines: ir.Table) -> ir.Table:
    """One row per customer and order id; an order with n_lines 0 holds return lines only."""
    bought = ~lines.is_return
    rolled = lines.group_by("customer_id", "order_id").aggregate(
        ordered_at=lines.ordered_at.min(where=bought),
        ordered_local=lines.ordered_local.argmin(lines.ordered_at, where=bought),
        amount=lines.line_amount.sum(),
        discount_amount=lines.discount_amount.sum(),
        refund_amount=lines.refund_amount.sum(),
        n_lines=bought.sum(),
        n_refunded_lines=(lines.is_return | (lines.refund_amount > 0)).sum(),
        n_full_price_lines=(bought & (lines.discount_amount == 0)).sum(),
        channel=lines.channel.min(where=bought),
    )
    return rolled.mutate(
        value_units=((rolled.amount - rolled.refund_amount) * UNITS).cast("int64"),
        gross_amount=rolled.amount + rolled.discount_amount,
    )


def order_sequence(orders: ir.Table, as_of: date) -> ir.Table:
    """Each purchase order with its number (from 1), the gap before it and its customer's totals."""
    bought = orders.filter(orders.n_lines > 0)
    own = ibis.window(group_by="customer_id")
    steps = ibis.window(group_by="customer_id", order_by=["ordered_at", "order_id"])
    epoch = bought.ordered_at.epoch_seconds()
    local = bought.ordered_local.epoch_seconds()
    middle = (local.min().over(own) + ibis.timestamp(as_of).epoch_seconds()) / 2
    return bought.mutate(
        order_number=ibis.row_number().over(steps) + 1,
        gap_minutes=((epoch - epoch.lag().over(steps)) / 60).round().cast("int64"),
        is_channel_switch=bought.channel != bought.channel.lag().over(steps),
        late_halves=ibis.cases((local > middle, 2), (local == middle, 1), else_=0),
        is_splurge=(bought.value_units > 0)
        & (bought.value_units * bought.count().over(own) > 2 * bought.value_units.sum().over(own)),
    )


def keyed_lines(lines: ir.Table, orders: ir.Table) -> ir.Table:
    """Purchase lines with the number of their order."""
    bought = lines.filter(~lines.is_return)
    numbers = orders.select("customer_id", "order_id", "order_number")
    joined = bought.join(numbers, ["customer_id", "order_id"])
    return joined.select(
        "customer_id", "order_number", "product_id", "category", "quantity", "unit_price"
    )


def products_of_orders(keyed: ir.Table) -> ir.Table:
    """Customer × product: lines, orders, quantity, lines in the first order that had it.

    `n_opening_lines` are those in the customer's very first order.
    """
    known = keyed.filter(keyed.product_id.notnull())
    per_order = known.group_by("customer_id", "product_id", "order_number").aggregate(
        n_lines=known.count(), quantity=known.quantity.sum()
    )
    return per_order.group_by("customer_id", "product_id").aggregate(
        n_lines=per_order.n_lines.sum(),
        n_orders=per_order.count(),
        quantity=per_order.quantity.sum().cast("float64"),
        n_first_lines=per_order.n_lines.argmin(per_order.order_number),
        n_opening_lines=per_order.n_lines.sum(where=per_order.order_number == 1).fill_null(0),
    )


def categories_of_orders(keyed: ir.Table) -> ir.Table:
    """Customer × category: lines and orders."""
    known = keyed.filter(keyed.category.notnull())
    per_order = known.group_by("customer_id", "category", "order_number").aggregate(
        n_lines=known.count()
    )
    return per_order.group_by("customer_id", "category").aggregate(
        n_lines=per_order.n_lines.sum(), n_orders=per_order.count()
    )


def channels_of_orders(sequence: ir.Table) -> ir.Table:
    """Customer × channel: orders."""
    known = sequence.filter(sequence.channel.notnull())
    return known.group_by("customer_id", "channel").aggregate(n_orders=known.count())


def months_of_orders(sequence: ir.Table) -> ir.Table:
    """Customer × calendar month (1 to 12): orders."""
    months = sequence.mutate(month=sequence.ordered_local.month())
    return months.group_by("customer_id", "month").aggregate(n_orders=months.count())


def category_prices(keyed: ir.Table) -> ir.Table:
    """Category → the median unit price of its lines; where the category is NULL, of those lines."""
    priced = keyed.filter(keyed.unit_price > 0)
    return priced.group_by("category").aggregate(median_price=priced.unit_price.median())


def ratio(numerator: Any, denominator: Any) -> ir.FloatingValue:
    """Numerator / denominator as a double; missing where the denominator is not above zero."""
    below = denominator.cast("float64")
    quotient: ir.FloatingValue = numerator.cast("float64") / ibis.ifelse(below > 0, below, None)
    return quotient
