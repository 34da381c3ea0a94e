"""Measures made of raw ones by the shop's priors, as rows: name, label, unit, definition.

An expected figure lies between the customer's own and the shop's, nearer to the own one the more
occasions, orders or lines there are. Mean, strength, shape and months are those of its prior.
"""

from __future__ import annotations

from segpipe.axes.raw_measures import Row

DERIVED: tuple[Row, ...] = (
    (
        "expected_occasions_per_month",
        "days with an order a month",
        "ratio",
        "(n_occasions - 1 + shape) / (months of tenure + months of the prior)",
    ),
    (
        "own_occasions_per_month",
        "days with an order a month, by their own count",
        "ratio",
        "(n_occasions - 1) / months of tenure; missing on the day of the first order",
    ),
    (
        "expected_gap_days",
        "expected days between orders",
        "days",
        (
            "(gaps × own mean gap + 2 × median of all customers' mean gaps) / (gaps + 2), a day "
            "at least; gaps between occasions"
        ),
    ),
    (
        "recency_in_expected_gaps",
        "days since the last order, in expected gaps",
        "ratio",
        "recency_days / expected_gap_days",
    ),
    (
        "recency_in_own_gaps",
        "days since the last order, in their own gaps",
        "ratio",
        "recency_days / own mean gap between occasions; missing for one occasion",
    ),
    (
        "expected_top_category_share",
        "share of the main category, expected",
        "share",
        "(n_top_category_lines + mean × strength) / (n_category_lines + strength)",
    ),
    (
        "mostly_one_category_chance",
        "chance of buying mostly in one category",
        "chance",
        "P(share of the main category > 1/2), given its lines",
    ),
    (
        "expected_discount_share",
        "discount of spending, expected",
        "share",
        (
            "(n_orders × discount_amount_share + strength × shop's share) / (n_orders + "
            "strength), strength of the prior of discounted orders"
        ),
    ),
    (
        "expected_discounted_order_share",
        "discounted orders, expected",
        "share",
        "(n_discounted_orders + mean × strength) / (n_orders + strength)",
    ),
    (
        "weekend_occasion_share",
        "days with an order at the weekend",
        "share",
        "n_weekend_occasions / n_occasions",
    ),
    (
        "business_hours_occasion_share",
        "days with an order in working hours",
        "share",
        "n_business_hours_occasions / n_occasions",
    ),
    (
        "evening_occasion_share",
        "days with an order in the evening",
        "share",
        "n_evening_occasions / n_occasions",
    ),
    (
        "nov_dec_occasion_share",
        "days with an order in November and December",
        "share",
        "n_nov_dec_occasions / n_occasions",
    ),
    (
        "expected_weekend_share",
        "days with an order at the weekend, expected",
        "share",
        "(n_weekend_occasions + mean × strength) / (n_occasions + strength)",
    ),
    (
        "expected_business_hours_share",
        "days with an order in working hours, expected",
        "share",
        "(n_business_hours_occasions + mean × strength) / (n_occasions + strength)",
    ),
    (
        "expected_evening_share",
        "days with an order in the evening, expected",
        "share",
        "(n_evening_occasions + mean × strength) / (n_occasions + strength)",
    ),
    (
        "expected_nov_dec_share",
        "days with an order in Nov and Dec, expected",
        "share",
        "(n_nov_dec_occasions + mean × strength) / (n_occasions + strength)",
    ),
    (
        "mostly_weekend_chance",
        "chance of buying mostly at the weekend",
        "chance",
        "P(share of occasions at the weekend > 1/2), given n_weekend_occasions of n_occasions",
    ),
    (
        "mostly_business_hours_chance",
        "chance of buying mostly in working hours",
        "chance",
        (
            "P(share of occasions in working hours > 1/2), given n_business_hours_occasions of "
            "n_occasions"
        ),
    ),
    (
        "mostly_evening_chance",
        "chance of buying mostly in the evening",
        "chance",
        "P(share of occasions in the evening > 1/2), given n_evening_occasions of n_occasions",
    ),
    (
        "mostly_nov_dec_chance",
        "chance of buying mostly in November and December",
        "chance",
        (
            "P(share of occasions in November and December > 1/2), given n_nov_dec_occasions of "
            "n_occasions"
        ),
    ),
    (
        "best_months_share",
        "days with an order in the best two months",
        "share",
        "n_best_months_occasions / n_occasions",
    ),
    (
        "best_months_chance",
        "chance of so many orders in two months",
        "chance",
        (
            "12 × P(n_best_months_occasions or more of n_occasions, each with a chance of "
            "best_months_day_share), 1 at most"
        ),
    ),
    (
        "expected_repeat_line_share",
        "lines that repeat, expected",
        "share",
        "(n_repeat_lines + mean × strength) / (n_later_lines + strength)",
    ),
    (
        "expected_refunded_order_share",
        "refunded orders, expected",
        "share",
        "(n_refunded_orders + mean × strength) / (n_orders + strength)",
    ),
    (
        "top_channel_share",
        "orders in the customer's main channel",
        "share",
        "n_top_channel_orders / n_channel_orders",
    ),
    (
        "expected_channel_1_share",
        "orders in the shop's biggest channel, expected",
        "share",
        "(n_channel_1_orders + mean × strength) / (n_channel_orders + strength)",
    ),
    (
        "expected_channel_2_share",
        "orders in the shop's second channel, expected",
        "share",
        "(n_channel_2_orders + mean × strength) / (n_channel_orders + strength)",
    ),
    (
        "expected_channel_3_share",
        "orders in the shop's third channel, expected",
        "share",
        "(n_channel_3_orders + mean × strength) / (n_channel_orders + strength)",
    ),
    (
        "expected_web_order_share",
        "orders on the web, expected",
        "share",
        "(n_web_orders + mean × strength) / (n_channel_orders + strength)",
    ),
    (
        "expected_store_order_share",
        "orders in a store, expected",
        "share",
        "(n_store_orders + mean × strength) / (n_channel_orders + strength)",
    ),
    (
        "expected_assisted_order_share",
        "orders through staff, expected",
        "share",
        "(n_assisted_orders + mean × strength) / (n_channel_orders + strength)",
    ),
    (
        "mostly_web_chance",
        "chance of ordering mostly on the web",
        "chance",
        (
            "P(share of orders on the web > 1/2), given n_web_orders of n_channel_orders; "
            "at most what a likelier kind leaves of 1"
        ),
    ),
    (
        "mostly_store_chance",
        "chance of ordering mostly in a store",
        "chance",
        (
            "P(share of orders in a store > 1/2), given n_store_orders of n_channel_orders; "
            "at most what a likelier kind leaves of 1"
        ),
    ),
    (
        "mostly_assisted_chance",
        "chance of ordering mostly through staff",
        "chance",
        (
            "P(share of orders through staff > 1/2), given n_assisted_orders of n_channel_orders; "
            "at most what a likelier kind leaves of 1"
        ),
    ),
    (
        "one_channel_chance",
        "chance of ordering through one channel",
        "chance",
        (
            "P(share of the customer's main channel > 3/4), given n_top_channel_orders of "
            "n_channel_orders; the highest under the priors of the shop's channels"
        ),
    ),
    (
        "expected_products_per_order",
        "products an order, expected",
        "ratio",
        "1 + (n_extra_products + shape) / (n_orders + orders of the prior)",
    ),
    (
        "order_trend_z",
        "trend of orders",
        "ratio",
        "(n_later_occasions - n_earlier_occasions) / sqrt(n_occasions)",
    ),
    (
        "steady_chance",
        "chance of no change",
        "chance",
        (
            "the less likely of: a trend as far from 0, either way (2 × P(standard normal < "
            "-|order_trend_z|)); an active customer who is away so long (silence_chance)"
        ),
    ),
    (
        "growing_chance",
        "chance that orders rise",
        "chance",
        "P(a standard normal figure < order_trend_z)",
    ),
    (
        "declining_chance",
        "chance that orders fall",
        "chance",
        "P(a standard normal figure > order_trend_z)",
    ),
    (
        "silence_chance",
        "chance of being away so long",
        "chance",
        (
            "((b + T) / (b + T + r)) ^ (a + n_occasions - 1): T months from first to last "
            "occasion, r since then less a day, a and b shape and months of the prior"
        ),
    ),
    (
        "expected_splurge_order_share",
        "orders over twice their usual, expected",
        "share",
        "(n_splurge_orders + mean × strength) / (n_orders + strength)",
    ),
    (
        "splurges_more_chance",
        "chance of splurging more often than the shop's mean customer",
        "chance",
        "P(share of orders over twice their usual > the shop's mean), given n_splurge_orders",
    ),
    (
        "expected_price_position",
        "price against the shop's median, expected",
        "log ratio",
        "(n_priced_lines × price_position + strength × mean) / (n_priced_lines + strength)",
    ),
    (
        "recency_score",
        "recency, in fifths",
        "1 to 5",
        "the fifth in which the mid-rank of -recency_days lies; 5 is most recent",
    ),
    (
        "frequency_score",
        "days with an order, in fifths",
        "1 to 5",
        "the fifth in which the mid-rank of n_occasions lies; 5 is most",
    ),
    (
        "monetary_score",
        "lifetime value, in fifths",
        "1 to 5",
        "the fifth in which the mid-rank of lifetime_value lies; 5 is most",
    ),
    (
        "fm_score",
        "frequency and value, in fifths",
        "1 to 5",
        "(frequency_score + monetary_score) / 2",
    ),
    (
        "rfm_score",
        "scores of recency, frequency and value",
        "count",
        "100 × recency_score + 10 × frequency_score + monetary_score",
    ),
)
