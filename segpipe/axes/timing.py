"""Marketing axes of when customers buy and where in their life with the shop they are."""

from __future__ import annotations

from segpipe.axes.conditions import above, at_least, at_most, below
from segpipe.axes.record import (
    Axis,
    Claim,
    Condition,
    Eligibility,
    Feature,
    Learnt,
    Prototype,
    Rule,
)

_TIME_OF_DAY = ("time_of_day",)
_SURE = 0.8  # chance from which on a majority is a customer's kind
_MONTHS_OF_YEAR_ROUND = 6

PURCHASE_CADENCE = Axis(
    name="purchase_cadence",
    question="When do they buy?",
    group="marketing",
    eligibility=(Eligibility("n_occasions", 3, "too_few_orders"),),
    features=(
        Feature("expected_weekend_share"),
        Feature("expected_business_hours_share", needs=_TIME_OF_DAY),
        Feature("expected_evening_share", needs=_TIME_OF_DAY),
    ),
    rules=(
        Rule(
            "holiday_shopper",
            "buy mostly in November and December, the year through",
            ((at_least("mostly_nov_dec_chance", _SURE), at_most("nov_dec_day_share", 0.4)),),
            chance="mostly_nov_dec_chance",
            claim=(above("nov_dec_occasion_share", 0.5),),
        ),
        Rule(
            "weekend_shopper",
            "buy mostly at weekends",
            ((at_least("mostly_weekend_chance", _SURE),),),
            chance="mostly_weekend_chance",
            claim=(above("weekend_occasion_share", 0.5),),
        ),
        Rule(
            "weekday_daytime",
            "buy mostly in working hours",
            ((at_least("mostly_business_hours_chance", _SURE),),),
            chance="mostly_business_hours_chance",
            claim=(above("business_hours_occasion_share", 0.5),),
            needs=_TIME_OF_DAY,
        ),
        Rule(
            "evening_shopper",
            "buy mostly in the evening",
            ((at_least("mostly_evening_chance", _SURE),),),
            chance="mostly_evening_chance",
            claim=(above("evening_occasion_share", 0.5),),
            needs=_TIME_OF_DAY,
        ),
        Rule(
            "seasonal",
            "buy at least half of the time in the same two months of the year",
            (
                (
                    at_least("best_months_share", 0.5),
                    at_most("best_months_day_share", 1 / 3),
                    below("best_months_chance", 0.05),
                ),
            ),
            chance="best_months_chance",
            is_complement=True,
            claim=(at_least("best_months_share", 0.5),),
        ),
        Rule(
            "year_round",
            "have bought in six months of the year or more",
            ((at_least("n_calendar_months", _MONTHS_OF_YEAR_ROUND),),),
            claim=(at_least("n_calendar_months", _MONTHS_OF_YEAR_ROUND),),
        ),
        Rule(
            "no_fixed_time",
            "show no day, hour or season beyond chance so far",
            (),
            claim=(at_most("weekend_occasion_share", 0.75),),
        ),
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
    has_groups=False,
    features=(
        Feature("tenure_days", "log"),
        Feature("active_days", "log"),
        Feature("recency_days", "log"),
        Feature("n_occasions", "log"),
    ),
    rules=(
        Rule(
            "new",
            "bought for the first time in the last 90 days",
            ((at_most("tenure_days", 90),),),
            claim=(at_most("tenure_days", 90),),
        ),
        Rule(
            "dormant",
            "have not bought for over 60 days, and far longer than expected, or for over a year",
            (
                (above("recency_days", 365),),
                (above("recency_days", 60), above("recency_in_expected_gaps", 2.5)),
            ),
            claim=(above("recency_days", 60),),
        ),
        Rule(
            "mature",
            "have bought often, for nine months or more, and are not long overdue",
            (
                (
                    at_least("tenure_days", 270),
                    Condition(
                        "n_occasions",
                        "at_least",
                        learnt=Learnt(quantile=0.6, least=4, among="tenure_days", among_above=90),
                    ),
                ),
            ),
            claim=(
                at_least("tenure_days", 270),
                at_least("n_occasions", 4),
                at_most("recency_days", 180),
            ),
        ),
        Rule(
            "established",
            "have bought three times or more in half a year or longer, and are not long overdue",
            ((at_least("tenure_days", 180), at_least("n_occasions", 3)),),
            claim=(
                at_least("tenure_days", 180),
                at_least("n_occasions", 3),
                at_most("recency_days", 365),
            ),
        ),
        Rule(
            "developing",
            "are past their first 90 days, with fewer than three days with an order or less than "
            "half a year, and not long overdue",
            (),
            claim=(above("tenure_days", 90), at_most("recency_days", 180)),
        ),
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
                Claim("recency_in_expected_gaps", "below", value=1.8),
            ),
        ),
        Prototype(
            "established",
            "have been buying for a while and still do",
            {"tenure_days": 0.3, "recency_days": -0.2, "active_days": 0.5, "n_orders": 0.3},
            (
                Claim("tenure_days", "above", quantile=0.3),
                Claim("n_orders", "above", value=1),
                Claim("recency_in_expected_gaps", "below", value=1.5),
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
                Claim("recency_in_expected_gaps", "below", value=1.5),
            ),
        ),
        Prototype(
            "dormant",
            "have not bought for a long time",
            {"recency_days": 1.2, "n_orders": -0.5, "active_days": -0.5},
            (
                Claim("recency_days", "above", quantile=0.5),
                Claim("recency_days", "above", value=60),
                Claim("recency_in_expected_gaps", "above", value=1.8),
            ),
        ),
    ),
)
