"""The other support axes and the one that exists only with tickets, as records."""

from __future__ import annotations

from typing import Literal

from segpipe.axes.conditions import above, at_least, at_most, below
from segpipe.axes.record import Axis, Claim, Eligibility, Feature, Prototype, Rule, Tier

_CATEGORY = ("category",)
_PRODUCT = ("product",)
_TICKETS = ("tickets",)
_SIGNIFICANT_Z = 1.645  # one-sided, 5%


def _complexity(
    name: str, description: str, level: float, side: Literal["above", "below"], quantile: float
) -> tuple[Prototype, Prototype]:
    """The same name with claims on orders, and with claims on tickets."""
    from_orders = {
        "products_per_order": level,
        "categories_per_order": level,
        "refund_amount_share": level / 2,
        "discount_amount_share": level / 2,
    }
    from_tickets = {
        "tickets_per_order": level,
        "messages_per_ticket": level,
        "hours_to_resolve": level,
        "reopened_share": level / 2,
    }
    return (
        Prototype(
            name,
            description,
            from_orders,
            (
                Claim("products_per_order", side, quantile=quantile),
                *((Claim("refund_amount_share", "below", value=0.05),) if side == "below" else ()),
            ),
            unless=_TICKETS,
        ),
        Prototype(
            name,
            description,
            from_tickets,
            (Claim("tickets_per_order", side, quantile=quantile),),
            needs=_TICKETS,
        ),
    )


_COMPLEXITY = (
    Feature("expected_products_per_order", "log", needs=_PRODUCT, unless=_TICKETS),
    Feature("expected_tickets_per_order", "log", needs=_TICKETS),
)
PROBLEM_COMPLEXITY_PROFILE = Axis(
    name="problem_complexity_profile",
    question="How hard are they to serve?",
    group="support",
    main=_COMPLEXITY,
    tiers=(
        Tier("self_sufficient", "need least effort an order", top=0.25),
        Tier("low_touch", "need little effort an order, though not least", top=0.5),
        Tier("moderate_complexity", "need more effort an order than many", top=0.8),
        Tier("high_complexity", "need most effort an order", top=1.0),
    ),
    features=_COMPLEXITY,
    prototypes=(
        *_complexity("self_sufficient", "have the simplest orders", -1.0, "below", 0.4),
        *_complexity("low_touch", "have simpler orders than most", -0.4, "below", 0.6),
        *_complexity(
            "moderate_complexity", "have more complex orders than most", 0.5, "above", 0.4
        ),
        *_complexity("high_complexity", "have the most complex orders", 1.4, "above", 0.7),
    ),
)

LOYALTY_TRAJECTORY = Axis(
    name="loyalty_trajectory",
    question="Are they becoming more loyal or less?",
    group="support",
    eligibility=(Eligibility("n_occasions", 3, "too_early_to_tell"),),
    has_groups=False,
    features=(
        Feature("order_rate_log_ratio"),
        Feature("gap_trend"),
        Feature("order_value_trend"),
        Feature("recency_in_expected_gaps", "log"),
    ),
    rules=(
        Rule(
            "lapsed",
            "have been away for two weeks or more, and too long for customers who still buy",
            (
                (at_least("recency_days", 14), below("silence_chance", 0.05)),
                (at_least("recency_days", 14), above("recency_in_expected_gaps", 4)),
            ),
            chance="silence_chance",
            is_complement=True,
            claim=(at_least("recency_days", 14), above("recency_in_own_gaps", 1.5)),
        ),
        Rule(
            "growing",
            "order on clearly more days than in the earlier half of their time",
            ((above("order_trend_z", _SIGNIFICANT_Z),),),
            chance="growing_chance",
            claim=(above("order_trend_z", 0),),
        ),
        Rule(
            "declining",
            "order on clearly fewer days than in the earlier half of their time",
            ((below("order_trend_z", -_SIGNIFICANT_Z),),),
            chance="declining_chance",
            claim=(below("order_trend_z", 0),),
        ),
        Rule(
            "steady",
            "keep their pace: no rise or fall beyond chance, and not away for too long",
            (),
            chance="steady_chance",
            claim=(
                at_least("order_trend_z", -_SIGNIFICANT_Z),
                at_most("order_trend_z", _SIGNIFICANT_Z),
                at_most("recency_in_expected_gaps", 4),
            ),
        ),
    ),
    prototypes=(
        Prototype(
            "growing",
            "order more often than they used to",
            {"order_rate_log_ratio": 0.9, "recency_over_gap": -0.4, "gap_trend": -0.6},
            (
                Claim("order_rate_log_ratio", "above", value=0.0),
                Claim("order_rate_log_ratio", "above", quantile=0.5),
            ),
        ),
        Prototype(
            "steady",
            "keep their pace",
            {"order_rate_log_ratio": 0.1, "recency_over_gap": -0.2, "gap_trend": 0.0},
            (
                Claim("order_rate_log_ratio", "above", value=-0.7),
                Claim("order_rate_log_ratio", "below", value=0.7),
            ),
        ),
        Prototype(
            "declining",
            "order less often than they used to and are overdue",
            {"order_rate_log_ratio": -0.9, "recency_over_gap": 0.8, "gap_trend": 0.4},
            (
                Claim("order_rate_log_ratio", "below", value=0.0),
                Claim("recency_over_gap", "above", value=1.0),
                Claim("recency_over_gap", "below", value=10.0),
            ),
        ),
        Prototype(
            "lapsed",
            "stopped several of their usual gaps ago",
            {"order_rate_log_ratio": -1.4, "recency_over_gap": 1.8},
            (
                Claim("order_rate_log_ratio", "below", value=0.0),
                Claim("recency_over_gap", "above", value=3.0),
            ),
        ),
    ),
)

_KNOWLEDGE = (
    Feature("n_deep_categories", "log", needs=_CATEGORY),
    Feature("n_repeated_products", "log", needs=_PRODUCT, unless=_CATEGORY),
)
PRODUCT_KNOWLEDGE = Axis(
    name="product_knowledge",
    question="Do they know the range?",
    group="support",
    eligibility=(Eligibility("n_occasions", 2, "too_few_orders"),),
    main=_KNOWLEDGE,
    tiers=(
        Tier("novice", "know least of the range", top=0.25),
        Tier("explorer", "have tried some of the range, and know less of it than many", top=0.5),
        Tier("enthusiast", "know more of the range than many", top=0.8),
        Tier("expert", "know most of the range", top=1.0),
    ),
    features=_KNOWLEDGE,
    prototypes=(
        Prototype(
            "novice",
            "know little of the range",
            {"n_deep_categories": -1.2, "product_concentration": 0.8, "top_category_share": 0.6},
            (
                Claim("n_deep_categories", "below", quantile=0.5),
                Claim("n_products", "below", quantile=0.5),
            ),
            needs=("category", "product"),
        ),
        Prototype(
            "explorer",
            "try many products, few of them twice",
            {
                "n_deep_categories": -0.2,
                "product_concentration": -0.4,
                "repeat_product_share": -0.7,
            },
            (Claim("repeat_product_share", "below", quantile=0.55),),
            needs=("product",),
        ),
        Prototype(
            "enthusiast",
            "know more categories well than most",
            {"n_deep_categories": 0.5, "product_concentration": -0.2, "repeat_product_share": 0.3},
            (
                Claim("n_deep_categories", "above", quantile=0.4),
                Claim("n_deep_categories", "above", value=1),
            ),
            needs=("category",),
        ),
        Prototype(
            "expert",
            "know much of the range and buy it again",
            {"n_deep_categories": 1.2, "product_concentration": -0.5, "repeat_product_share": 0.9},
            (
                Claim("n_deep_categories", "above", quantile=0.6),
                Claim("n_deep_categories", "above", value=2),
                Claim("repeat_product_share", "above", quantile=0.4),
            ),
            needs=("category", "product"),
        ),
    ),
)

_PRICE = (
    Feature("expected_price_position", needs=_CATEGORY),
    Feature("expected_price_position", needs=_PRODUCT, unless=_CATEGORY),
)
VALUE_SOPHISTICATION = Axis(
    name="value_sophistication",
    question="What do they pay for?",
    group="support",
    main=_PRICE,
    rules=(
        Rule(
            "occasional_splurger",
            "pay about the usual prices, and place orders of over twice their usual value clearly "
            "more often than the shop's customers: two or more so far",
            ((at_least("n_splurge_orders", 2), at_least("splurges_more_chance", 0.8)),),
            chance="splurges_more_chance",
            claim=(at_least("n_splurge_orders", 2),),
            within="balanced",
        ),
    ),
    tiers=(
        Tier("value_conscious", "pay least, and less than the usual price", top=0.25, below=-0.05),
        Tier(
            "balanced",
            "pay about the usual prices, some a little less and some a little more",
            top=0.75,
        ),
        Tier("premium_seeker", "pay most, and more than the usual price", top=1.0, at_least=0.05),
    ),
    features=_PRICE,
    prototypes=(
        Prototype(
            "value_conscious",
            "choose cheaper products of a category",
            {"price_position": -1.0, "splurge_order_share": -0.3},
            (Claim("price_position", "below", quantile=0.45),),
        ),
        Prototype(
            "balanced",
            "pay the usual price of a category",
            {"price_position": 0.0, "splurge_order_share": -0.2, "price_spread": 0.0},
            (
                Claim("price_position", "above", quantile=0.2),
                Claim("price_position", "below", quantile=0.8),
            ),
        ),
        Prototype(
            "premium_seeker",
            "choose more expensive products of a category",
            {"price_position": 1.2, "splurge_order_share": -0.2},
            (
                Claim("price_position", "above", quantile=0.6),
                Claim("price_position", "above", value=0.095),
            ),
        ),
        Prototype(
            "occasional_splurger",
            "now and then place an order far above their usual",
            {"splurge_order_share": 1.3, "price_spread": 0.4},
            (Claim("splurge_order_share", "above", quantile=0.6),),
        ),
    ),
)

_HELP = (Feature("expected_tickets_per_order", "log", needs=_TICKETS),)
SUPPORT_HISTORY = Axis(
    name="support_history",
    question="What help have they needed?",
    group="support",
    only_with=_TICKETS,
    eligibility=(Eligibility("n_tickets", 1, "no_tickets", needs=_TICKETS),),
    main=_HELP,
    rules=(
        Rule(
            "dissatisfied",
            "rate the help they had below 3 of 5",
            ((at_least("n_rated_tickets", 1), below("expected_satisfaction", 3.0)),),
            claim=(below("satisfaction_mean", 3.0),),
            needs=_TICKETS,
        ),
    ),
    tiers=(
        Tier("quick_question", "ask for help least of those who ask", top=0.4),
        Tier("regular_contact", "ask for help more than some of those who ask", top=0.8),
        Tier("heavy_support", "ask for help most", top=1.0),
    ),
    features=_HELP,
    prototypes=(
        Prototype(
            "quick_question",
            "ask for little and are helped quickly",
            {"n_tickets": -0.6, "hours_to_resolve": -0.8, "messages_per_ticket": -0.7},
            (Claim("hours_to_resolve", "below", quantile=0.55),),
        ),
        Prototype(
            "regular_contact",
            "ask for help now and then",
            {"n_tickets": 0.3, "hours_to_resolve": 0.0, "messages_per_ticket": 0.0},
            (
                Claim("n_tickets", "above", quantile=0.2),
                Claim("n_tickets", "below", quantile=0.9),
            ),
        ),
        Prototype(
            "heavy_support",
            "need long and repeated help",
            {"n_tickets": 0.8, "hours_to_resolve": 1.0, "messages_per_ticket": 1.0},
            (Claim("messages_per_ticket", "above", quantile=0.6),),
        ),
        Prototype(
            "dissatisfied",
            "were helped but are not satisfied",
            {"satisfaction_mean": -1.3, "reopened_share": 0.8},
            (Claim("satisfaction_mean", "below", value=3.0),),
        ),
    ),
)
