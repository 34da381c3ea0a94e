"""The five support axes and the one that exists only with tickets, as records."""

from __future__ import annotations

from typing import Literal

from segpipe.axes.record import Axis, Claim, Eligibility, Feature, Prototype

_ORDER_CHANNELS = ("channel",)
_TICKETS = ("tickets",)

COMMUNICATION_PREFERENCE = Axis(
    name="communication_preference",
    question="Through which channel?",
    group="support",
    eligibility=(Eligibility("n_tickets", 1, "no_contact", needs=_TICKETS),),
    features=(
        Feature("channel_1_share", needs=_ORDER_CHANNELS, unless=_TICKETS),
        Feature("channel_2_share", needs=_ORDER_CHANNELS, unless=_TICKETS),
        Feature("channel_3_share", needs=_ORDER_CHANNELS, unless=_TICKETS),
        Feature("n_channels", needs=_ORDER_CHANNELS, unless=_TICKETS),
        Feature("channel_switch_share", needs=_ORDER_CHANNELS, unless=_TICKETS),
        Feature("ticket_email_share", needs=_TICKETS),
        Feature("ticket_chat_share", needs=_TICKETS),
        Feature("ticket_phone_share", needs=_TICKETS),
        Feature("ticket_self_service_share", needs=_TICKETS),
    ),
    prototypes=(
        Prototype(
            "web_first",
            "order on the web",
            {"web_order_share": 0.8, "channel_switch_share": -0.3},
            (Claim("web_order_share", "above", value=0.5),),
            needs=_ORDER_CHANNELS,
            unless=_TICKETS,
        ),
        Prototype(
            "in_store",
            "buy in the store",
            {"store_order_share": 1.2, "channel_switch_share": -0.3},
            (Claim("store_order_share", "above", value=0.5),),
            needs=_ORDER_CHANNELS,
            unless=_TICKETS,
        ),
        Prototype(
            "assisted",
            "order through staff",
            {"assisted_order_share": 1.5, "channel_switch_share": -0.3},
            (Claim("assisted_order_share", "above", value=0.5),),
            needs=_ORDER_CHANNELS,
            unless=_TICKETS,
        ),
        Prototype(
            "omnichannel",
            "move between channels",
            {"n_channels": 1.2, "channel_switch_share": 1.2},
            (
                Claim("n_channels", "above", value=1),
                Claim("channel_switch_share", "above", quantile=0.5),
            ),
            needs=_ORDER_CHANNELS,
            unless=_TICKETS,
        ),
        *(
            Prototype(
                name,
                description,
                {measure: 1.3},
                (Claim(measure, "above", value=0.5),),
                needs=_TICKETS,
            )
            for name, measure, description in (
                ("email_preferred", "ticket_email_share", "mostly ask for help by e-mail"),
                ("chat_preferred", "ticket_chat_share", "mostly ask for help by chat"),
                ("phone_preferred", "ticket_phone_share", "mostly ask for help by phone"),
                ("self_service", "ticket_self_service_share", "mostly help themselves"),
            )
        ),
    ),
)


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


PROBLEM_COMPLEXITY_PROFILE = Axis(
    name="problem_complexity_profile",
    question="How hard are they to serve?",
    group="support",
    features=(
        Feature("refund_amount_share", needs=("refund",), unless=_TICKETS),
        Feature("products_per_order", needs=("product",), unless=_TICKETS),
        Feature("categories_per_order", needs=("category",), unless=_TICKETS),
        Feature("discount_amount_share", needs=("discount",), unless=_TICKETS),
        Feature("tickets_per_order", needs=_TICKETS),
        Feature("messages_per_ticket", needs=_TICKETS),
        Feature("hours_to_resolve", "log", needs=_TICKETS),
        Feature("reopened_share", needs=_TICKETS),
    ),
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
    eligibility=(Eligibility("n_orders", 3, "too_early_to_tell"),),
    features=(
        Feature("order_rate_log_ratio"),
        Feature("gap_trend"),
        Feature("order_value_trend"),
        Feature("recency_over_gap", "log"),
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

PRODUCT_KNOWLEDGE = Axis(
    name="product_knowledge",
    question="Do they know the range?",
    group="support",
    eligibility=(Eligibility("n_orders", 2, "too_few_orders"),),
    features=(
        Feature("product_concentration", needs=("product",)),
        Feature("repeat_product_share", needs=("product",)),
        Feature("n_deep_categories", "log", needs=("category",)),
        Feature("top_category_share", needs=("category",)),
    ),
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

VALUE_SOPHISTICATION = Axis(
    name="value_sophistication",
    question="What do they pay for?",
    group="support",
    features=(
        Feature("price_position"),
        Feature("price_spread"),
        Feature("splurge_order_share"),
        Feature("full_price_line_share", needs=("discount",)),
    ),
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

SUPPORT_HISTORY = Axis(
    name="support_history",
    question="What help have they needed?",
    group="support",
    only_with=_TICKETS,
    eligibility=(Eligibility("n_tickets", 1, "no_tickets", needs=_TICKETS),),
    features=(
        Feature("n_tickets", "log", needs=_TICKETS),
        Feature("messages_per_ticket", "log", needs=_TICKETS),
        Feature("hours_to_resolve", "log", needs=_TICKETS),
        Feature("reopened_share", needs=_TICKETS),
        Feature("satisfaction_mean", needs=_TICKETS),
    ),
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

SUPPORT_AXES = (
    COMMUNICATION_PREFERENCE,
    PROBLEM_COMPLEXITY_PROFILE,
    LOYALTY_TRAJECTORY,
    PRODUCT_KNOWLEDGE,
    VALUE_SOPHISTICATION,
)
