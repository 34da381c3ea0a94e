"""Marketing axes of how often, how much, when and since when customers buy, as records."""

from __future__ import annotations

from segpipe.axes.record import Axis, Claim, Eligibility, Feature, Prototype

PURCHASE_FREQUENCY = Axis(
    name="purchase_frequency",
    question="How often do they buy?",
    group="marketing",
    eligibility=(Eligibility("n_orders", 2, "one_time_buyer"),),
    features=(
        Feature("orders_per_month", "log"),
        Feature("mean_gap_days", "log"),
        Feature("gap_regularity"),
        Feature("recent_order_share"),
        Feature("n_orders", "log"),
    ),
    prototypes=(
        Prototype(
            "rare",
            "buy rarely, with long gaps",
            {"orders_per_month": -1.2},
            (
                Claim("orders_per_month", "below", quantile=0.35),
                Claim("orders_per_month", "below", value=1.0),
            ),
        ),
        Prototype(
            "occasional",
            "buy now and then",
            {"orders_per_month": -0.5},
            (Claim("orders_per_month", "below", quantile=0.6),),
        ),
        Prototype(
            "regular",
            "buy at the shop's usual pace",
            {"orders_per_month": 0.1},
            (
                Claim("orders_per_month", "above", quantile=0.25),
                Claim("orders_per_month", "below", quantile=0.8),
            ),
        ),
        Prototype(
            "frequent",
            "buy more often than most",
            {"orders_per_month": 0.7},
            (
                Claim("orders_per_month", "above", quantile=0.5),
                Claim("n_orders", "above", quantile=0.5),
            ),
        ),
        Prototype(
            "constant",
            "are among the most frequent buyers",
            {"orders_per_month": 1.5},
            (
                Claim("orders_per_month", "above", quantile=0.8),
                Claim("n_orders", "above", quantile=0.6),
            ),
        ),
    ),
)

PURCHASE_VALUE = Axis(
    name="purchase_value",
    question="What are they worth?",
    group="marketing",
    min_segments=4,  # two or three tiers have no top fifth: docs/decisions/0004
    features=(
        Feature("lifetime_value", "signed_log"),
        Feature("avg_order_value", "signed_log"),
        Feature("largest_order_value", "signed_log"),
    ),
    prototypes=(
        Prototype(
            "low_value",
            "are worth least",
            {"lifetime_value": -1.2},
            (Claim("lifetime_value", "below", quantile=0.35),),
        ),
        Prototype(
            "modest",
            "are worth less than most",
            {"lifetime_value": -0.5},
            (Claim("lifetime_value", "below", quantile=0.55),),
        ),
        Prototype(
            "mid_tier",
            "are worth about as much as the median customer",
            {"lifetime_value": 0.1},
            (
                Claim("lifetime_value", "above", quantile=0.25),
                Claim("lifetime_value", "below", quantile=0.75),
            ),
        ),
        Prototype(
            "high_value",
            "are worth more than most",
            {"lifetime_value": 0.7},
            (Claim("lifetime_value", "above", quantile=0.6),),
        ),
        Prototype(
            "whale",
            "are worth more, at the median, than 80% of customers",
            {"lifetime_value": 1.4},
            (Claim("lifetime_value", "above", quantile=0.8),),
        ),
    ),
)

PURCHASE_CADENCE = Axis(
    name="purchase_cadence",
    question="When do they buy?",
    group="marketing",
    eligibility=(Eligibility("n_orders", 3, "too_few_orders"),),
    features=(
        Feature("weekend_order_share"),
        Feature("business_hours_order_share", needs=("time_of_day",)),
        Feature("evening_order_share", needs=("time_of_day",)),
        Feature("month_concentration"),
        Feature("nov_dec_order_share"),
    ),
    prototypes=(
        Prototype(
            "year_round",
            "spread their orders over the year",
            {"month_concentration": -0.8, "nov_dec_order_share": -0.2, "weekend_order_share": 0.0},
            (
                Claim("month_concentration", "below", value=0.3),
                Claim("nov_dec_order_share", "below", value=0.4),
            ),
        ),
        Prototype(
            "weekend_shopper",
            "buy at weekends",
            {"weekend_order_share": 1.3},
            (
                Claim("weekend_order_share", "above", quantile=0.6),
                Claim("weekend_order_share", "above", value=0.4),
            ),
        ),
        Prototype(
            "weekday_daytime",
            "buy in working hours",
            {"business_hours_order_share": 1.2, "weekend_order_share": -0.6},
            (
                Claim("business_hours_order_share", "above", quantile=0.6),
                Claim("business_hours_order_share", "above", value=0.4),
            ),
            needs=("time_of_day",),
        ),
        Prototype(
            "evening_shopper",
            "buy in the evening",
            {"evening_order_share": 1.3},
            (
                Claim("evening_order_share", "above", quantile=0.6),
                Claim("evening_order_share", "above", value=5 / 24),
            ),
            needs=("time_of_day",),
        ),
        Prototype(
            "holiday_shopper",
            "buy in November and December",
            {"nov_dec_order_share": 1.6},
            (
                Claim("nov_dec_order_share", "above", quantile=0.7),
                Claim("nov_dec_order_share", "above", value=2 / 6),
            ),
        ),
        Prototype(
            "seasonal",
            "place most orders in a few months",
            {"month_concentration": 1.4},
            (Claim("month_concentration", "above", quantile=0.65),),
        ),
    ),
)

CUSTOMER_MATURITY = Axis(
    name="customer_maturity",
    question="Where are they in their life as customers?",
    group="marketing",
    features=(
        Feature("tenure_days", "log"),
        Feature("active_days", "log"),
        Feature("recency_days", "log"),
        Feature("n_orders", "log"),
    ),
    prototypes=(
        Prototype(
            "new",
            "bought for the first time recently",
            {"tenure_days": -1.5, "recency_days": -0.5, "active_days": -0.8, "n_orders": -0.5},
            (Claim("tenure_days", "below", quantile=0.4), Claim("tenure_days", "below", value=180)),
        ),
        Prototype(
            "developing",
            "are getting to know the shop, with few orders so far",
            {"tenure_days": -0.3, "recency_days": 0.0, "active_days": -0.2, "n_orders": -0.3},
            (
                Claim("n_orders", "below", quantile=0.75),
                Claim("tenure_days", "below", quantile=0.65),
                Claim("tenure_days", "below", value=365),
                Claim("recency_over_expected_gap", "below", value=1.8),
            ),
        ),
        Prototype(
            "established",
            "have been buying for a while and still do",
            {"tenure_days": 0.3, "recency_days": -0.2, "active_days": 0.5, "n_orders": 0.3},
            (
                Claim("tenure_days", "above", quantile=0.3),
                Claim("n_orders", "above", value=1),
                Claim("recency_over_expected_gap", "below", value=1.5),
            ),
        ),
        Prototype(
            "mature",
            "have bought often, for a long time, and still do",
            {"tenure_days": 0.7, "recency_days": -0.7, "active_days": 0.9, "n_orders": 1.2},
            (
                Claim("tenure_days", "above", quantile=0.45),
                Claim("n_orders", "above", quantile=0.6),
                Claim("n_orders", "above", value=3),
                Claim("recency_over_expected_gap", "below", value=1.5),
            ),
        ),
        Prototype(
            "dormant",
            "have not bought for a long time",
            {"recency_days": 1.2, "n_orders": -0.5, "active_days": -0.5},
            (
                Claim("recency_days", "above", quantile=0.5),
                Claim("recency_days", "above", value=60),
                Claim("recency_over_expected_gap", "above", value=1.8),
            ),
        ),
    ),
)
