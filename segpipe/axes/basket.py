"""Marketing axes of what customers buy, at which price, and send back, as records."""

from __future__ import annotations

from segpipe.axes.record import Axis, Claim, Eligibility, Feature, Prototype

CATEGORY_EXPLORATION = Axis(
    name="category_exploration",
    question="How widely do they shop?",
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
            {
                "n_categories": -1.2,
                "top_category_share": 1.4,
                "category_entropy": -1.4,
                "n_products": -0.6,
            },
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
            "use a discount now and then",
            {
                "discounted_order_share": -1.0,
                "mean_discount_share": -0.6,
                "discount_amount_share": -1.0,
            },
            (Claim("discount_amount_share", "below", quantile=0.5),),
        ),
        Prototype(
            "discount_aware",
            "use discounts about as much as the median discount user",
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
            "mostly buy at a discount and save more than others",
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
            (
                Claim("repeat_line_share", "above", quantile=0.5),
                Claim("repeat_line_share", "above", value=0.25),
            ),
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
            "return something now and then",
            {
                "refund_amount_share": -0.7,
                "refunded_order_share": -0.7,
                "refunded_line_share": -0.7,
            },
            (Claim("refunded_order_share", "below", quantile=0.65),),
        ),
        Prototype(
            "regular_returner",
            "return things regularly",
            {"refund_amount_share": 0.3, "refunded_order_share": 0.5, "refunded_line_share": 0.3},
            (
                Claim("refunded_order_share", "above", quantile=0.3),
                Claim("refunded_order_share", "below", quantile=0.9),
            ),
        ),
        Prototype(
            "frequent_returner",
            "return much of what they buy",
            {"refund_amount_share": 1.5, "refunded_order_share": 1.5, "refunded_line_share": 1.5},
            (
                Claim("refunded_order_share", "above", quantile=0.6),
                Claim("refund_amount_share", "above", quantile=0.6),
            ),
        ),
    ),
)
