"""Tiers along what is expected of customers have names that hold by their own figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segpipe.axes import AXES, RAW_MEASURES, Condition
from segpipe.core.arrays import Floats
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.sampling import Sample
from segpipe.model.assign import Tally, assign_axis
from segpipe.model.derived import derive
from segpipe.model.document import AxisModel
from segpipe.model.rules import meets
from tests.support.samples import discover_one, sample_of

BY_NAME = {axis.name: axis for axis in AXES}
RETURNS = BY_NAME["return_behavior"]
WIDTH = BY_NAME["category_exploration"]
PRICES = BY_NAME["value_sophistication"]
TIERS_ONLY = ClusterSettings(method="tiers", restarts=4)
REFUND = frozenset({"refund"})


def _returns(n_orders: float, seed: int = 1, n: int = 1200) -> Sample:
    """Customers who send back shares of their orders that differ by degrees."""
    draw = np.random.default_rng(seed)
    orders = draw.poisson(n_orders, n) + 1.0
    back = draw.binomial(orders.astype(int), draw.beta(1.5, 4, n)).astype(np.float64)
    columns = {"n_orders": orders, "n_refunded_orders": back, "n_refunded_lines": back}
    return sample_of({**columns, "refunded_order_share": back / orders})


def _columns(sample: Sample) -> dict[str, Floats]:
    return {name: sample.customers[name].to_numpy() for name in RAW_MEASURES}


def _held(model: AxisModel, sample: Sample) -> dict[str, float]:
    """Name → share of its customers whose own figures meet it."""
    columns, n = _columns(sample), sample.customers.num_rows
    codes, _ = assign_axis(model, columns, n, Tally())
    held = {}
    for index, segment in enumerate(model.segments):
        mine = {name: values[codes == index] for name, values in columns.items()}
        names = [condition.measure for condition in segment.holds]
        n_mine = int((codes == index).sum())
        if n_mine:
            met = meets(segment.holds, derive(mine, names, model.priors), n_mine)
            held[segment.name] = float(met.mean())
    return held


@pytest.mark.parametrize("n_orders", [2.0, 4.0, 8.0, 20.0, 60.0])
@pytest.mark.parametrize("seed", range(3))
def test_names_hold_or_nothing_is_said(n_orders: float, seed: int) -> None:
    sample = _returns(n_orders, seed)
    model = discover_one(RETURNS, sample, REFUND)
    if model.verdict == "tiers":
        assert min(_held(model, sample).values()) >= 0.8
        assert len(model.segments) >= 2
    else:
        assert model.verdict == "unavailable"
        assert model.reason is not None
        assert "too little is known" in model.reason or "do not differ" in model.reason


def test_of_many_orders_more_is_known() -> None:
    assert discover_one(RETURNS, _returns(60.0), REFUND).verdict == "tiers"


def test_where_nothing_is_said_of_the_eligible_the_others_have_their_states() -> None:
    sample = _returns(2.0)
    model = discover_one(RETURNS, sample, REFUND)
    if model.verdict == "unavailable":
        codes, _ = assign_axis(model, _columns(sample), sample.customers.num_rows, Tally())
        names = {model.vocabulary()[code] for code in codes}
        assert {"careful_buyer", "no_return_yet"} <= names


def test_nobody_returns_anything_where_all_are_careful() -> None:
    sample = sample_of(
        {"n_orders": np.array([1.0, 2.0, 3.0, 9.0]), "n_refunded_lines": np.zeros(4)}
    )
    model = discover_one(RETURNS, sample, REFUND)
    assert model.reason == "everybody is careful_buyer"
    codes, strengths = assign_axis(model, _columns(sample), 4, Tally())
    names = [model.vocabulary()[code] for code in codes]
    assert names == ["no_return_yet", "no_return_yet", "careful_buyer", "careful_buyer"]
    assert strengths.tolist() == [1.0] * 4


def _categories(seed: int = 2, n: int = 900) -> Sample:
    draw = np.random.default_rng(seed)
    lines = draw.poisson(30, n) + 5.0
    width = np.minimum(draw.poisson(6, n) + 1.0, lines)
    top = np.floor(lines * np.where(np.arange(n) < n // 3, 0.9, 0.3))
    columns = {"n_lines": lines, "n_category_lines": lines, "n_categories": width}
    return sample_of({**columns, "n_top_category_lines": top, "top_category_share": top / lines})


def test_rules_come_before_tiers_which_divide_the_others() -> None:
    sample = _categories()
    model = discover_one(WIDTH, sample, frozenset({"category"}), TIERS_ONLY)
    codes, _ = assign_axis(model, _columns(sample), 900, Tally())
    names = np.array(model.vocabulary())[codes]
    assert set(names[:300]) == {"category_loyal"}
    assert "category_loyal" not in set(names[300:])
    width = sample.customers["n_categories"].to_numpy()[300:]
    order = [segment.name for segment in model.segments]
    places = np.array([order.index(name) for name in names[300:]])
    assert (np.diff(places[np.argsort(width, kind="stable")]) >= 0).all()


def test_tiers_where_everybody_meets_the_first_rule_are_none() -> None:
    sample = _categories()
    everybody = Condition("n_lines", "at_least", 1.0)
    first = replace(WIDTH.rules[0], any_of=((everybody,),), chance=None)
    axis = replace(WIDTH, rules=(first,), has_groups=False)
    model = discover_one(axis, sample, frozenset({"category"}))
    assert model.verdict == "unavailable"
    assert model.reason == "everybody meets the rules that come before the tiers"


def test_a_rule_within_a_tier_is_asked_before_that_tier_alone() -> None:
    draw = np.random.default_rng(3)
    n = 900
    position = draw.normal(0, 0.3, n)
    orders = np.full(n, 30.0)
    splurges = np.where(np.arange(n) % 2 == 0, 20.0, 0.0)
    columns = {"n_orders": orders, "n_priced_lines": orders, "price_position": position}
    columns |= {"price_spread": np.full(n, 0.2), "n_splurge_orders": splurges}
    columns["splurge_order_share"] = splurges / orders
    sample = sample_of(columns)
    model = discover_one(PRICES, sample, frozenset({"product"}))
    assert model.verdict == "tiers"
    codes, _ = assign_axis(model, _columns(sample), n, Tally())
    names = np.array(model.vocabulary())[codes]
    assert "occasional_splurger" in set(names)
    assert set(names[splurges == 0]) == {"value_conscious", "balanced", "premium_seeker"}
    assert "balanced" not in set(names[splurges > 0])
    assert {"value_conscious", "premium_seeker"} <= set(names[splurges > 0])
