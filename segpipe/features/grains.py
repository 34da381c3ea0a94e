"""The shared grains: order line → order → customer, order sequence, customer × product, category.

Takes the order_lines table as an Ibis expression; gives one expression per grain, for any engine.
Sums are over decimals and integers only, so that the order of rows and threads changes no bit.
Grouping and joining below the order is most of the work, so numbers replace the customers' ids.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis.expr.operations import Cast

UNITS = 10_000  # an amount in ten-thousandths: integers, whose sums are exact
LOG_UNITS = 1_000_000  # a logarithm in millionths, for the same reason
_SHIFT = 2**31  # above any number of lines


def up_to(lines: ir.Table, as_of: date) -> ir.Table:
    """Lines dated on or before `as_of` by the shop's wall clock."""
    return lines.filter(lines.ordered_local < ibis.timestamp(as_of) + ibis.interval(days=1))


def orders(lines: ir.Table) -> ir.Table:
    """One row per customer and order id; an order with n_lines 0 has only return lines."""
    # Conditions are in the values: an aggregate with its own filter costs twice as much.
    bought = ~lines.is_return
    bought_at = _if(bought, lines.ordered_at)
    return lines.group_by("customer_id", "order_id").aggregate(
        ordered_at=bought_at.min(),
        ordered_local=_if(bought, lines.ordered_local).argmin(bought_at),
        amount_units=total(_units(lines.line_amount)),
        discount_units=total(_units(lines.discount_amount)),
        refund_units=total(_units(lines.refund_amount)),
        n_lines=total(bought),
        n_refunded_lines=total(lines.is_return | (lines.refund_amount > 0)),
        n_full_price_lines=total(bought & (lines.discount_amount == 0)),
        channel=_if(bought, lines.channel).min(),
    )


def customers(orders: ir.Table, *, is_numbered: bool) -> ir.Table:
    """Totals over the orders and returns of each customer, and `customer`, a number in id order.

    The number replaces the id in the grains below, which then cost a fraction. For few customers,
    numbering would cost most, so `customer` is the id itself.
    """
    bought = orders.n_lines > 0
    discounted = bought & (orders.discount_units > 0)
    gross = amount_of(orders.amount_units + orders.discount_units)
    share = ratio(amount_of(orders.discount_units), gross)
    value = _if(bought, orders.amount_units - orders.refund_units)
    totals = orders.group_by("customer_id").aggregate(
        n_orders=total(bought),
        n_lines=total(orders.n_lines),
        amount_units=total(orders.amount_units),
        discount_units=total(orders.discount_units),
        refund_units=total(orders.refund_units),
        value_units=total(value),  # without returns under an order id of their own
        largest_value_units=value.max(),
        n_discounted_orders=total(discounted),
        n_refunded_lines=total(orders.n_refunded_lines),
        n_refunded_orders=total(orders.n_refunded_lines > 0),
        n_full_price_lines=total(orders.n_full_price_lines),
        discount_share_units=total(_if(discounted, (share * LOG_UNITS).round().cast("int64"))),
        first_local=_if(bought, orders.ordered_local).min(),
    )
    own = totals.customer_id
    return totals.mutate(customer=_number(own) if is_numbered else own)


def order_sequence(orders: ir.Table, customers: ir.Table, as_of: date) -> ir.Table:
    """Each order with its number (from 1), the gap before it and further properties."""
    own = customers.select("customer_id", "customer", "n_orders", "value_units", "first_local")
    bought = orders.filter(orders.n_lines > 0).join(own, "customer_id")
    steps = ibis.window(group_by="customer", order_by=["ordered_at", "order_id"])
    epoch = bought.ordered_at.epoch_seconds()
    local = bought.ordered_local.epoch_seconds()
    middle = (bought.first_local.epoch_seconds() + ibis.timestamp(as_of).epoch_seconds()) / 2
    value = bought.amount_units - bought.refund_units
    days_ago = ibis.date(as_of).delta(bought.ordered_local.date(), unit="day").cast("int32")
    return bought.select(
        "customer",
        "customer_id",
        "order_id",
        "ordered_at",
        "ordered_local",
        "channel",
        order_value_units=value,
        order_number=(ibis.row_number().over(steps) + 1).cast("int32"),
        gap_minutes=((epoch - epoch.lag().over(steps)) / 60).round().cast("int64"),
        is_channel_switch=bought.channel != bought.channel.lag().over(steps),
        days_ago=days_ago,
        is_new_day=(days_ago != days_ago.lag().over(steps)).fill_null(True),
        late_halves=(local - middle).sign().cast("int32") + 1,  # 0, 1 exactly in the middle, 2
        is_splurge=(value > 0) & (value * bought.n_orders > 2 * bought.value_units),
    )


def customer_days(sequence: ir.Table) -> ir.Table:
    """One row per customer and day with an order; see schema.CUSTOMER_DAYS."""
    days = sequence.group_by("customer", "days_ago").aggregate(
        value_units=total(sequence.order_value_units)
    )
    return days.order_by("customer", "days_ago")


def numbered(lines: ir.Table, column: str) -> ir.Table:
    """The distinct values of a column of `lines`, with `number` in their order."""
    known = lines.filter(lines[column].notnull()).select(column).distinct()
    return known.mutate(number=_number(known[column]))


def keyed_lines(
    lines: ir.Table,
    sequence: ir.Table,
    products: ir.Table | None,
    categories: ir.Table,
    shop_price: float,
) -> ir.Table:
    """Lines with the numbers of their customer, order, product and category.

    Without `products`, and with `categories` that have prices only, ids replace the numbers.
    `price_units` is the logarithm of the unit price over the category's usual price, in millionths;
    missing where the line has no price. A return line has no product, category and price.
    """
    numbers = sequence.select("customer_id", "order_id", "customer", "order_number")
    # Returns stay: the engine expects a filter to leave few lines, and would then hash the lines
    # instead of the orders, which are a third as many.
    joined = lines.join(numbers, ["customer_id", "order_id"])
    product, category = "product_id", "category"
    if products is not None:
        product, category = "product_number", "category_number"
        joined = joined.left_join(products.rename({product: "number"}), "product_id")
        categories = categories.rename({category: "number"})
    joined = joined.left_join(categories, "category")
    usual = joined.usual_price.fill_null(shop_price)
    price = positive(joined.unit_price)
    is_return = joined.is_return
    return joined.select(
        "customer",
        "order_number",
        product=ibis.ifelse(is_return, None, joined[product]),
        category=ibis.ifelse(is_return, None, joined[category]),
        quantity_units=_units(joined.quantity),
        price_units=ibis.ifelse(
            is_return, None, ((price / usual).ln() * LOG_UNITS).round().cast("int64")
        ),
    )


def products_of_orders(keyed: ir.Table) -> ir.Table:
    """Customer × product: lines, orders, quantity, lines in the first order with the product.

    `n_opening_lines` are those in the customer's first order.
    """
    known = keyed.filter(keyed["product"].notnull())
    per_order = known.group_by("customer", "product", "order_number").aggregate(
        n_lines=known.count(), quantity_units=total(known.quantity_units)
    )
    # The minimum of number and lines in one integer is much cheaper than an arg_min.
    first = (per_order.order_number.cast("int64") * _SHIFT + per_order.n_lines).min()
    pairs = per_order.group_by("customer", "product").aggregate(
        n_lines=total(per_order.n_lines),
        n_orders=per_order.count(),
        quantity_units=total(per_order.quantity_units),
        first=first,
    )
    n_first = pairs["first"] % _SHIFT
    is_opening = pairs["first"] < 2 * _SHIFT
    return pairs.mutate(
        n_first_lines=n_first, n_opening_lines=ibis.ifelse(is_opening, n_first, 0)
    ).drop("first")


def categories_of_orders(keyed: ir.Table) -> ir.Table:
    """Customer × category: lines and orders."""
    known = keyed.filter(keyed.category.notnull())
    per_order = known.group_by("customer", "category", "order_number").aggregate(
        n_lines=known.count()
    )
    return per_order.group_by("customer", "category").aggregate(
        n_lines=total(per_order.n_lines), n_orders=per_order.count()
    )


def channels_of_orders(sequence: ir.Table) -> ir.Table:
    """Customer × channel: orders."""
    known = sequence.filter(sequence.channel.notnull())
    return known.group_by("customer", "channel").aggregate(n_orders=known.count())


def category_prices(lines: ir.Table) -> ir.Table:
    """Median unit price of each category; NULL is a category of its own."""
    priced = lines.filter(~lines.is_return & (lines.unit_price > 0))
    return priced.group_by("category").aggregate(median_price=priced.unit_price.median())


def ratio(numerator: Any, denominator: Any) -> ir.FloatingValue:
    """Numerator / denominator as a double; missing where the denominator is not above zero."""
    quotient: ir.FloatingValue = numerator.cast("float64") / positive(denominator).cast("float64")
    return quotient


def positive(value: Any) -> Any:
    """The value where it is above zero, else missing."""
    return _if(value > 0, value)


def as_word(name: Any) -> ir.StringValue:
    """A channel's name for comparison: without case, blanks as underscores."""
    word: ir.StringValue = name.strip().lower().replace(" ", "_")
    return word


def _units(amount: Any) -> Any:
    return (amount * UNITS).cast("int64")


def _if(condition: Any, value: Any) -> Any:
    """The value where the condition holds, else missing."""
    return ibis.ifelse(condition, value, None)


def total(units: Any) -> Any:
    """Sum as a 64-bit integer, as Ibis expects; the engine's sum is twice as wide."""
    return Cast(units.sum(), "int64").to_expr()


def amount_of(units: Any) -> Any:
    """The amount, as a double, of ten-thousandths."""
    return units.cast("float64") / UNITS


def _number(column: Any) -> Any:
    """Rank of each row by `column`, from 0."""
    return ibis.row_number().over(ibis.window(order_by=column)).cast("int32")
