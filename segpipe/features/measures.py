"""Customer measures: each function takes grains and gives one row per customer.

The names of the columns are those of `axes.measures.MEASURES`, which defines each one. NULL means
missing: a ratio without a denominator, a deviation of one number, a slope of one point.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import reduce
from operator import add
from typing import Any

import ibis
import ibis.expr.types as ir

from segpipe.features.grains import LOG_UNITS, UNITS, amount_of, as_word, positive, ratio
from segpipe.features.months import best_month_measures, month_sums, with_months

MONTH_DAYS = 30.4375  # mean length of a month
RATE_SMOOTHING = 0.5  # orders added to each half of the tenure
RECENT_DAYS = 90
DEEP_CATEGORY_LINES = 3
GAP_WEIGHT = 2.0  # of the population's median in a customer's expected gap, in gaps


def value_measures(customers: ir.Table) -> ir.Table:
    """What the customer paid, saved and returned, over all orders and returns."""
    kept = customers.filter(customers.n_orders > 0)
    net = amount_of(kept.amount_units - kept.refund_units)
    gross = amount_of(kept.amount_units + kept.discount_units)
    return kept.select(
        "customer",
        "customer_id",
        "n_orders",
        "n_lines",
        "n_discounted_orders",
        "n_refunded_lines",
        n_refunded_orders=ibis.least(kept.n_refunded_orders, kept.n_orders),
        largest_order_value=kept.largest_value_units / UNITS,
        lifetime_value=net,
        avg_order_value=net / kept.n_orders,
        discounted_order_share=ratio(kept.n_discounted_orders, kept.n_orders),
        mean_discount_share=ratio(kept.discount_share_units, kept.n_discounted_orders) / LOG_UNITS,
        discount_amount_share=ratio(amount_of(kept.discount_units), gross),
        refund_amount_share=ratio(amount_of(kept.refund_units), gross),
        refunded_order_share=_at_most_one(ratio(kept.n_refunded_orders, kept.n_orders)),
        refunded_line_share=_at_most_one(ratio(kept.n_refunded_lines, kept.n_lines)),
        full_price_line_share=ratio(kept.n_full_price_lines, kept.n_lines),
    )


def time_measures(sequence: ir.Table, as_of: date | ir.DateValue, *, has_channel: bool) -> ir.Table:
    """When the customer ordered, and what changed from one order to the next.

    An occasion is a day with an order, and has the hour of its first one.
    """
    local = sequence.ordered_local
    weekday = local.day_of_week.index()  # Monday is 0 in Ibis, for every engine
    hour = local.hour()
    number = sequence.order_number
    is_new = sequence.is_new_day
    is_weekend = weekday >= 5
    is_business_hours = (weekday < 5) & (hour >= 9) & (hour < 17)
    is_evening = (hour >= 18) & (hour < 23)
    sums = sequence.group_by("customer").aggregate(
        n=sequence.count(),
        first_epoch=sequence.ordered_at.epoch_seconds().min(),
        last_epoch=sequence.ordered_at.epoch_seconds().max(),
        tenure_days=sequence.days_ago.max(),
        recency_days=sequence.days_ago.min(),
        gap=sequence.gap_minutes.sum().cast("float64"),
        gap_squared=(sequence.gap_minutes * sequence.gap_minutes).sum().cast("float64"),
        gap_by_number=(sequence.gap_minutes * (number - 1)).sum().cast("float64"),
        value=sequence.order_value_units.sum().cast("float64"),
        value_by_number=(sequence.order_value_units * number).sum().cast("float64"),
        late_halves=ibis.ifelse(number > 1, sequence.late_halves, 0).sum(),
        n_splurge_orders=sequence.is_splurge.sum(),
        n_recent=(sequence.days_ago < RECENT_DAYS).sum(),
        n_occasions=is_new.sum(),
        n_recent_occasions=(is_new & (sequence.days_ago < RECENT_DAYS)).sum(),
        late_occasion_halves=ibis.ifelse(is_new & (number > 1), sequence.late_halves, 0).sum(),
        n_weekend=is_weekend.sum(),
        n_weekend_occasions=(is_new & is_weekend).sum(),
        n_business_hours=is_business_hours.sum(),
        n_business_hours_occasions=(is_new & is_business_hours).sum(),
        n_evening=is_evening.sum(),
        n_evening_occasions=(is_new & is_evening).sum(),
        n_channel_switches=sequence.is_channel_switch.sum(),
        n_channel_steps=sequence.is_channel_switch.count(),
        n_nov_dec=(local.month() >= 11).sum(),
        month_squares=_squares((local.month() == month).sum() for month in range(1, 13)),
        **month_sums(local.month(), is_new, sequence.days_ago, ibis.date(as_of)),
    )
    return _from_sums(with_months(sums), has_channel=has_channel)


def _from_sums(sums: ir.Table, *, has_channel: bool) -> ir.Table:
    n_gaps = sums.n - 1
    span_days = (sums.last_epoch - sums.first_epoch) / 86_400
    mean_gap_days = ratio(span_days, n_gaps)
    variance = ratio(sums.gap_squared - sums.gap * ratio(sums.gap, n_gaps), n_gaps - 1)
    deviation_days = variance.clip(lower=0.0).sqrt() / 1440
    n_late = sums.late_halves / 2  # the first order, where tenure begins, is in neither half
    n_later_occasions = sums.late_occasion_halves / 2
    early, late = n_gaps - n_late + RATE_SMOOTHING, n_late + RATE_SMOOTHING
    switches = ratio(sums.n_channel_switches, sums.n_channel_steps)
    of_channels = {"channel_switch_share": switches} if has_channel else {}
    months = (sums.tenure_days / MONTH_DAYS).clip(lower=1.0)
    return sums.select(
        "customer",
        "tenure_days",
        "recency_days",
        "n_occasions",
        "n_recent_occasions",
        "n_weekend_occasions",
        "n_business_hours_occasions",
        "n_evening_occasions",
        "n_nov_dec_occasions",
        "nov_dec_day_share",
        "n_calendar_months",
        "n_splurge_orders",
        n_timed_orders="n",
        n_earlier_occasions=sums.n_occasions - 1 - n_later_occasions,
        n_later_occasions=n_later_occasions,
        active_days=span_days,
        orders_per_month=ratio(sums.n, months),
        mean_gap_days=mean_gap_days,
        gap_regularity=1 / (1 + ratio(deviation_days, mean_gap_days)),
        recent_order_share=ratio(sums.n_recent, sums.n),
        weekend_order_share=ratio(sums.n_weekend, sums.n),
        business_hours_order_share=ratio(sums.n_business_hours, sums.n),
        evening_order_share=ratio(sums.n_evening, sums.n),
        nov_dec_order_share=ratio(sums.n_nov_dec, sums.n),
        month_concentration=ratio(sums.month_squares, sums.n * sums.n),
        order_rate_log_ratio=(late / early).ln(),
        gap_trend=_slope(sums.gap_by_number, sums.gap, n_gaps) / positive(ratio(sums.gap, n_gaps)),
        order_value_trend=_slope(sums.value_by_number, sums.value, sums.n)
        / positive(ratio(sums.value, sums.n)),
        recency_over_gap=ratio(sums.recency_days, mean_gap_days),
        splurge_order_share=ratio(sums.n_splurge_orders, sums.n),
        **best_month_measures(sums),
        **of_channels,
    )


def _slope(by_number: Any, total: Any, n: Any) -> Any:
    """Least-squares slope of y over 1..n from Σ i·y and Σ y; missing for fewer than two points."""
    count = n.cast("float64")
    spread = count * (count * count - 1) / 12  # Σ i² - (Σ i)² / n
    return ratio(by_number - total * (count + 1) / 2, spread)


def overdue_measures(times: ir.Table, median_gap_days: float) -> ir.Table:
    """Days since the last order, compared with the expected gap of the customer."""
    n_gaps = times.n_timed_orders - 1
    own_gaps = (times.mean_gap_days * n_gaps).fill_null(0.0)
    expected = (own_gaps + GAP_WEIGHT * median_gap_days) / (n_gaps + GAP_WEIGHT)
    overdue = times.recency_days / expected.clip(lower=1.0)
    return times.select("customer", recency_over_expected_gap=overdue)


def product_measures(products: ir.Table, customers: ir.Table) -> ir.Table:
    """Breadth and repetition over products."""
    units = products.quantity_units
    sums = products.group_by("customer").aggregate(
        n_products=products.count(),
        n_repeated_products=(products.n_orders >= 2).sum(),
        n_product_orders=products.n_orders.sum(),
        n_lines=products.n_lines.sum(),
        n_repeat_lines=(products.n_lines - products.n_first_lines).sum(),
        n_later_lines=(products.n_lines - products.n_opening_lines).sum(),
        quantity=units.sum().cast("float64"),
        quantity_squared=(units.cast("decimal(38, 0)") * units).sum().cast("float64"),
    )
    joined = sums.join(_order_counts(customers), "customer")
    return joined.select(
        "customer",
        "n_products",
        "n_repeated_products",
        "n_repeat_lines",
        "n_later_lines",
        n_extra_products=(joined.n_product_orders - joined.n_customer_orders).clip(lower=0),
        products_per_line=ratio(joined.n_products, joined.n_lines),
        repeat_product_share=ratio(joined.n_repeated_products, joined.n_products),
        repeat_line_share=ratio(joined.n_repeat_lines, joined.n_later_lines),
        orders_per_product=ratio(joined.n_product_orders, joined.n_products),
        products_per_order=ratio(joined.n_product_orders, joined.n_customer_orders),
        product_concentration=ratio(joined.quantity_squared, joined.quantity * joined.quantity),
    )


def category_measures(categories: ir.Table, customers: ir.Table) -> ir.Table:
    """Breadth over categories, counted in lines."""
    lines = categories.n_lines
    log_units = (lines * lines.cast("float64").ln() * LOG_UNITS).round().cast("int64")
    sums = categories.group_by("customer").aggregate(
        n_categories=categories.count(),
        n_category_lines=lines.sum(),
        n_top_category_lines=lines.max(),
        log_sum=log_units.sum().cast("float64") / LOG_UNITS,
        n_deep_categories=(lines >= DEEP_CATEGORY_LINES).sum(),
        n_category_orders=categories.n_orders.sum(),
    )
    joined = sums.join(_order_counts(customers), "customer")
    total = joined.n_category_lines.cast("float64")
    entropy = total.ln() - joined.log_sum / total  # -Σ p ln p of p = lines / total
    widest = joined.n_categories.cast("float64").ln()
    return joined.select(
        "customer",
        "n_categories",
        "n_deep_categories",
        "n_category_lines",
        "n_top_category_lines",
        category_entropy=ibis.ifelse(
            joined.n_categories > 1, (entropy / widest).clip(lower=0.0, upper=1.0), 0.0
        ),
        top_category_share=ratio(joined.n_top_category_lines, joined.n_category_lines),
        categories_per_order=ratio(joined.n_category_orders, joined.n_customer_orders),
    )


def channel_measures(
    channels: ir.Table, biggest: tuple[str, ...], kinds: dict[str, list[str]]
) -> ir.Table:
    """The channels of the customer's orders; `kinds` has the channel names of each kind."""
    word = as_word(channels.channel)
    known = channels.n_orders
    parts: dict[str, Any] = {
        f"channel_{rank}": channels.channel == name for rank, name in enumerate(biggest, start=1)
    }
    parts |= {kind: word.isin(words) for kind, words in kinds.items()}
    sums = channels.group_by("customer").aggregate(
        n_channels=channels.count(),
        n_channel_orders=known.sum(),
        n_top_channel_orders=known.max(),
        **{f"n_{part}_orders": ibis.ifelse(is_in, known, 0).sum() for part, is_in in parts.items()},
    )
    shares = {part: ratio(sums[f"n_{part}_orders"], sums.n_channel_orders) for part in parts}
    ranks, names = list(shares)[: len(biggest)], list(kinds)
    return sums.mutate(
        **{f"{rank}_share": shares[rank] for rank in ranks},
        **{f"{kind}_order_share": shares[kind] for kind in names},
    )


def price_measures(keyed: ir.Table) -> ir.Table:
    """The customer's unit prices, compared with the shop's median of the same category."""
    lines = keyed.filter(keyed.price_units.notnull())
    units = lines.price_units
    sums = lines.group_by("customer").aggregate(
        n_priced_lines=lines.count(),
        total=units.sum().cast("float64"),
        squared=(units.cast("decimal(38, 0)") * units).sum().cast("float64"),
    )
    n = sums.n_priced_lines
    variance = ratio(sums.squared - sums.total * ratio(sums.total, n), n - 1)
    return sums.select(
        "customer",
        "n_priced_lines",
        price_position=ratio(sums.total, n) / LOG_UNITS,
        price_spread=variance.clip(lower=0.0).sqrt() / LOG_UNITS,
    )


def _order_counts(customers: ir.Table) -> ir.Table:
    return customers.select("customer", n_customer_orders="n_orders")


def _squares(values: Iterable[Any]) -> Any:
    """Sum of squares."""
    return reduce(add, (value * value for value in values))


def _at_most_one(value: Any) -> Any:
    return value.clip(upper=1.0)  # LEAST would turn NULL into one
