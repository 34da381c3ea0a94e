"""Marketing axes of what customers buy, at which price, and send back, as records."""

from __future__ import annotations

from segpipe.axes.conditions import above, at_least
from segpipe.axes.record import Axis, Claim, Eligibility, Feature, Prototype, Rule, Tier

_CATEGORY = ("category",)
_DISCOUNT = ("discount",)
_PRODUCT = ("product",)
_REFUND = ("refund",)

CATEGORY_EXPLORATION = Axis(
    name="category_exploration",
    question="How widely do they shop?",
    group="marketing",
    eligibility=(Eligibility("n_lines", 2, "too_few_purchases"),),
    main=(
        Feature("n_categories", "log", needs=_CATEGORY),
        Feature("n_products", "log", needs=_PRODUCT, unless=_CATEGORY),
    ),
    rules=(
        Rule(
            "category_loyal",
            "make most purchases in one category",
            ((at_least("mostly_one_category_chance", 0.8),),),
            chance="mostly_one_category_chance",
            claim=(above("top_category_share", 0.5),),
            needs=_CATEGORY,
        ),
    ),
    tiers=(
        Tier("focused", "buy least widely", top=0.35),
        Tier("mixed", "buy more widely than some, and less than others", top=0.7, at_least=2),
        Tier("multi_category", "buy from more categories than others", top=1.0, needs=_CATEGORY),
        Tier("wide_range", "buy more different products than others", top=1.0, unless=_CATEGORY),
    ),
    features=(
        Feature("n_categories", "log", needs=_CATEGORY),
        Feature("n_products", "log", needs=_PRODUCT, unless=_CATEGORY),
        Feature("expected_top_category_share", needs=_CATEGORY),
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
    eligibility=(
        Eligibility("n_discounted_orders", 1, "full_price_buyer", only=(at_least("n_orders", 3),)),
        Eligibility("n_discounted_orders", 1, "no_discount_yet"),
    ),
    main=(Feature("expected_discount_share", needs=_DISCOUNT),),
    tiers=(
        Tier("occasional_deal", "save least by discounts of those who use any", top=0.4),
        Tier("discount_aware", "use discounts, and save more by them than some", top=0.8),
        Tier(
            "deal_hunter",
            "save most by discounts, which more than half of their orders have",
            top=1.0,
            also=(above("discounted_order_share", 0.5),),
        ),
    ),
    features=(
        Feature("expected_discount_share", needs=_DISCOUNT),
        Feature("expected_discounted_order_share", needs=_DISCOUNT),
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
    eligibility=(
        Eligibility("n_occasions", 2, "single_order"),
        Eligibility("n_later_lines", 1, "single_order", needs=_PRODUCT),
    ),
    main=(Feature("expected_repeat_line_share", needs=_PRODUCT),),
    tiers=(
        Tier(
            "variety_seeker",
            "repeat least: less than a quarter of their lines",
            top=0.25,
            below=0.25,
        ),
        Tier("mixed_basket", "mix known products with new ones", top=0.5),
        Tier("repeat_buyer", "repeat a quarter of their lines or more", top=0.8, at_least=0.25),
        Tier("loyal_rebuyer", "repeat most: half of their lines or more", top=1.0, at_least=0.5),
    ),
    features=(Feature("expected_repeat_line_share", needs=_PRODUCT),),
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
    eligibility=(
        Eligibility("n_refunded_lines", 1, "careful_buyer", only=(at_least("n_orders", 3),)),
        Eligibility("n_refunded_lines", 1, "no_return_yet"),
    ),
    main=(Feature("expected_refunded_order_share", needs=_REFUND),),
    tiers=(
        Tier(
            "occasional_returner",
            "return least of those who return, and from less than half of their orders",
            top=0.5,
            below=0.5,
        ),
        Tier("regular_returner", "return more than some of those who return", top=0.8),
        Tier(
            "frequent_returner",
            "return most, from a quarter of their orders or more",
            top=1.0,
            at_least=0.25,
        ),
    ),
    features=(Feature("expected_refunded_order_share", needs=_REFUND),),
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
