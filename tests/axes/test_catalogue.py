"""The 13 axes are those that are documented, and a user's own axis is checked strictly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations
from pathlib import Path

import pytest

from segpipe.axes import AXES, MEASURES, Axis, axes_for
from segpipe.axes.catalogue import read_axis
from segpipe.axes.document import axes_markdown
from segpipe.axes.record import Feature, Prototype
from segpipe.axes.support import SUPPORT_HISTORY
from segpipe.core.errors import InputError
from segpipe.core.schema import INPUTS

ALL = (*AXES, SUPPORT_HISTORY)
ORDERS = frozenset(INPUTS) - {"tickets"}

# Name, states, segments: people write SQL against these words.
PUBLIC = {
    "purchase_frequency": (
        ["one_time_buyer"],
        ["rare", "occasional", "regular", "frequent", "constant"],
    ),
    "purchase_value": ([], ["low_value", "modest", "mid_tier", "high_value", "whale"]),
    "category_exploration": (
        ["too_few_purchases"],
        ["category_loyal", "focused", "mixed", "multi_category"],
    ),
    "price_sensitivity": (
        ["full_price_buyer"],
        ["occasional_deal", "discount_aware", "deal_hunter"],
    ),
    "purchase_cadence": (
        ["too_few_orders"],
        [
            "year_round",
            "weekend_shopper",
            "weekday_daytime",
            "evening_shopper",
            "holiday_shopper",
            "seasonal",
        ],
    ),
    "customer_maturity": ([], ["new", "developing", "established", "mature", "dormant"]),
    "repurchase_behavior": (
        ["single_order"],
        ["variety_seeker", "mixed_basket", "repeat_buyer", "loyal_rebuyer"],
    ),
    "return_behavior": (
        ["careful_buyer"],
        ["occasional_returner", "regular_returner", "frequent_returner"],
    ),
    "communication_preference": ([], ["web_first", "in_store", "assisted", "omnichannel"]),
    "problem_complexity_profile": (
        [],
        ["self_sufficient", "low_touch", "moderate_complexity", "high_complexity"],
    ),
    "loyalty_trajectory": (
        ["too_early_to_tell"],
        ["growing", "steady", "declining", "lapsed"],
    ),
    "product_knowledge": (["too_few_orders"], ["novice", "explorer", "enthusiast", "expert"]),
    "value_sophistication": (
        [],
        ["value_conscious", "balanced", "premium_seeker", "occasional_splurger"],
    ),
}


def test_the_axes_are_in_the_documented_order() -> None:
    assert [axis.name for axis in AXES] == list(PUBLIC)
    assert [axis.group for axis in AXES] == ["marketing"] * 8 + ["support"] * 5


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.name)
def test_states_and_segments_have_their_public_names(axis: Axis) -> None:
    states, segments = PUBLIC[axis.name]
    assert [rule.state for rule in axis.eligibility if ORDERS.issuperset(rule.needs)] == states
    assert [prototype.name for prototype in axis.live_prototypes(ORDERS)] == segments


def test_with_tickets_the_axis_of_channels_is_about_support() -> None:
    axis = next(axis for axis in AXES if axis.name == "communication_preference")
    with_tickets = [p.name for p in axis.live_prototypes(frozenset(INPUTS))]
    assert with_tickets == ["email_preferred", "chat_preferred", "phone_preferred", "self_service"]
    assert {f.measure for f in axis.live_features(frozenset(INPUTS))} == {
        f"ticket_{kind}_share" for kind in ("email", "chat", "phone", "self_service")
    }


def _measures_of(axis: Axis) -> Iterator[str]:
    yield from (feature.measure for feature in axis.features)
    yield from (rule.measure for rule in axis.eligibility)
    for prototype in axis.prototypes:
        yield from prototype.position
        yield from (claim.measure for claim in prototype.claims)


@pytest.mark.parametrize("axis", ALL, ids=lambda axis: axis.name)
def test_an_axis_refers_only_to_measures_and_inputs_that_exist(axis: Axis) -> None:
    assert set(_measures_of(axis)) <= set(MEASURES)
    parts: chain[Feature | Prototype] = chain(axis.features, axis.prototypes)
    asked = {need for part in parts for need in (*part.needs, *part.unless)}
    asked |= {need for rule in axis.eligibility for need in rule.needs}
    assert asked | set(axis.only_with) <= set(INPUTS)


@pytest.mark.parametrize("axis", ALL, ids=lambda axis: axis.name)
def test_names_are_unique_whatever_the_input_has(axis: Axis) -> None:
    for inputs in chain.from_iterable(combinations(INPUTS, n) for n in range(len(INPUTS) + 1)):
        names = [p.name for p in axis.live_prototypes(frozenset(inputs))]
        states = [r.state for r in axis.eligibility]
        assert len({*names, *states}) == len(names) + len(states)


@pytest.mark.parametrize("axis", ALL, ids=lambda axis: axis.name)
def test_every_name_makes_a_claim(axis: Axis) -> None:
    for prototype in axis.prototypes:
        assert prototype.claims
        for claim in prototype.claims:
            assert (claim.quantile is None) != (claim.value is None)


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


OWN = """
name = "rfm"
question = "How recent, frequent and valuable?"
min_segments = 3

[[eligibility]]
measure = "n_orders"
at_least = 1
state = "nobody"

[[features]]
measure = "recency_days"
transform = "log"

[[features]]
measure = "n_products"
needs = ["product"]

[[prototypes]]
name = "champion"
description = "are the best"
position = { recency_days = -1.0 }

[[prototypes.claims]]
measure = "recency_days"
side = "below"
quantile = 0.3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "rfm.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_an_axis_of_the_user_is_read_and_comes_last(own: Path) -> None:
    axis = axes_for(ORDERS, [own])[-1]
    assert (axis.name, axis.group, axis.min_segments) == ("rfm", "marketing", 3)
    assert axis.features == (
        Feature("recency_days", "log"),
        Feature("n_products", needs=("product",)),
    )
    assert axis.prototypes[0].claims[0].quantile == 0.3
    assert axis.prototypes[0].position == {"recency_days": -1.0}
    assert axis.eligibility[0].state == "nobody"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "rfm"', 'name = "purchase_value"', "'purchase_value' is taken"),
        ('name = "rfm"', 'name = "support_history"', "'support_history' is taken"),
        ('name = "rfm"', "", "axis file .*: name is missing"),
        ('name = "rfm"', 'nome = "rfm"', "'nome' is not a known key; known: name, question"),
        (
            '"recency_days"\ntransform',
            '"recency"\ntransform',
            "'recency'. Did you mean rec",
        ),
        ('transform = "log"', 'transform = "sqrt"', "transform is 'sqrt'; expected 'identity' or"),
        ('side = "below"', 'side = "under"', "side is 'under'; expected 'above' or 'below'"),
        ("quantile = 0.3", "quantil = 0.3", r"'quantil' is not a key of \[prototypes.claims\]"),
        ('state = "nobody"', "", "eligibility.state is missing"),
        ("[[eligibility]]", "[eligibility]", r"write each as \[\[eligibility\]\]"),
        ('name = "rfm"', 'name = "rfm"\ngroup = "sales"', "group is 'sales'; expected 'marketing'"),
        ('name = "rfm"', "name = rfm", "is not TOML"),
    ],
)
def test_a_wrong_axis_file_is_an_error_that_says_why(
    own: Path, old: str, new: str, message: str
) -> None:
    own.write_text(OWN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        axes_for(ORDERS, [own])


def test_an_axis_without_features_or_file_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.write_text('name = "x"\nquestion = "?"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"has no \[\[features\]\]"):
        read_axis(empty)
    with pytest.raises(InputError, match="no axis file"):
        read_axis(tmp_path / "none.toml")


def test_two_files_with_one_name_are_an_error(own: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin.toml"
    twin.write_text(OWN, encoding="utf-8")
    with pytest.raises(InputError, match="'rfm' is taken"):
        axes_for(ORDERS, [own, twin])
