"""The eight marketing axes, as records."""

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
            "buy seldom, with long gaps",
            {"orders_per_month": -1.3, "mean_gap_days": 1.0, "n_orders": -1.0},
            (Claim("orders_per_month", "below", quantile=0.35),),
        ),
        Prototype(
            "occasional",
            "buy now and then",
            {"orders_per_month": -0.6, "mean_gap_days": 0.5, "n_orders": -0.5},
            (Claim("orders_per_month", "below", quantile=0.6),),
        ),
        Prototype(
            "regular",
            "buy at the shop's usual pace",
            {"orders_per_month": 0.1, "mean_gap_days": 0.0, "n_orders": 0.1},
            (
                Claim("orders_per_month", "above", quantile=0.25),
                Claim("orders_per_month", "below", quantile=0.8),
            ),
        ),
        Prototype(
            "frequent",
            "buy more often than most",
            {"orders_per_month": 0.8, "mean_gap_days": -0.7, "n_orders": 0.7},
            (Claim("orders_per_month", "above", quantile=0.5),),
        ),
        Prototype(
            "constant",
            "are among the most frequent buyers",
            {"orders_per_month": 1.7, "mean_gap_days": -1.4, "n_orders": 1.4},
            (Claim("orders_per_month", "above", quantile=0.8),),
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
            {"lifetime_value": -1.5, "avg_order_value": -0.8, "largest_order_value": -1.2},
            (Claim("lifetime_value", "below", quantile=0.35),),
        ),
        Prototype(
            "modest",
            "are worth less than most",
            {"lifetime_value": -0.6, "avg_order_value": -0.4, "largest_order_value": -0.5},
            (Claim("lifetime_value", "below", quantile=0.55),),
        ),
        Prototype(
            "mid_tier",
            "are worth about as much as the middle customer",
            {"lifetime_value": 0.1, "avg_order_value": 0.1, "largest_order_value": 0.1},
            (
                Claim("lifetime_value", "above", quantile=0.25),
                Claim("lifetime_value", "below", quantile=0.75),
            ),
        ),
        Prototype(
            "high_value",
            "are worth more than most",
            {"lifetime_value": 0.8, "avg_order_value": 0.6, "largest_order_value": 0.7},
            (Claim("lifetime_value", "above", quantile=0.5),),
        ),
        Prototype(
            "whale",
            "are worth more than four in five customers",
            {"lifetime_value": 1.6, "avg_order_value": 1.0, "largest_order_value": 1.3},
            (Claim("lifetime_value", "above", quantile=0.8),),
        ),
    ),
)

CATEGORY_EXPLORATION = Axis(
    name="category_exploration",
    question="How wide do they shop?",
    group="marketing",
    eligibility=(Eligibility("n_lines", 2, "too_few_purchases"),),
    features=(
        Feature("n_categories", "log", needs=("category",)),
        Feature("category_entropy", needs=("category",)),
        Feature("top_category_share", needs=("category",)),
        Feature("n_products", "log", needs=("product",)),
        Feature("products_per_line", needs=("product",)),
    ),
    prototypes=(
        Prototype(
            "category_loyal",
            "stay with one category",
            {"n_categories": -1.2, "top_category_share": 1.4, "category_entropy": -1.4},
            (Claim("top_category_share", "above", value=0.5),),
            needs=("category",),
        ),
        Prototype(
            "focused",
            "shop in few categories",
            {"n_categories": -0.7, "top_category_share": 0.4, "category_entropy": 0.0},
            (Claim("n_categories", "below", quantile=0.55),),
            needs=("category",),
        ),
        Prototype(
            "mixed",
            "shop in several categories",
            {"n_categories": 0.2, "top_category_share": -0.2, "category_entropy": 0.2},
            (
                Claim("n_categories", "above", quantile=0.25),
                Claim("n_categories", "below", quantile=0.85),
            ),
            needs=("category",),
        ),
        Prototype(
            "multi_category",
            "shop across the range",
            {"n_categories": 1.2, "top_category_share": -0.8, "category_entropy": 0.5},
            (Claim("n_categories", "above", quantile=0.55),),
            needs=("category",),
        ),
    ),
)

PRICE_SENSITIVITY = Axis(
    name="price_sensitivity",
    question="Do they wait for discounts?",
    group="marketing",
    eligibility=(Eligibility("n_discounted_orders", 1, "full_price_buyer"),),
    features=(
        Feature("discounted_order_share", needs=("discount",)),
        Feature("mean_discount_share", needs=("discount",)),
        Feature("discount_amount_share", needs=("discount",)),
    ),
    prototypes=(
        Prototype(
            "occasional_deal",
            "take a discount now and then",
            {
                "discounted_order_share": -1.0,
                "mean_discount_share": -0.6,
                "discount_amount_share": -1.0,
            },
            (Claim("discount_amount_share", "below", quantile=0.5),),
        ),
        Prototype(
            "discount_aware",
            "use discounts about as much as the middle discount user",
            {
                "discounted_order_share": 0.0,
                "mean_discount_share": 0.0,
                "discount_amount_share": 0.0,
            },
            (
                Claim("discount_amount_share", "above", quantile=0.2),
                Claim("discount_amount_share", "below", quantile=0.8),
            ),
        ),
        Prototype(
            "deal_hunter",
            "buy when there is a discount, and a large one",
            {
                "discounted_order_share": 0.8,
                "mean_discount_share": 1.0,
                "discount_amount_share": 1.2,
            },
            (
                Claim("discount_amount_share", "above", quantile=0.6),
                Claim("discounted_order_share", "above", value=0.5),
            ),
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
                Claim("month_concentration", "below", quantile=0.55),
                Claim("nov_dec_order_share", "below", value=0.4),
            ),
        ),
        Prototype(
            "weekend_shopper",
            "buy at weekends",
            {"weekend_order_share": 1.3},
            (
                Claim("weekend_order_share", "above", quantile=0.6),
                Claim("weekend_order_share", "above", value=2 / 7),
            ),
        ),
        Prototype(
            "weekday_daytime",
            "buy in working hours",
            {"business_hours_order_share": 1.2, "weekend_order_share": -0.6},
            (Claim("business_hours_order_share", "above", quantile=0.6),),
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
            "crowd their orders into a few months",
            {"month_concentration": 1.4},
            (Claim("month_concentration", "above", quantile=0.65),),
        ),
    ),
)

CUSTOMER_MATURITY = Axis(
    name="customer_maturity",
    question="Where in their life with the shop?",
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
            "came to the shop lately",
            {"tenure_days": -1.5, "recency_days": -0.5, "active_days": -0.8},
            (Claim("tenure_days", "below", quantile=0.4),),
        ),
        Prototype(
            "developing",
            "are past their first steps, with few orders yet",
            {"tenure_days": -0.3, "recency_days": 0.0, "active_days": -0.2, "n_orders": -0.3},
            (
                Claim("n_orders", "below", quantile=0.75),
                Claim("recency_days", "below", quantile=0.75),
            ),
        ),
        Prototype(
            "established",
            "have been buying for a while and still do",
            {"tenure_days": 0.3, "recency_days": -0.2, "active_days": 0.5, "n_orders": 0.3},
            (
                Claim("tenure_days", "above", quantile=0.3),
                Claim("recency_days", "below", quantile=0.7),
            ),
        ),
        Prototype(
            "mature",
            "have bought often, for long, until now",
            {"tenure_days": 0.7, "recency_days": -0.7, "active_days": 0.9, "n_orders": 1.2},
            (
                Claim("tenure_days", "above", quantile=0.45),
                Claim("n_orders", "above", quantile=0.6),
                Claim("recency_days", "below", quantile=0.6),
            ),
        ),
        Prototype(
            "dormant",
            "have not bought for long",
            {"recency_days": 1.2, "n_orders": -0.5, "active_days": -0.5},
            (Claim("recency_days", "above", quantile=0.6),),
        ),
    ),
)

REPURCHASE_BEHAVIOR = Axis(
    name="repurchase_behavior",
    question="Same again, or something new?",
    group="marketing",
    eligibility=(Eligibility("n_orders", 2, "single_order"),),
    features=(
        Feature("repeat_product_share", needs=("product",)),
        Feature("repeat_line_share", needs=("product",)),
        Feature("orders_per_product", "log", needs=("product",)),
    ),
    prototypes=(
        Prototype(
            "variety_seeker",
            "nearly always buy something new",
            {
                "repeat_product_share": -1.1,
                "repeat_line_share": -1.1,
                "orders_per_product": -1.0,
            },
            (Claim("repeat_line_share", "below", quantile=0.5),),
        ),
        Prototype(
            "mixed_basket",
            "mix known products with new ones",
            {
                "repeat_product_share": -0.2,
                "repeat_line_share": -0.1,
                "orders_per_product": -0.2,
            },
            (
                Claim("repeat_line_share", "above", quantile=0.2),
                Claim("repeat_line_share", "below", quantile=0.8),
            ),
        ),
        Prototype(
            "repeat_buyer",
            "often buy what they bought before",
            {"repeat_product_share": 0.7, "repeat_line_share": 0.7, "orders_per_product": 0.6},
            (Claim("repeat_line_share", "above", quantile=0.5),),
        ),
        Prototype(
            "loyal_rebuyer",
            "mostly buy what they bought before",
            {"repeat_product_share": 1.5, "repeat_line_share": 1.3, "orders_per_product": 1.6},
            (
                Claim("repeat_line_share", "above", quantile=0.75),
                Claim("repeat_line_share", "above", value=0.5),
            ),
        ),
    ),
)

RETURN_BEHAVIOR = Axis(
    name="return_behavior",
    question="Do they send things back?",
    group="marketing",
    eligibility=(Eligibility("n_refunded_lines", 1, "careful_buyer"),),
    features=(
        Feature("refund_amount_share", needs=("refund",)),
        Feature("refunded_order_share", needs=("refund",)),
        Feature("refunded_line_share", needs=("refund",)),
    ),
    prototypes=(
        Prototype(
            "occasional_returner",
            "send a thing back now and then",
            {
                "refund_amount_share": -0.7,
                "refunded_order_share": -0.7,
                "refunded_line_share": -0.7,
            },
            (Claim("refunded_order_share", "below", quantile=0.65),),
        ),
        Prototype(
            "regular_returner",
            "send things back as a habit",
            {"refund_amount_share": 0.3, "refunded_order_share": 0.5, "refunded_line_share": 0.3},
            (
                Claim("refunded_order_share", "above", quantile=0.3),
                Claim("refunded_order_share", "below", quantile=0.9),
            ),
        ),
        Prototype(
            "frequent_returner",
            "send back much of what they buy",
            {"refund_amount_share": 1.5, "refunded_order_share": 1.5, "refunded_line_share": 1.5},
            (
                Claim("refunded_order_share", "above", quantile=0.6),
                Claim("refund_amount_share", "above", quantile=0.6),
            ),
        ),
    ),
)

MARKETING_AXES = (
    PURCHASE_FREQUENCY,
    PURCHASE_VALUE,
    CATEGORY_EXPLORATION,
    PRICE_SENSITIVITY,
    PURCHASE_CADENCE,
    CUSTOMER_MATURITY,
    REPURCHASE_BEHAVIOR,
    RETURN_BEHAVIOR,
)
