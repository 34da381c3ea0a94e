"""The verdict: planted groups with names that hold, and none where there are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from segpipe.axes import AXES, Condition, Feature, Rule, Tier
from segpipe.clustering.choose_k import by_value, choose_partition
from segpipe.clustering.valley import ENTER
from segpipe.core.arrays import Floats
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.groups import find_groups, name_by_kind, name_by_order, share_meeting
from segpipe.discovery.trial import Trial, with_valleys
from segpipe.model.document import AxisModel
from segpipe.model.preprocessing import FeatureScale
from tests.support.samples import discover_one, sample_of

BY_NAME = {axis.name: axis for axis in AXES}
PRICE, CADENCE, MATURITY = (
    BY_NAME[name] for name in ("price_sensitivity", "purchase_cadence", "customer_maturity")
)
SETTINGS = ClusterSettings(restarts=4)
DISCOUNT = frozenset({"discount"})
LADDER = tuple(
    Tier(name, f"are {name}", top) for name, top in (("low", 0.4), ("mid", 0.8), ("top", 1.0))
)
MAIN = Feature("lifetime_value", "log")
Columns = dict[str, Floats]
Draw = np.random.Generator


def _discounts(draw: Draw, middles: Floats, spread: float = 0.02) -> Columns:
    """Customers of many orders whose savings lie about the given shares."""
    n = len(middles)
    orders = np.full(n, 60.0)
    saved = np.clip(middles + draw.normal(0, spread, n), 0.001, 0.99)
    used = np.clip(np.rint(orders * np.clip(saved * 2.2 + draw.normal(0, 0.05, n), 0, 1)), 1, 60)
    return {
        "n_orders": orders,
        "n_occasions": orders,
        "tenure_days": np.full(n, 700.0),
        "n_discounted_orders": used,
        "discounted_order_share": used / orders,
        "discount_amount_share": saved,
        "mean_discount_share": saved,
    }


def _price(columns: Columns, method: str = "auto") -> AxisModel:
    settings = replace(SETTINGS, method=method)
    return discover_one(PRICE, sample_of(columns), DISCOUNT, settings)


@pytest.mark.parametrize(
    ("shares", "names"),
    [
        # More than half of their orders have a discount, however many they are.
        ((0.5, 0.5), ["occasional_deal", "deal_hunter"]),
        ((0.7, 0.3), ["occasional_deal", "deal_hunter"]),
    ],
)
def test_two_planted_groups_are_found_under_names_that_hold(
    shares: tuple[float, float], names: list[str]
) -> None:
    draw = np.random.default_rng(4)
    kind = draw.permutation(np.repeat([0, 1], [round(1000 * share) for share in shares]))
    model = _price(_discounts(draw, np.where(kind == 0, 0.06, 0.42), 0.04))
    assert model.verdict == "groups"
    assert model.reason is not None
    by_median = sorted(model.segments, key=lambda s: s.medians["discount_amount_share"])
    assert [segment.name for segment in by_median] == names
    assert sorted(s.sample_share for s in model.segments) == pytest.approx(sorted(shares), abs=0.02)
    assert all(segment.holds for segment in model.segments)
    assert all(segment.meaning and not segment.claims for segment in model.segments)


def test_groups_are_never_asked_for_by_the_method_of_tiers() -> None:
    draw = np.random.default_rng(4)
    columns = _discounts(draw, np.repeat([0.06, 0.42], 500))
    tiers = _price(columns, "tiers")
    assert (tiers.verdict, tiers.reason) == ("tiers", "as the settings ask (--method tiers)")
    assert _price(columns, "auto").verdict == "groups"


def test_four_groups_on_a_ladder_of_three_names_become_tiers() -> None:
    draw = np.random.default_rng(4)
    values = np.repeat([10.0, 100.0, 1000.0, 10000.0], 300) * draw.lognormal(0, 0.2, 1200)
    axis = replace(BY_NAME["purchase_value"], tiers=LADDER, features=(MAIN,), has_groups=True)
    model = discover_one(axis, sample_of({"lifetime_value": values}), frozenset(), SETTINGS)
    assert model.verdict == "tiers"
    assert model.reason == "4 separate groups, but no name holds for one of them"
    four = (*LADDER[:2], Tier("good", "", 0.9), LADDER[2])
    axis = replace(axis, tiers=four)
    model = discover_one(axis, sample_of({"lifetime_value": values}), frozenset(), SETTINGS)
    assert model.verdict == "groups"
    assert {segment.name for segment in model.segments} == {"low", "mid", "good", "top"}


def test_two_groups_of_which_neither_mostly_buys_at_a_discount_have_no_deal_hunters() -> None:
    """The upper name asks more than half of the orders; where it fails, no group has a name."""
    draw = np.random.default_rng(4)
    columns = _discounts(draw, np.repeat([0.02, 0.16], 500), 0.008)
    columns["discounted_order_share"] = np.minimum(columns["discounted_order_share"], 0.4)
    model = _price(columns)
    assert "deal_hunter" not in {s.name for s in model.segments} or model.verdict == "tiers"


def test_fewer_than_200_customers_are_never_groups() -> None:
    draw = np.random.default_rng(4)
    for n, verdict in ((95, "tiers"), (120, "groups")):
        model = _price(_discounts(draw, np.repeat([0.06, 0.42], n)))
        assert model.verdict == verdict
    few = _price(_discounts(draw, np.repeat([0.06, 0.42], 95)))
    assert few.reason is not None
    assert "190, 200 are needed" in few.reason


def _coin(draw: Draw, n: int) -> Columns:
    """Everybody tosses the same coin for each order: shares k of n, of few orders."""
    orders = draw.poisson(4, n) + 2.0
    used = draw.binomial(orders.astype(int), 0.3).astype(float)
    return {
        "n_orders": orders,
        "n_occasions": orders,
        "n_discounted_orders": used,
        "discounted_order_share": used / orders,
        "discount_amount_share": 0.2 * used / orders,
    }


@pytest.mark.parametrize("seed", range(6))
def test_tosses_of_one_coin_are_no_groups_and_no_tiers(seed: int) -> None:
    model = _price(_coin(np.random.default_rng(seed), 1500))
    assert model.verdict == "unavailable"
    assert model.reason is not None
    assert "do not differ" in model.reason


@pytest.mark.parametrize("seed", range(6))
def test_weekends_by_one_coin_make_no_weekend_shoppers(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n = 1500
    occasions = draw.poisson(5, n) + 3.0
    columns = {"n_occasions": occasions, "n_orders": occasions}
    for kind in ("weekend", "business_hours", "evening", "nov_dec"):
        columns[f"n_{kind}_occasions"] = draw.binomial(occasions.astype(int), 0.3).astype(float)
    columns["n_calendar_months"] = np.minimum(occasions, 5.0)
    model = discover_one(CADENCE, sample_of(columns), frozenset({"time_of_day"}), SETTINGS)
    assert model.verdict == "rules"
    shares = {segment.name: segment.sample_share for segment in model.segments}
    named = ("weekend_shopper", "weekday_daytime", "evening_shopper", "holiday_shopper")
    assert all(shares.get(name, 0.0) == 0.0 for name in named)


FAMILIES: dict[str, Callable[[Draw, int], Floats]] = {
    "normal": lambda draw, n: draw.normal(0.2, 0.05, n),
    "skewed": lambda draw, n: draw.lognormal(-2, 0.5, n),
    "uniform": lambda draw, n: draw.uniform(0.02, 0.5, n),
    "beta": lambda draw, n: draw.beta(1.5, 6, n),
    "exponential": lambda draw, n: draw.exponential(0.1, n) + 0.005,
    "heavy tails": lambda draw, n: np.abs(0.2 + 0.03 * draw.standard_t(4, n)),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(3))
def test_a_continuum_makes_tiers(family: str, seed: int) -> None:
    draw = np.random.default_rng([seed, len(family)])
    model = _price(_discounts(draw, np.clip(FAMILIES[family](draw, 1000), 0.005, 0.95), 0.0))
    assert model.verdict == "tiers"


def test_stages_are_never_groups_however_far_apart() -> None:
    far = np.repeat([20.0, 700.0], 300)
    columns = {"tenure_days": far, "recency_days": np.repeat([10.0, 15.0], 300)}
    columns["n_occasions"] = np.repeat([2.0, 40.0], 300)
    model = discover_one(MATURITY, sample_of(columns), frozenset(), SETTINGS)
    assert model.verdict == "rules"
    assert model.reason == "stages by definition"


def test_bounds_between_groups_lie_where_fewest_are_on_the_wrong_side() -> None:
    values = np.array([1.0, 2.0, 3.0, 9.0, 4.0, 20.0, 21.0, 22.0])
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    named = name_by_order(LADDER, MAIN, labels, 2, {"lifetime_value": values}, np.ones(8))
    assert named is None  # one of four lies beyond
    values[[3, 4]] = 4.0, 9.0
    named = name_by_order(LADDER, MAIN, labels, 2, {"lifetime_value": values}, np.ones(8))
    assert named is not None
    assert [n.name for n in named] == ["low", "mid"]
    assert named[0].holds == (Condition("lifetime_value", "below", 6.5),)
    assert named[1].holds == (Condition("lifetime_value", "at_least", 6.5),)


def test_groups_are_named_by_the_order_of_their_medians_whatever_their_numbers() -> None:
    values, labels = np.repeat([50.0, 5.0, 500.0], 10), np.repeat([0, 1, 2], 10)
    values = values + np.tile(np.arange(10) / 10, 3)
    named = name_by_order(LADDER, MAIN, labels, 3, {"lifetime_value": values}, np.ones(30))
    assert named is not None
    assert [n.name for n in named] == ["mid", "low", "top"]


def test_a_name_whose_absolute_figure_does_not_hold_is_given_to_no_group() -> None:
    values, labels = np.repeat([50.0, 5.0, 500.0], 10), np.repeat([0, 1, 2], 10)
    ladder = (*LADDER[:2], replace(LADDER[2], at_least=1000.0))
    columns = {"lifetime_value": values}
    assert name_by_order(ladder, MAIN, labels, 3, columns, np.ones(30)) is None


KINDS = (
    Rule("weekend", "", (), claim=(Condition("weekend_order_share", "above", 0.5),)),
    Rule("evening", "", (), claim=(Condition("evening_order_share", "above", 0.5),)),
    Rule("rest", "", ()),
)


def test_a_kind_is_given_to_a_group_of_which_four_in_five_meet_its_claim() -> None:
    weekend = np.concatenate([np.repeat([0.9, 0.1], [8, 2]), np.full(10, 0.1)])
    evening = np.concatenate([np.full(10, 0.1), np.repeat([0.9, 0.1], [9, 1])])
    columns = {"weekend_order_share": weekend, "evening_order_share": evening}
    labels = np.repeat([0, 1], 10)
    named = name_by_kind(KINDS, labels, 2, columns, np.ones(20))
    assert named is not None
    assert [n.name for n in named] == ["weekend", "evening"]
    weekend[7] = 0.1
    assert name_by_kind(KINDS, labels, 2, columns, np.ones(20)) is None
    assert name_by_kind(KINDS[2:], labels, 2, columns, np.ones(20)) is None


def test_a_kind_goes_to_one_group() -> None:
    columns = {"weekend_order_share": np.full(20, 0.9), "evening_order_share": np.full(20, 0.1)}
    assert name_by_kind(KINDS, np.repeat([0, 1], 10), 2, columns, np.ones(20)) is None


def test_members_are_counted_by_their_weight() -> None:
    columns = {"n_orders": np.array([1.0, 5.0, 5.0])}
    five = [Condition("n_orders", "at_least", 5.0)]
    mine = np.ones(3, np.bool_)
    assert share_meeting(five, columns, np.array([8.0, 1.0, 1.0]), mine) == pytest.approx(0.2)
    assert share_meeting(five, columns, np.ones(3), np.zeros(3, np.bool_)) == 1.0


WIDTH = BY_NAME["category_exploration"]
PRODUCT = frozenset({"product"})


def _width(counts: npt.NDArray[np.floating[Any]]) -> AxisModel:
    lines = counts * 3
    columns = {"n_products": counts, "n_lines": lines}
    return discover_one(WIDTH, sample_of(columns), PRODUCT, SETTINGS)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mean", [1.0, 3.0, 8.0])
def test_there_is_no_gap_between_one_count_and_the_next(mean: float, seed: int) -> None:
    """Nobody has one and a half products: that makes no groups."""
    draw = np.random.default_rng(seed)
    model = _width(draw.poisson(mean * draw.gamma(3, 1 / 3, 1500)) + 1.0)
    assert model.verdict == "tiers"


def test_counts_far_apart_are_groups() -> None:
    draw = np.random.default_rng(4)
    model = _width(np.concatenate([draw.poisson(2, 600) + 1.0, draw.poisson(40, 400) + 20.0]))
    assert model.verdict == "groups"
    assert sorted(s.sample_share for s in model.segments) == pytest.approx([0.4, 0.6], abs=0.01)


def test_a_few_customers_apart_on_other_features_make_no_groups_of_the_main_measure() -> None:
    """Their gap is not one of the main measure, which is asked for a valley of its own."""
    draw = np.random.default_rng(7)
    n, n_apart = 3000, 57
    rates = draw.lognormal(0, 0.5, n)
    others = draw.normal(0, 1, (2, n))
    others[:, :n_apart] += 12
    columns = {
        "expected_occasions_per_month": rates,
        "expected_gap_days": np.exp(others[0] / 3 + 3),
        "n_occasions": np.exp(others[1] / 3 + 3),
    }
    axis = replace(BY_NAME["purchase_frequency"], eligibility=())
    points = np.column_stack([np.log(rates), *others])
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    scales = tuple(FeatureScale(name, "identity", 0.0, -9.0, 9.0, 0.0, 1.0) for name in columns)
    order = by_value(points, np.ones(n))
    sorted_columns = {name: values[order] for name, values in columns.items()}
    chosen = choose_partition(points[order], np.ones(n), ClusterSettings(), 3)
    trial = Trial(sorted_columns, np.ones(n), scales, points[order], chosen, ())
    trial = with_valleys(trial, 3)
    assert trial.valleys is not None
    assert min(trial.valleys.all_features) < ENTER
    found = find_groups(trial, axis.main[0], axis.tiers, (), ClusterSettings(), 3)
    assert isinstance(found, str)
