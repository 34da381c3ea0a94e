"""Explaining tiers, rules and groups: which figure, which bound, which change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segpipe.answers.explanation import plain_explanation
from segpipe.axes import Condition
from segpipe.model.assign import Tally, as_published, assign_axis
from segpipe.model.document import AxisModel
from segpipe.model.explain import explain
from segpipe.model.explanation import AxisExplanation
from segpipe.model.explanation_text import explanation_lines
from tests.support.axis_models import (
    AXES,
    CADENCE,
    FREQUENCY,
    GROUPS,
    PRICE,
    TRAJECTORY,
    VALUE,
    WIDTH,
    model_of,
)

FIGURES = {
    "lifetime_value": 1204.0,
    "n_orders": 11.0,
    "n_occasions": 10.0,
    "tenure_days": 400.0,
    "recency_days": 41.0,
    "n_discounted_orders": 5.0,
    "discounted_order_share": 5 / 11,
    "discount_amount_share": 0.2,
    "n_lines": 20.0,
    "n_categories": 4.0,
    "n_category_lines": 20.0,
    "n_top_category_lines": 14.0,
    "n_weekend_occasions": 6.0,
    "n_business_hours_occasions": 3.0,
    "n_nov_dec_occasions": 2.0,
    "nov_dec_day_share": 0.17,
    "n_best_months_occasions": 4.0,
    "best_months_day_share": 0.2,
    "n_calendar_months": 4.0,
    "n_earlier_occasions": 4.0,
    "n_later_occasions": 5.0,
    "n_later_lines": 15.0,
    "n_repeat_lines": 8.0,
}


def _explained(axis: AxisModel, **changed: float | None) -> AxisExplanation:
    return explain(model_of([axis]), {**FIGURES, **changed})[0]


def _lines(axis: AxisModel, **changed: float | None) -> list[str]:
    return explanation_lines(_explained(axis, **changed), model_of([axis]).measure)


def test_a_tier_is_explained_by_its_bounds_rank_and_the_next_cut() -> None:
    assert _lines(VALUE) == [
        "purchase_value: high_value (strength 0.66)",  # 604 of the way to 1,500, by rank
        "such customers are high_value",
        "has spent 1,204 in total; the tier is from 600 to below 1,500",
        "a higher figure than 83% of customers have",
        "would be whale with lifetime value: 1,500 or more (now 1,204), all else as it is",
    ]
    assert "the tier is below 200" in _lines(VALUE, lifetime_value=120)[2]
    top = _lines(VALUE, lifetime_value=2000)
    assert "the tier begins at 1,500" in top[2]
    assert "high_value with lifetime value: 1,499.99 or less (now 2,000)" in top[-1]


def test_a_tier_of_a_derived_measure_changes_with_a_raw_one() -> None:
    found = _explained(FREQUENCY)
    assert found.tier is not None
    assert (found.name, found.tier.measure) == ("regular", "expected_occasions_per_month")
    assert found.flip is not None
    # (n - 1 + 1.2) / (400 / 30.4375 + 1) reaches 1 at 13.94 days with an order.
    assert (found.flip.segment, found.flip.measure, found.flip.value) == (
        "frequent",
        "n_occasions",
        14,
    )


def test_a_tier_whose_other_condition_fails_says_so() -> None:
    lines = _lines(PRICE)
    assert lines[0].startswith("price_sensitivity: discount_aware")
    assert "the tier begins at 5%" in lines[2]
    assert "not deal_hunter: has a discount on 45% of orders (more than 50% is asked)" in lines


def test_a_rule_is_explained_by_its_figure_and_the_bound() -> None:
    found = _explained(WIDTH, n_top_category_lines=18.0)
    assert found.rule is not None
    assert found.tier is None
    assert [(a.measure, a.side, a.bound, a.is_met) for a in found.rule.asked] == [
        ("mostly_one_category_chance", "at_least", 0.8, True)
    ]
    lines = explanation_lines(found, model_of([WIDTH]).measure)
    assert (
        "for it: buys mostly in one category, with 99.9% certainty (80% or more is asked)" in lines
    )


def test_rules_that_nearly_held_are_named() -> None:
    lines = _lines(CADENCE, n_weekend_occasions=7.0, n_calendar_months=7.0)
    assert lines[0] == "purchase_cadence: year_round (strength 1.00)"
    assert any(line.startswith("not weekend_shopper: buys mostly at the weekend") for line in lines)
    assert "8 or more (now 7)" in lines[-1]
    assert lines[-1].startswith("would be weekend_shopper with weekend days with an order")


def test_without_a_rule_that_holds_there_are_those_that_nearly_did_and_the_change() -> None:
    found = _explained(CADENCE, n_calendar_months=5.0)
    assert (found.kind, found.name, found.strength) == ("state", "no_fixed_time", 1.0)
    lines = explanation_lines(found, model_of([CADENCE]).measure)
    assert lines[:3] == [
        "purchase_cadence: no_fixed_time",
        "no rule of the axis holds",
        "not year_round: ordered in 5 months of the year (6 or more is asked)",
    ]
    assert lines[-1].startswith("would be year_round with months of the year with an order: 6")


def test_more_days_in_one_half_are_fewer_in_the_other() -> None:
    found = _explained(TRAJECTORY)
    assert found.name == "steady"
    assert found.flip is not None
    # (8 - 1) / sqrt(10) is above 1.645, (7 - 2) / sqrt(10) is not.
    assert (found.flip.segment, found.flip.measure, found.flip.value) == (
        "growing",
        "n_later_occasions",
        8,
    )
    assert [(one.measure, one.value, one.now) for one in found.flip.along] == [
        ("n_earlier_occasions", 1, 4)
    ]
    last = _lines(TRAJECTORY)[-1]
    assert "half: 8 or more (now 5), and so " in last
    assert last.endswith("half: 1 or fewer (now 4), all else as it is")


def test_a_kind_that_takes_another_ones_place_says_so() -> None:
    few = {"n_weekend_occasions": 2.0, "n_business_hours_occasions": 8.0}
    found = _explained(CADENCE, **few)
    assert found.flip is not None
    moved = {one.measure: one.value for one in found.flip.along}
    assert _assigned(CADENCE, {**FIGURES, **few, found.flip.measure: found.flip.value, **moved})[
        0
    ] == (found.flip.segment)
    taken = [
        v for k, v in {**few, found.flip.measure: found.flip.value, **moved}.items() if k in few
    ]
    assert sum(taken) <= FIGURES["n_occasions"]


def test_a_state_of_few_says_with_what_it_would_be_the_other_state() -> None:
    assert _lines(PRICE, n_discounted_orders=0.0, n_orders=2.0) == [
        "price_sensitivity: no_discount_yet",
        "has 0 discounted orders, and 1 is needed: 1 more discounted order would end this",
        "has 2 orders; would be full_price_buyer with orders: 3 or more",
    ]
    assert len(_lines(PRICE, n_discounted_orders=0.0)) == 2


def test_a_group_says_whether_its_name_is_met() -> None:
    held = tuple(
        replace(segment, holds=(Condition("n_repeat_lines", "at_least", 9),))
        for segment in GROUPS.segments
    )
    lines = _lines(replace(GROUPS, segments=held))
    assert lines[0].startswith("repurchase_behavior: loyal_rebuyer")
    assert (
        "unlike most of the segment: has 8 order lines of products bought before"
        " (9 or more is asked)" in lines
    )


def test_the_document_has_the_old_keys_and_the_new_ones() -> None:
    document = plain_explanation(_explained(VALUE))
    assert (document["from"], document["below"]) == (600.0, 1500.0)
    assert document["rank"] == pytest.approx(0.6 + 0.35 * 604 / 900)
    assert document["rule"]["segment"] == "high_value"
    assert document["figures"][0]["value"] == 1204.0
    assert document["flip"]["segment"] == "whale"
    old = {"axis", "kind", "name", "strength", "meaning", "reason", "ends_with", "runner_up"}
    assert old | {"figures", "flip", "nearly"} <= set(document)
    state = plain_explanation(_explained(VALUE, lifetime_value=0.0))
    assert (state["kind"], state["rule"], state["from"]) == ("state", None, None)


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.name)
@pytest.mark.parametrize("seed", range(12))
def test_the_answer_is_that_of_assignment_and_the_flip_is_the_first_step(
    axis: AxisModel, seed: int
) -> None:
    figures = _made(seed)
    found = explain(model_of([axis]), figures)[0]
    name, strength = _assigned(axis, figures)
    assert (found.name, found.strength) == (name, strength)
    flip = found.flip
    if flip is None:
        return
    assert flip.segment != name
    along = {one.measure: one.value for one in flip.along}
    assert _assigned(axis, {**figures, flip.measure: flip.value, **along})[0] == flip.segment
    if along:
        return
    own = figures[flip.measure]
    for value in np.arange(min(own, flip.value), max(own, flip.value)):
        if value != flip.value and flip.measure.startswith("n_"):
            between = _assigned(axis, {**figures, flip.measure: float(value)})[0]
            states = axis.vocabulary()[len(axis.segments) :]
            assert between in (name, *states), "a smaller step leads elsewhere, too"


def _assigned(axis: AxisModel, figures: dict[str, float]) -> tuple[str, float]:
    columns = {name: np.array([value]) for name, value in figures.items()}
    codes, strengths = assign_axis(axis, columns, 1, Tally())
    return axis.vocabulary()[codes[0]], float(as_published(strengths)[0])


def _made(seed: int) -> dict[str, float]:
    """Figures that fit together."""
    rng = np.random.default_rng(seed)

    def drawn(low: float, high: float) -> float:
        return float(rng.integers(int(low), int(high)))

    n = drawn(2, 30)
    tenure = drawn(int(n) + 5, 900)
    recency = drawn(0, int(tenure - n))
    weekend = drawn(0, n + 1)
    lines = drawn(n, 3 * n + 1)
    later = drawn(0, n)
    return {
        **FIGURES,
        "lifetime_value": float(rng.uniform(10, 2000)),
        "n_orders": n,
        "n_occasions": n,
        "tenure_days": tenure,
        "recency_days": recency,
        "n_discounted_orders": drawn(0, n),
        "discount_amount_share": float(rng.uniform(0, 0.4)),
        "discounted_order_share": float(rng.uniform(0, 1)),
        "n_lines": lines,
        "n_category_lines": lines,
        "n_top_category_lines": drawn(1, lines + 1),
        "n_categories": drawn(1, 9),
        "n_weekend_occasions": weekend,
        "n_business_hours_occasions": drawn(0, n - weekend + 1),
        "n_nov_dec_occasions": drawn(0, n + 1),
        "n_best_months_occasions": drawn(1, n + 1),
        "n_calendar_months": drawn(1, min(12, n) + 1),
        "n_later_occasions": later,
        "n_earlier_occasions": n - 1 - later,
        "n_later_lines": lines - 1,
        "n_repeat_lines": drawn(0, lines),
    }
