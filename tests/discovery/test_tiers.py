"""Tiers: natural breaks with names by order, cuts at which the names are true, and laws of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.axes import AXES, Condition, Eligibility, Feature, Learnt, Tier
from segpipe.core.arrays import Floats
from segpipe.discovery.tiers import Tiers, Values, make_tiers, middle_ranks, name_by_rank
from segpipe.model.document import AxisModel
from segpipe.model.preprocessing import weighted_quantile
from tests.support.samples import discover_one, sample_of

BY_NAME = {axis.name: axis for axis in AXES}
VALUE = BY_NAME["purchase_value"]
FREQUENCY = BY_NAME["purchase_frequency"]
MEASURE = Feature("lifetime_value", "signed_log")
FIVE = tuple(Tier(name, "", top=(place + 1) / 5) for place, name in enumerate("abcde"))


def _tiers(
    values: Sequence[float] | np.typing.NDArray[np.floating[Any]],
    tiers: Sequence[Tier] = FIVE,
    main: Feature = MEASURE,
    *,
    by_quantiles: bool = False,
    weights: Floats | None = None,
) -> Tiers:
    array = np.asarray(values, dtype=np.float64)
    everybody = Values(array, np.ones(len(array)) if weights is None else weights)
    fill = weighted_quantile(everybody.values, everybody.weights, 0.5)
    found = make_tiers(
        main, tiers, everybody, everybody, fill, restarts=5, seed=1, by_quantiles=by_quantiles
    )
    assert found is not None
    return found


def _names(found: Tiers) -> list[str]:
    return [tier.name for tier in found.tiers]


def _places(middles: Sequence[float], n: int = 100) -> Floats:
    draw = np.random.default_rng(2)
    return np.concatenate([middle * draw.lognormal(0, 0.05, n) for middle in middles])


@pytest.mark.parametrize("n", [4, 5])
def test_cuts_lie_in_the_gaps_between_planted_levels(n: int) -> None:
    middles = [10.0, 40.0, 160.0, 640.0, 2560.0][:n]
    found = _tiers(_places(middles))
    assert len(found.ladder.cuts) == n - 1
    for cut, (low, high) in zip(found.ladder.cuts, pairwise(middles), strict=True):
        assert low * 1.2 < cut < high / 1.2
    assert found.silhouette is not None
    assert found.silhouette > 0.8
    assert found.agreement is not None
    assert found.agreement.share == found.agreement.adjusted_rand == 1.0
    assert found.agreement.centroid_shift < 1e-9


def test_k_is_the_ladder_or_one_less_whatever_the_gaps_say() -> None:
    """Two levels have the silhouette of two, but five names make four tiers at least."""
    assert len(_tiers(_places([10.0, 1000.0])).tiers) in (4, 5)
    three = FIVE[:2] + FIVE[-1:]
    assert len(_tiers(_places([10.0, 1000.0]), three).tiers) == 3
    assert len(_tiers(_places([10.0, 1000.0]), (FIVE[1], FIVE[4])).tiers) == 2


def test_a_tier_has_the_name_in_whose_band_its_middle_customer_is() -> None:
    """Ten, ten, ten and seventy of a hundred: the last tier's middle rank is 0.65, that of `d`."""
    values = np.concatenate([np.full(10, v) for v in (1.0, 10.0, 100.0)] + [np.full(70, 1e4)])
    found = _tiers(values)
    assert middle_ranks(found.ladder.cuts, Values(values, np.ones(100))) == pytest.approx(
        [0.05, 0.15, 0.25, 0.65]
    )
    assert _names(found) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("ranks", "names"),
    [
        ([0.1, 0.3, 0.5, 0.7, 0.9], "abcde"),
        ([0.1, 0.5, 0.9], "ace"),
        ([0.3, 0.5, 0.7], "bcd"),
        ([0.02, 0.04, 0.06], "abc"),  # one name each, and in order
        ([0.95, 0.96, 0.99], "cde"),
        ([0.5], "c"),
    ],
)
def test_names_go_by_order(ranks: list[float], names: str) -> None:
    assert [tier.name for tier in name_by_rank(FIVE, ranks)] == list(names)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_names_keep_the_ladders_order_and_are_given_once(ranks: list[float]) -> None:
    places = [FIVE.index(tier) for tier in name_by_rank(FIVE, sorted(ranks))]
    assert places == sorted(set(places))
    assert len(places) == len(ranks)


def test_a_cut_moves_to_where_the_names_beside_it_are_true() -> None:
    low = (replace(FIVE[0], below=10.0), FIVE[1], replace(FIVE[2], at_least=900.0))
    found = _tiers(_places([10.0, 100.0, 1000.0]), low)
    assert found.ladder.cuts[0] == 10.0
    assert found.ladder.cuts[1] == 900.0
    assert _names(found) == ["a", "b", "c"]


def test_a_bound_of_a_name_that_no_tier_has_still_binds() -> None:
    """`b` is left out, and `a` may still not reach to where `b` could not end."""
    tiers = (FIVE[0], replace(FIVE[1], at_least=500.0), FIVE[4])
    found = _tiers(np.repeat([10.0, 1000.0], 50), tiers)
    assert len(found.tiers) == 2
    assert found.ladder.cuts[0] >= 100.0


def test_a_tier_that_its_bounds_leave_empty_goes() -> None:
    tiers = (replace(FIVE[0], below=20.0), replace(FIVE[1], below=20.0), FIVE[2])
    found = _tiers(_places([10.0, 100.0, 1000.0]), tiers)
    assert found.ladder.cuts == (20.0,)
    assert len(found.tiers) == 2
    assert found.tiers[-1].name == "c"


def test_where_the_bounds_put_everybody_into_one_tier_there_are_none() -> None:
    everybody = _places([10.0, 100.0, 1000.0])
    tiers = (replace(FIVE[0], below=2.0), replace(FIVE[1], below=2.0), FIVE[2])
    values = Values(everybody, np.ones(len(everybody)))
    found = make_tiers(
        Feature("lifetime_value"), tiers, values, values, 100.0, 5, 1, by_quantiles=False
    )
    assert found is None


def _cuts_of_frequency(middle: float) -> tuple[dict[str, float], dict[str, float]]:
    """Where each tier begins and ends, of customers about this many days with an order a month."""
    rates = middle * np.random.default_rng(5).lognormal(0, 0.5, 500)
    main = Feature("expected_occasions_per_month", "log")
    found = _tiers(rates, FREQUENCY.tiers, main)
    names, cuts = _names(found), found.ladder.cuts
    return dict(zip(names[1:], cuts, strict=True)), dict(zip(names[:-1], cuts, strict=True))


def test_nobody_is_rare_where_all_buy_often() -> None:
    begins, ends = _cuts_of_frequency(8.0)
    assert "rare" not in ends
    assert len(begins) >= 3  # the other names divide them


def test_nobody_is_frequent_where_all_buy_seldom() -> None:
    begins, ends = _cuts_of_frequency(0.03)
    assert not {"constant", "frequent"} & {*begins, *ends}
    assert set(ends) | set(begins) == {"rare", "occasional", "regular"}


def test_where_customers_buy_about_once_a_month_the_breaks_stand() -> None:
    begins, ends = _cuts_of_frequency(0.8)
    assert ends["rare"] < 0.8
    assert begins["constant"] >= 1.0


def test_a_figure_that_many_share_makes_nobody_a_whale() -> None:
    values = np.repeat([10.0, 100.0], [600, 400])
    found = _tiers(values, VALUE.tiers)
    assert "whale" not in _names(found)
    few_above = np.concatenate([values, np.full(10, 200.0)])
    found = _tiers(few_above, VALUE.tiers)
    assert _names(found)[-1] == "whale"
    assert found.ladder.cuts[-1] == 200.0


def test_the_best_of_twenty_are_whales_where_they_are_worth_three_medians() -> None:
    draw = np.random.default_rng(1)
    values = np.concatenate([draw.lognormal(4, 0.3, 950), draw.lognormal(7, 0.2, 50)])
    found = _tiers(values, VALUE.tiers)
    assert _names(found)[-1] == "whale"
    assert np.mean(values >= found.ladder.cuts[-1]) == pytest.approx(0.05, abs=0.002)
    assert found.ladder.cuts[-1] >= 3 * np.median(values)


def test_whales_are_fewer_where_only_some_of_the_best_are_worth_three_medians() -> None:
    draw = np.random.default_rng(1)
    values = draw.lognormal(4, 0.5, 2000)  # 3 medians lie 2.2 deviations up
    found = _tiers(values, VALUE.tiers)
    assert _names(found)[-1] == "whale"
    assert found.ladder.cuts[-1] == pytest.approx(3 * np.median(values), rel=1e-3)
    assert np.mean(values >= found.ladder.cuts[-1]) < 0.03


def test_there_is_no_whale_where_nobody_is_worth_three_medians() -> None:
    values = np.random.default_rng(1).uniform(50, 140, 500)
    found = _tiers(values, VALUE.tiers)
    assert "whale" not in _names(found)
    assert len(found.tiers) >= 3


def test_quantiles_lie_halfway_between_two_values_nearest_to_the_tables_share() -> None:
    found = _tiers(np.arange(1.0, 101.0), by_quantiles=True)
    assert found.ladder.cuts == (20.5, 40.5, 60.5, 80.5)
    assert _names(found) == list("abcde")
    assert found.silhouette is None


def test_of_quantiles_that_coincide_the_lower_name_goes() -> None:
    """Half of the customers have bought once: no cut can divide them."""
    values = np.concatenate([np.full(50, 1.0), np.full(30, 2.0), np.full(20, 3.0)])
    found = _tiers(values, by_quantiles=True)
    assert found.ladder.cuts == (1.5, 2.5)
    assert _names(found) == ["c", "d", "e"]


def test_quantiles_follow_the_weights() -> None:
    weights = np.where(np.arange(100) < 50, 3.0, 1.0)
    found = _tiers(np.arange(1.0, 101.0), by_quantiles=True, weights=weights)
    assert found.ladder.cuts == pytest.approx((13.5, 27.0, 40.5, 60.5), abs=0.6)


def test_counts_have_whole_cuts() -> None:
    counts = np.random.default_rng(4).poisson(6, 800).astype(np.float64) + 1.0
    found = _tiers(counts, FIVE, Feature("n_categories", "log"))
    assert all(cut == round(cut) for cut in found.ladder.cuts)
    halves = _tiers(counts, FIVE, Feature("n_categories", "log"), by_quantiles=True)
    assert all(cut == round(cut) for cut in halves.ladder.cuts)


def test_counts_of_few_values_have_a_tier_each() -> None:
    counts = np.repeat([1.0, 2.0, 3.0], [500, 200, 50])
    found = _tiers(counts, FIVE, Feature("n_categories", "log"))
    assert found.ladder.cuts == (2.0, 3.0)
    assert len(found.tiers) == 3


def test_without_a_difference_there_are_no_tiers() -> None:
    alike = Values(np.full(300, 7.0), np.ones(300))
    assert make_tiers(MEASURE, FIVE, alike, alike, 7.0, 5, 1, by_quantiles=False) is None
    model = _discovered(np.full(300, 7.0))
    assert model.verdict == "unavailable"
    assert model.vocabulary() == ("no_value", "unavailable")


def test_a_customer_without_the_figure_has_the_tier_of_the_median() -> None:
    axis = replace(VALUE, eligibility=(), main=(Feature("avg_order_value", "log"),))
    values = np.random.default_rng(1).lognormal(4, 1, 501)
    values[::5] = np.nan
    model = discover_one(axis, sample_of({"avg_order_value": values}))
    assert model.rules
    assert model.rules.ladder
    known = values[~np.isnan(values)]
    assert model.rules.ladder.fill == weighted_quantile(known, np.ones(len(known)), 0.5)
    columns = {"avg_order_value": np.array([np.nan, model.rules.ladder.fill])}
    labels, strengths = model.rules.assign(columns)
    assert labels[0] == labels[1] >= 0
    assert strengths[0] == strengths[1]


def _discovered(values: Floats) -> AxisModel:
    return discover_one(VALUE, sample_of({"lifetime_value": values}))


def test_a_condition_beside_the_cut_sends_customers_to_the_tier_below() -> None:
    top = replace(FIVE[4], also=(Condition("n_orders", "at_least", 5.0),))
    axis = replace(VALUE, tiers=(*FIVE[:4], top))
    values = np.repeat([10.0, 40.0, 160.0, 640.0, 2560.0], 60)
    orders = np.tile([3.0, 8.0], 150)
    model = discover_one(axis, sample_of({"lifetime_value": values, "n_orders": orders}))
    assert model.rules
    labels, _ = model.rules.assign({"lifetime_value": values, "n_orders": orders})
    names = np.array([segment.name for segment in model.segments])[labels]
    assert set(names[(values > 2000) & (orders == 8)]) == {"e"}
    assert set(names[(values > 2000) & (orders == 3)]) == {"d"}


def test_a_tier_with_a_cut_of_its_own_can_be_learnt_from_any_measure() -> None:
    tiers = (*FIVE[:4], replace(FIVE[4], own_cut=Learnt(quantile=0.9)))
    values = np.arange(1.0, 1001.0)
    found = _tiers(values, tiers)
    assert np.mean(values >= found.ladder.cuts[-1]) == pytest.approx(0.1, abs=0.002)


AMOUNTS = st.lists(st.integers(1, 400), min_size=12, max_size=120).filter(
    lambda found: len(set(found)) > 1
)


@settings(max_examples=60, deadline=None)
@given(AMOUNTS, st.booleans(), st.sampled_from([VALUE, FREQUENCY]))
def test_laws_of_tiers(amounts: list[int], by_quantiles: bool, axis: object) -> None:
    tiers = VALUE.tiers if axis is VALUE else FREQUENCY.tiers
    scale = 1.0 if axis is VALUE else 0.01
    values = np.array(amounts) * scale
    main = MEASURE if axis is VALUE else Feature("expected_occasions_per_month", "log")
    found = _tiers(values, tiers, main, by_quantiles=by_quantiles)
    cuts, names = found.ladder.cuts, list(found.tiers)
    assert all(low < high for low, high in pairwise(cuts))
    assert len(names) == len(cuts) + 1
    places = [tiers.index(tier) for tier in names]
    assert places == sorted(set(places))
    for place, tier in enumerate(names):
        if place and tier.at_least is not None:
            assert cuts[place - 1] >= tier.at_least
        if place < len(cuts) and tier.below is not None:
            lifted = any(t.at_least is not None for t in tiers[tiers.index(tier) + 1 :])
            assert cuts[place] <= tier.below or lifted


@settings(max_examples=40, deadline=None)
@given(AMOUNTS)
def test_every_customer_has_one_tier_and_the_tiers_follow_the_measure(amounts: list[int]) -> None:
    axis = replace(VALUE, eligibility=(Eligibility("lifetime_value", 0.0001, "no_value"),))
    values = np.array(amounts, dtype=np.float64)
    model = discover_one(axis, sample_of({"lifetime_value": values}))
    assert model.verdict == "tiers"
    assert model.rules
    labels, strengths = model.rules.assign({"lifetime_value": values})
    assert (labels >= 0).all()
    assert (labels < len(model.segments)).all()
    assert (np.diff(labels[np.argsort(values, kind="stable")]) >= 0).all()
    assert ((strengths >= 0) & (strengths <= 1)).all()
    assert sum(segment.sample_share for segment in model.segments) == pytest.approx(1.0)
