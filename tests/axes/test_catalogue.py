"""The 13 axes are those that are documented."""

from __future__ import annotations

from itertools import chain, combinations
from pathlib import Path

import pytest

from segpipe.axes import AXES, MEASURES, Axis, axes_for
from segpipe.axes.catalogue import measures_named
from segpipe.axes.document import axes_markdown
from segpipe.axes.own_figures import own_figure
from segpipe.axes.record import Feature, Prototype, Rule, State, Tier
from segpipe.axes.support import SUPPORT_HISTORY
from segpipe.core.schema import INPUTS

ALL = (*AXES, SUPPORT_HISTORY)
ORDERS = frozenset(INPUTS) - {"tickets"}

# Name, states, segments by tier and rule: people write SQL against these words.
PUBLIC = {
    "purchase_frequency": (
        ["one_time_buyer"],
        ["rare", "occasional", "regular", "frequent", "constant"],
    ),
    "purchase_value": (
        ["no_value"],
        ["low_value", "modest", "mid_tier", "high_value", "whale"],
    ),
    "category_exploration": (
        ["too_few_purchases"],
        ["category_loyal", "focused", "mixed", "multi_category"],
    ),
    "price_sensitivity": (
        ["full_price_buyer", "no_discount_yet"],
        ["occasional_deal", "discount_aware", "deal_hunter"],
    ),
    "purchase_cadence": (
        ["too_few_orders"],
        [
            "holiday_shopper",
            "weekend_shopper",
            "weekday_daytime",
            "evening_shopper",
            "seasonal",
            "year_round",
            "no_fixed_time",
        ],
    ),
    "customer_maturity": ([], ["new", "dormant", "mature", "established", "developing"]),
    "repurchase_behavior": (
        ["single_order"],
        ["variety_seeker", "mixed_basket", "repeat_buyer", "loyal_rebuyer"],
    ),
    "return_behavior": (
        ["careful_buyer", "no_return_yet"],
        ["occasional_returner", "regular_returner", "frequent_returner"],
    ),
    "communication_preference": (
        ["too_few_orders"],
        ["web_first", "in_store", "assisted", "omnichannel"],
    ),
    "problem_complexity_profile": (
        [],
        ["self_sufficient", "low_touch", "moderate_complexity", "high_complexity"],
    ),
    "loyalty_trajectory": (
        ["too_early_to_tell"],
        ["lapsed", "growing", "declining", "steady"],
    ),
    "product_knowledge": (["too_few_orders"], ["novice", "explorer", "enthusiast", "expert"]),
    "value_sophistication": (
        [],
        ["occasional_splurger", "value_conscious", "balanced", "premium_seeker"],
    ),
}


def test_the_axes_are_in_the_documented_order() -> None:
    assert [axis.name for axis in AXES] == list(PUBLIC)
    assert [axis.group for axis in AXES] == ["marketing"] * 8 + ["support"] * 5


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.name)
def test_states_and_segments_have_their_public_names(axis: Axis) -> None:
    states, segments = PUBLIC[axis.name]
    assert _states(axis, ORDERS) == states
    assert _segments(axis, ORDERS) == segments
    # names of k-means segments are some of the same; these three are only for rules
    names = {prototype.name for prototype in axis.live_prototypes(ORDERS)}
    assert set(segments) - names <= {"no_fixed_time"}
    assert names <= set(segments)


def test_with_tickets_the_axis_of_channels_is_about_support() -> None:
    axis, inputs = _axis("communication_preference"), frozenset(INPUTS)
    kinds = ["email_preferred", "chat_preferred", "phone_preferred", "self_service"]
    assert _segments(axis, inputs) == [*kinds, "omnichannel"]
    assert [p.name for p in axis.live_prototypes(inputs)] == kinds
    assert _states(axis, inputs) == ["no_contact", "too_few_tickets"]
    assert {f.measure for f in axis.live_features(inputs)} == {
        f"expected_ticket_{kind}_share" for kind in ("email", "chat", "phone", "self_service")
    }


def test_a_shop_without_categories_has_words_for_its_products() -> None:
    products = ORDERS - {"category"}
    width, depth = _axis("category_exploration"), _axis("product_knowledge")
    assert _segments(width, products) == ["focused", "mixed", "wide_range"]
    assert width.live_main(products) == Feature("n_products", "log", ("product",), ("category",))
    assert width.live_main(frozenset()) is None
    knowledge = depth.live_main(products)
    assert knowledge
    assert knowledge.measure == "n_repeated_products"


def test_with_tickets_complexity_is_that_of_tickets() -> None:
    main = _axis("problem_complexity_profile").live_main(frozenset(INPUTS))
    assert main
    assert main.measure == "expected_tickets_per_order"


def _axis(name: str) -> Axis:
    return next(axis for axis in AXES if axis.name == name)


def _segments(axis: Axis, inputs: frozenset[str]) -> list[str]:
    """Names by rule, then by tier."""
    by_rule = [rule.name for rule in axis.live_rules(inputs)]
    return by_rule + [tier.name for tier in axis.live_tiers(inputs)]


def _states(axis: Axis, inputs: frozenset[str]) -> list[str]:
    named = [rule.state for rule in axis.eligibility if inputs.issuperset(rule.needs)]
    left = axis.live_otherwise(inputs)
    return [*dict.fromkeys(named), *([left] if left else [])]


@pytest.mark.parametrize("axis", ALL, ids=lambda axis: axis.name)
def test_an_axis_refers_only_to_measures_and_inputs_that_exist(axis: Axis) -> None:
    assert set(measures_named(axis)) <= set(MEASURES)
    parts: chain[Feature | Prototype | Rule | State | Tier] = chain(
        axis.main, axis.features, axis.prototypes, axis.rules, axis.tiers, axis.otherwise
    )
    asked = {need for part in parts for need in (*part.needs, *part.unless)}
    asked |= {need for rule in axis.eligibility for need in rule.needs}
    assert asked | set(axis.only_with) <= set(INPUTS)


@pytest.mark.parametrize("axis", ALL, ids=lambda axis: axis.name)
def test_names_are_unique_whatever_the_input_has(axis: Axis) -> None:
    for inputs in chain.from_iterable(combinations(INPUTS, n) for n in range(len(INPUTS) + 1)):
        names, states = _segments(axis, frozenset(inputs)), _states(axis, frozenset(inputs))
        assert len({*names, *states}) == len(names) + len(states)
        prototypes = [p.name for p in axis.live_prototypes(frozenset(inputs))]
        assert len(set(prototypes)) == len(prototypes)


@pytest.mark.parametrize("axis", ALL, ids=lambda axis: axis.name)
def test_every_name_makes_a_claim(axis: Axis) -> None:
    for rule in axis.rules:
        assert rule.claim
    for prototype in axis.prototypes:
        assert prototype.claims
        for claim in prototype.claims:
            assert (claim.quantile is None) != (claim.value is None)


@pytest.mark.parametrize("axis", ALL, ids=lambda axis: axis.name)
def test_every_customer_has_a_name_or_a_state(axis: Axis) -> None:
    """A ladder leaves nobody out; of rules the last holds for all, or there is a state."""
    for inputs in chain.from_iterable(combinations(INPUTS, n) for n in range(len(INPUTS) + 1)):
        tiers = axis.live_tiers(frozenset(inputs))
        if axis.tiers:
            tops = [tier.top for tier in tiers]
            assert tops == sorted(set(tops))
            assert tops[-1] == 1
            assert tiers[0].also == ()
            assert {rule.within for rule in axis.rules} <= {None, *(tier.name for tier in tiers)}
        else:
            rules = axis.live_rules(frozenset(inputs))
            is_complete = bool(rules) and not rules[-1].any_of
            assert is_complete or axis.live_otherwise(frozenset(inputs))


@pytest.mark.parametrize("axis", ALL, ids=lambda axis: axis.name)
def test_a_claim_is_about_the_customers_own_figures(axis: Axis) -> None:
    mains = [feature.measure for feature in axis.main]
    claimed = [condition.measure for rule in axis.rules for condition in rule.claim]
    for name in (*map(own_figure, mains), *claimed):
        assert name == "recency_in_expected_gaps" or own_figure(name) == name
        assert not name.endswith("_chance")


def test_every_expected_figure_has_one_of_the_customers_own() -> None:
    expected = [name for name in MEASURES if name.startswith("expected_")]
    assert expected
    for name in expected:
        assert own_figure(name) in MEASURES
        assert not own_figure(name).startswith("expected_")
    assert own_figure("n_categories") == "n_categories"


def test_stages_directions_and_the_best_customers_are_never_groups() -> None:
    assert [axis.name for axis in ALL if not axis.has_groups] == [
        "purchase_value",
        "customer_maturity",
        "loyalty_trajectory",
    ]


def test_a_measure_is_described_in_words() -> None:
    for name, measure in MEASURES.items():
        assert measure.name == name
        assert measure.label
        assert measure.definition


def test_the_fourteenth_axis_exists_only_with_tickets() -> None:
    assert axes_for(ORDERS) == AXES
    assert axes_for(frozenset(INPUTS)) == (*AXES, SUPPORT_HISTORY)


def test_an_axis_lists_the_inputs_that_it_lacks() -> None:
    axis = next(axis for axis in AXES if axis.name == "category_exploration")
    assert axis.live_features(frozenset()) == ()
    assert axis.missing_inputs(frozenset()) == ("category", "product")
    assert axis.missing_inputs(frozenset({"category"})) == ("product",)


def test_docs_axes_md_is_made_from_the_records() -> None:
    written = Path(__file__).parents[2] / "docs" / "axes.md"
    assert written.read_text(encoding="utf-8") == axes_markdown(), "run: make docs"
