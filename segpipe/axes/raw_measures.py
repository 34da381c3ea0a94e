"""Measures that `features` computes in the engine, as rows: name, label, unit, definition.

An occasion is a calendar day, by the shop's clock, with at least one order.
"""

from __future__ import annotations

Row = tuple[str, str, str, str]

RAW: tuple[Row, ...] = (
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
    ("n_category_lines", "lines with a category", "count", "purchase lines with a category"),
    (
        "n_top_category_lines",
        "lines of the main category",
        "count",
        "lines of the category with most",
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
    (
        "n_weekend_occasions",
        "weekend days with an order",
        "count",
        "of n_occasions, those on Saturday or Sunday",
    ),
    (
        "n_business_hours_occasions",
        "days with an order in working hours",
        "count",
        ("of n_occasions, those whose first order came Monday to Friday from 9:00 to before 17:00"),
    ),
    (
        "n_evening_occasions",
        "days with an order in the evening",
        "count",
        "of n_occasions, those whose first order came from 18:00 to before 23:00",
    ),
    (
        "n_nov_dec_occasions",
        "November and December days with an order",
        "count",
        "of n_occasions, those in November or December",
    ),
    (
        "nov_dec_day_share",
        "November and December since the first order",
        "share",
        "days of November and December / days from the first order to as_of, both included",
    ),
    (
        "n_calendar_months",
        "months of the year with an order",
        "count",
        "calendar months, of whatever year, with an occasion; 12 at most",
    ),
    (
        "n_best_months_occasions",
        "days with an order in the best two months",
        "count",
        (
            "occasions in the two neighbouring calendar months that have most, of whatever "
            "year; of equal ones those with the fewest days since the first order"
        ),
    ),
    (
        "best_months_day_share",
        "the best two months since the first order",
        "share",
        "days of those two months / days from the first order to as_of, both included",
    ),
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
        "n_repeated_products",
        "products bought again",
        "count",
        "products bought in two or more orders",
    ),
    (
        "repeat_line_share",
        "lines that repeat",
        "share",
        (
            "lines of a product bought in an earlier order / lines with a product after the "
            "first order; missing for one order"
        ),
    ),
    (
        "n_later_lines",
        "lines after the first order",
        "count",
        "lines with a product after the first order",
    ),
    (
        "n_repeat_lines",
        "lines that repeat",
        "count",
        "of n_later_lines, those of a product bought in an earlier order",
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
    (
        "n_refunded_orders",
        "refunded orders",
        "count",
        "orders and returns with a refund, n_orders at most",
    ),
    ("refunded_line_share", "refunded lines", "share", "n_refunded_lines / n_lines, at most 1"),
    (
        "channel_1_share",
        "orders in the shop's biggest channel",
        "share",
        "of orders with a channel",
    ),
    ("channel_2_share", "orders in the shop's second channel", "share", "of orders with a channel"),
    ("channel_3_share", "orders in the shop's third channel", "share", "of orders with a channel"),
    ("n_channels", "channels", "count", "distinct channels ordered through"),
    ("n_channel_orders", "orders with a channel", "count", "orders whose channel is known"),
    (
        "n_top_channel_orders",
        "orders in the customer's main channel",
        "count",
        "orders through the channel that the customer uses most",
    ),
    ("n_channel_1_orders", "orders in the shop's biggest channel", "count", "of n_channel_orders"),
    ("n_channel_2_orders", "orders in the shop's second channel", "count", "of n_channel_orders"),
    ("n_channel_3_orders", "orders in the shop's third channel", "count", "of n_channel_orders"),
    (
        "channel_switch_share",
        "channel switches",
        "share",
        "orders through another channel than the order before / orders after the first",
    ),
    ("web_order_share", "web orders", "share", "orders through a channel known as web or app"),
    ("store_order_share", "store orders", "share", "orders through a channel known as a store"),
    ("assisted_order_share", "assisted orders", "share", "orders through phone, chat, agent …"),
    ("n_web_orders", "web orders", "count", "orders through a channel known as web or app"),
    ("n_store_orders", "store orders", "count", "orders through a channel known as a store"),
    ("n_assisted_orders", "assisted orders", "count", "orders through phone, chat, agent …"),
    (
        "products_per_order",
        "products per order",
        "ratio",
        "mean over orders of the distinct products in an order",
    ),
    (
        "n_extra_products",
        "products beyond one an order",
        "count",
        "sum over orders of their distinct products, less n_orders; 0 at least",
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
        "n_earlier_occasions",
        "days with an order in the earlier half",
        "count",
        (
            "occasions in the earlier half of tenure, without the first; one exactly in the "
            "middle counts half"
        ),
    ),
    (
        "n_later_occasions",
        "days with an order in the later half",
        "count",
        "occasions in the later half of tenure; one exactly in the middle counts half",
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
            "recency_days / expected gap, at least a day: (gaps × own mean gap + 2 × median of "
            "all customers' mean gaps) / (gaps + 2)"
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
        ("mean over lines of ln(unit price / median unit price of the category, or of the shop)"),
    ),
    ("n_priced_lines", "lines with a price", "count", "purchase lines with a unit price above 0"),
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
    (
        "n_splurge_orders",
        "orders over twice their usual",
        "count",
        "orders above 0 and above twice the mean value of the customer's orders",
    ),
    ("full_price_line_share", "lines without a discount", "share", "of n_lines"),
)
