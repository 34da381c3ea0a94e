"""Axes of a model by hand, one of each kind: tiers, rules and groups, on priors of a made shop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from segpipe.axes import Condition, Eligibility
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core.schema import Reference
from segpipe.model.derived import DERIVED_MEASURES
from segpipe.model.document import UNAVAILABLE, AxisModel, Model, Segment
from segpipe.model.preprocessing import FeatureScale
from segpipe.model.priors import SHARES, BetaPrior, GammaPrior, NormalPrior, Priors
from segpipe.model.rules import Ladder, RuleList, SegmentRule

PRIORS = Priors(
    median_gap_days=30.0,
    shares={name: BetaPrior(0.3, 4.0, 20.0) for name in SHARES},
    rates={
        "occasions": GammaPrior(1.2, 1.0, 30.0),
        "extra_products": GammaPrior(0.8, 1.5, 9.0),
        "tickets": GammaPrior(0.5, 2.0, 9.0),
    },
    means={
        "price_position": NormalPrior(0.02, 3.0, 12.0),
        "satisfaction": NormalPrior(3.8, 2.0, 5.0),
    },
    discount_share=0.08,
)


def segment(number: int, name: str) -> Segment:
    return Segment(number, name, f"are {name}", (), "", {}, 0.2)


def axis_model(
    name: str,
    names: Sequence[str],
    rules: RuleList | None,
    eligibility: Sequence[Eligibility] = (),
    default_state: str = UNAVAILABLE,
) -> AxisModel:
    """An axis by rules, with these segments."""
    return AxisModel(
        name=name,
        group="marketing",
        verdict="tiers" if rules and rules.ladder else "rules",
        reason=None,
        silhouette=None,
        eligibility=tuple(eligibility),
        scales=(),
        segments=tuple(segment(i, own) for i, own in enumerate(names, 1)),
        default_state=default_state,
        rules=rules,
        priors=PRIORS,
    )


def at_least(measure: str, bound: float) -> Condition:
    return Condition(measure, "at_least", bound)


def below(measure: str, bound: float) -> Condition:
    return Condition(measure, "below", bound)


def tier_rules(
    measure: str, cuts: Sequence[float], also: Sequence[Condition] = (), first: int = 0
) -> tuple[SegmentRule, ...]:
    """The tiers from the top down; `also` is of the top one. `first` segments stand before them."""
    found = []
    for tier in range(len(cuts), -1, -1):
        conditions = [at_least(measure, cuts[tier - 1])] if tier else []
        conditions += also if tier == len(cuts) else ()
        found.append(
            SegmentRule(first + tier, (tuple(conditions),) if conditions else (), tier=tier)
        )
    return tuple(found)


def ladder(measure: str, cuts: Sequence[float], ranks: Sequence[tuple[float, float]]) -> Ladder:
    figures, shares = zip(*ranks, strict=True)
    below = tuple(np.interp(cuts, figures, shares).tolist())
    return Ladder(measure, cuts[0], tuple(cuts), below, tuple(ranks))


VALUE_CUTS = (200.0, 600.0, 1500.0)
VALUE = axis_model(
    "purchase_value",
    ("low_value", "mid_tier", "high_value", "whale"),
    RuleList(
        tier_rules("lifetime_value", VALUE_CUTS),
        ladder(
            "lifetime_value",
            VALUE_CUTS,
            [(0.0, 0.0), (200.0, 0.25), (600.0, 0.6), (1500.0, 0.95), (9000.0, 1.0)],
        ),
    ),
    (Eligibility("lifetime_value", 0.01, "no_value"),),
)
RATE_CUTS = (0.4, 1.0)
FREQUENCY = axis_model(
    "purchase_frequency",
    ("rare", "regular", "frequent"),
    RuleList(
        tier_rules("expected_occasions_per_month", RATE_CUTS),
        ladder(
            "expected_occasions_per_month",
            RATE_CUTS,
            [(0.05, 0.0), (0.4, 0.3), (1.0, 0.8), (6.0, 1.0)],
        ),
    ),
    (Eligibility("n_occasions", 2, "one_time_buyer"),),
)
DISCOUNT_CUTS = (0.05, 0.12)
PRICE = axis_model(
    "price_sensitivity",
    ("occasional_deal", "discount_aware", "deal_hunter"),
    RuleList(
        tier_rules(
            "expected_discount_share",
            DISCOUNT_CUTS,
            (Condition("discounted_order_share", "above", 0.5),),
        ),
        ladder("expected_discount_share", DISCOUNT_CUTS, [(0.0, 0.0), (0.05, 0.4), (0.4, 1.0)]),
    ),
    (
        Eligibility(
            "n_discounted_orders", 1, "no_discount_yet", ("discount",), (below("n_orders", 3),)
        ),
        Eligibility("n_discounted_orders", 1, "full_price_buyer", ("discount",)),
    ),
)
WIDTH_CUTS = (3.0, 6.0)
WIDTH = axis_model(
    "category_exploration",
    ("category_loyal", "focused", "mixed", "multi_category"),
    RuleList(
        (
            SegmentRule(
                0, ((at_least("mostly_one_category_chance", 0.8),),), "mostly_one_category_chance"
            ),
            *tier_rules("n_categories", WIDTH_CUTS, first=1),
        ),
        ladder("n_categories", WIDTH_CUTS, [(1.0, 0.0), (3.0, 0.35), (6.0, 0.7), (12.0, 1.0)]),
    ),
    (Eligibility("n_lines", 2, "too_few_purchases"),),
)
CADENCE = axis_model(
    "purchase_cadence",
    ("holiday_shopper", "weekend_shopper", "weekday_daytime", "seasonal", "year_round"),
    RuleList(
        (
            SegmentRule(
                0,
                (
                    (
                        at_least("mostly_nov_dec_chance", 0.8),
                        Condition("nov_dec_day_share", "at_most", 0.4),
                    ),
                ),
                "mostly_nov_dec_chance",
            ),
            SegmentRule(1, ((at_least("mostly_weekend_chance", 0.8),),), "mostly_weekend_chance"),
            SegmentRule(
                2,
                ((at_least("mostly_business_hours_chance", 0.8),),),
                "mostly_business_hours_chance",
            ),
            SegmentRule(
                3,
                ((at_least("best_months_share", 0.5), below("best_months_chance", 0.05)),),
                "best_months_chance",
                is_complement=True,
            ),
            SegmentRule(4, ((at_least("n_calendar_months", 6),),)),
        )
    ),
    (Eligibility("n_occasions", 3, "too_few_orders"),),
    "no_fixed_time",
)
TRAJECTORY = axis_model(
    "loyalty_trajectory",
    ("lapsed", "growing", "declining", "steady"),
    RuleList(
        (
            SegmentRule(
                0,
                (
                    (at_least("recency_days", 14), below("silence_chance", 0.05)),
                    (
                        at_least("recency_days", 14),
                        Condition("recency_in_expected_gaps", "above", 4.0),
                    ),
                ),
            ),
            SegmentRule(1, ((Condition("order_trend_z", "above", 1.645),),)),
            SegmentRule(2, ((below("order_trend_z", -1.645),),)),
            SegmentRule(3, ()),
        )
    ),
    (Eligibility("n_occasions", 3, "too_early_to_tell"),),
)
GROUPS = AxisModel(
    name="repurchase_behavior",
    group="marketing",
    verdict="groups",
    reason=None,
    silhouette=0.6,
    eligibility=(Eligibility("n_later_lines", 1, "single_order"),),
    scales=(
        FeatureScale("expected_repeat_line_share", "identity", 0.3, 0.0, 1.0, 0.3, 0.2),
        FeatureScale("expected_gap_days", "log", 30.0, 0.7, 6.0, 3.4, 0.8),
    ),
    segments=(segment(1, "variety_seeker"), segment(2, "loyal_rebuyer")),
    default_state=UNAVAILABLE,
    partition=CentroidPartition(((-0.8, 0.4), (1.1, -0.3))),
    priors=PRIORS,
)
# One rule a derived measure, which is then a strength: every measure is compared to the last bit.
EVERY_MEASURE = tuple(
    axis_model(
        f"of_{name}",
        ("known",),
        RuleList((SegmentRule(0, ((Condition(name, "above", -1e9),),), name),)),
        default_state="unknown",
    )
    for name in DERIVED_MEASURES
)
AXES = (VALUE, FREQUENCY, PRICE, WIDTH, CADENCE, TRAJECTORY, GROUPS)


def model_of(
    axes: Sequence[AxisModel],
    inputs: Sequence[str] = (),
    reference: Reference | None = None,
    timezone: str = "UTC",
) -> Model:
    reference = reference or Reference(date(2025, 3, 1), {}, 1.0, (), 30.0)
    return Model(1, tuple(inputs), timezone, reference, tuple(axes))
