"""The catalogue of customer measures: the columns of customer_features and what each means.

`features` computes them under these names, axes refer to them, and docs/axes.md lists them.
"""

from __future__ import annotations

from segpipe.axes.phrases import PHRASES
from segpipe.axes.record import Measure

_CATALOGUE = (
    ("n_orders", "orders", "count", "orders with at least one purchase line"),
    ("n_occasions", "days with an order", "count", "days, by the shop's clock, with an order"),
    (
        "n_recent_occasions",
        "days with an order in the last 90",
        "count",
        "of n_occasions, those within the 90 days that end on as_of",
    ),
    ("n_lines", "lines", "count", "purchase lines"),
    (
        "lifetime_value",
        "lifetime value",
        "amount",
        "amounts charged less everything refunded, returns included",
    ),
    ("avg_order_value", "mean order value", "amount", "lifetime_value / n_orders"),
    ("largest_order_value", "largest order", "amount", "largest order net of its own refunds"),
    (
        "orders_per_month",
        "orders per month",
        "ratio",
        "n_orders / months of tenure, at least one; a month is 30.4375 days",
    ),
    (
        "mean_gap_days",
        "days between orders",
        "days",
        "days from first to last order / (n_orders - 1); missing for one order",
    ),
    (
        "gap_regularity",
        "regularity of orders",
        "share",
        "1 / (1 + cv) of the gaps, cv = sample deviation / mean; missing below two gaps",
    ),
    (
        "recent_order_share",
        "orders in the last 90 days",
        "share",
        "orders within the 90 days up to as_of / n_orders",
    ),
    ("n_categories", "categories", "count", "distinct categories bought"),
    (
        "category_entropy",
        "evenness over categories",
        "share",
        "-sum(p ln p) / ln(n_categories), p = share of lines; 0 for one category",
    ),
    (
        "top_category_share",
        "share of the main category",
        "share",
        "largest category's lines / lines with a category",
    ),
    ("n_products", "products", "count", "distinct products bought"),
    ("products_per_line", "new products per line", "ratio", "n_products / lines with a product"),
    ("n_discounted_orders", "discounted orders", "count", "orders with a discount above 0"),
    ("discounted_order_share", "discounted orders", "share", "n_discounted_orders / n_orders"),
    (
        "mean_discount_share",
        "discount on discounted orders",
        "share",
        "mean over discounted orders of discount / gross; gross = amount + discount",
    ),
    ("discount_amount_share", "discount of all spending", "share", "discount / gross, all orders"),
    ("weekend_order_share", "weekend orders", "share", "orders on Saturday or Sunday / n_orders"),
    (
        "business_hours_order_share",
        "orders in working hours",
        "share",
        "orders Monday to Friday from 9:00 to before 17:00 / n_orders",
    ),
    (
        "evening_order_share",
        "evening orders",
        "share",
        "orders from 18:00 to before 23:00 / n_orders",
    ),
    (
        "month_concentration",
        "concentration on few months",
        "share",
        "sum over calendar months of (orders in the month / n_orders) squared",
    ),
    ("nov_dec_order_share", "November and December orders", "share", "of n_orders"),
    ("tenure_days", "days since the first order", "days", "as_of - date of the first order"),
    ("active_days", "days from first to last order", "days", "last order - first order"),
    ("recency_days", "days since the last order", "days", "as_of - date of the last order"),
    (
        "repeat_product_share",
        "products bought again",
        "share",
        "products bought in two or more orders / n_products",
    ),
    (
        "repeat_line_share",
        "lines that repeat",
        "share",
        (
            "lines of a product bought in an earlier order / lines with a product after the first"
            " order; missing for one order"
        ),
    ),
    (
        "orders_per_product",
        "orders per product",
        "ratio",
        "mean over products of the number of orders with it",
    ),
    ("n_refunded_lines", "refunded lines", "count", "lines with a refund, and return lines"),
    ("refund_amount_share", "refunds of spending", "share", "refunds / gross"),
    (
        "refunded_order_share",
        "refunded orders",
        "share",
        "orders and returns with a refund / n_orders, at most 1",
    ),
    ("refunded_line_share", "refunded lines", "share", "n_refunded_lines / n_lines, at most 1"),
    (
        "channel_1_share",
        "orders in the shop's biggest channel",
        "share",
        "of orders with a channel",
    ),
    ("channel_2_share", "orders in its second channel", "share", "of orders with a channel"),
    ("channel_3_share", "orders in its third channel", "share", "of orders with a channel"),
    ("n_channels", "channels", "count", "distinct channels ordered through"),
    (
        "channel_switch_share",
        "channel switches",
        "share",
        "orders through another channel than the order before / orders after the first",
    ),
    ("web_order_share", "web orders", "share", "orders through a channel known as web or app"),
    ("store_order_share", "store orders", "share", "orders through a channel known as a store"),
    ("assisted_order_share", "assisted orders", "share", "orders through phone, chat, agent …"),
    (
        "products_per_order",
        "products per order",
        "ratio",
        "mean over orders of the distinct products in an order",
    ),
    (
        "categories_per_order",
        "categories per order",
        "ratio",
        "mean over orders of the distinct categories in an order",
    ),
    (
        "order_rate_log_ratio",
        "order rate, later half to earlier half",
        "log ratio",
        (
            "ln((orders in the later half of tenure + 0.5) / (in the earlier half + 0.5)); the"
            " first order is in neither half; one exactly in the middle counts half in each"
        ),
    ),
    (
        "gap_trend",
        "trend of the gaps",
        "change",
        "least-squares slope of gap over its number / mean gap; missing below two gaps",
    ),
    (
        "order_value_trend",
        "trend of order value",
        "change",
        "least-squares slope of order value over its number / mean order value",
    ),
    (
        "recency_over_gap",
        "days since the last order over the usual gap",
        "ratio",
        "recency_days / mean_gap_days",
    ),
    (
        "recency_over_expected_gap",
        "days since the last order over the expected gap",
        "ratio",
        (
            "recency_days / expected gap, at least a day: (gaps × own mean gap + 2 × median of all"
            " customers' mean gaps) / (gaps + 2)"
        ),
    ),
    (
        "product_concentration",
        "concentration on few products",
        "share",
        "Herfindahl index of products by quantity",
    ),
    ("n_deep_categories", "categories known well", "count", "categories with three or more lines"),
    (
        "price_position",
        "price against the shop's median",
        "log ratio",
        "mean over lines of ln(unit price / median unit price of the category, or of the shop)",
    ),
    (
        "price_spread",
        "spread of prices paid",
        "log ratio",
        "sample deviation over lines of the same logarithm; missing for one line",
    ),
    (
        "splurge_order_share",
        "orders over twice their usual",
        "share",
        "orders above 0 and above twice the mean value of the customer's orders / n_orders",
    ),
    ("full_price_line_share", "lines without a discount", "share", "of n_lines"),
    ("n_tickets", "support tickets", "count", "tickets created up to as_of"),
    ("tickets_per_order", "tickets per order", "ratio", "n_tickets / n_orders"),
    ("messages_per_ticket", "messages per ticket", "ratio", "mean over tickets with a count"),
    ("hours_to_resolve", "hours to resolve", "hours", "mean over tickets resolved up to as_of"),
    ("reopened_share", "reopened tickets", "share", "of tickets where it is known"),
    ("satisfaction_mean", "satisfaction", "1 to 5", "mean over rated tickets"),
    ("ticket_email_share", "tickets by e-mail", "share", "of tickets with a channel"),
    ("ticket_chat_share", "tickets by chat", "share", "of tickets with a channel"),
    ("ticket_phone_share", "tickets by phone", "share", "of tickets with a channel"),
    ("ticket_self_service_share", "self-service", "share", "of tickets with a channel"),
)

_FORMATS = {  # unit → format of its figures
    "count": "count",
    "days": "duration",
    "hours": "duration",
    "share": "percent",
    "change": "signed_percent",
    "log ratio": "times",
    "amount": "amount",
    "1 to 5": "score",
}

# Shares of nothing that can be counted: evenness and concentration on a scale from 0 to 1.
_INDEXES = ("gap_regularity", "category_entropy", "month_concentration", "product_concentration")


def _format_of(name: str, unit: str) -> str:
    return "index" if name in _INDEXES else _FORMATS.get(unit, "number")


MEASURES: dict[str, Measure] = {
    name: Measure(name, label, unit, definition, PHRASES[name], _format_of(name, unit))
    for name, label, unit, definition in _CATALOGUE
}


def unknown_measure(name: str) -> Measure:
    """A measure that this version does not know, described by its name alone."""
    label = name.replace("_", " ")
    return Measure(name, label, "ratio", "", f"has a figure of {{}} for {label}")
