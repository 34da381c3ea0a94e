"""Marketing axes of how often customers buy and what they are worth, as records."""

from __future__ import annotations

from segpipe.axes.record import Axis, Claim, Eligibility, Feature, Learnt, Prototype, Tier

PURCHASE_FREQUENCY = Axis(
    name="purchase_frequency",
    question="How often do they buy?",
    group="marketing",
    eligibility=(Eligibility("n_occasions", 2, "one_time_buyer"),),
    main=(Feature("expected_occasions_per_month", "log"),),
    tiers=(
        Tier("rare", "buy least often, and less than once a month", top=0.2, below=1.0),
        Tier("occasional", "buy less often than many", top=0.4),
        Tier("regular", "buy about as often as is usual in the shop", top=0.6),
        Tier("frequent", "buy more often than many", top=0.8, at_least=0.25),
        Tier("constant", "buy most often, and once a month or more", top=1.0, at_least=1.0),
    ),
    features=(
        Feature("expected_occasions_per_month", "log"),
        Feature("expected_gap_days", "log"),
        Feature("n_occasions", "log"),
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
    eligibility=(Eligibility("lifetime_value", 0.0001, "no_value"),),  # the least amount above 0
    has_groups=False,  # the best customers are a list of their own: docs/decisions/0018
    min_segments=4,  # two or three tiers have no top fifth: docs/decisions/0004
    main=(Feature("lifetime_value", "signed_log"),),
    tiers=(
        Tier("low_value", "are worth least", top=0.25),
        Tier("modest", "are worth less than many", top=0.5),
        Tier("mid_tier", "are worth neither least nor among the best", top=0.75),
        Tier("high_value", "are worth more than most", top=0.95),
        Tier(
            "whale",
            "are worth most: the best 5%, and at least three times the median customer",
            top=1.0,
            own_cut=Learnt(quantile=0.95, least_medians=3.0),
        ),
    ),
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
