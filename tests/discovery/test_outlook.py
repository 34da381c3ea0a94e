"""Churn risk and expected value: the fits are right, and their own check knows good from bad."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.core.arrays import Floats
from segpipe.discovery.outlook import Activity, learn_outlook, shop_activity
from segpipe.model.outlook import (
    OUTLOOK_MEASURES,
    Outlook,
    ShopActivity,
    expected_occasion_value,
    outlook_metrics,
    outlook_of,
)

YEAR = 365


def _shop(seed: int, n_customers: int = 1500, *, until: int = YEAR) -> list[Floats]:
    """Days of orders, of customers who buy at a rate of their own and stop at some time."""
    draw = np.random.default_rng(seed)
    rates = draw.gamma(1.2, 1 / 40, n_customers)  # a day
    starts = draw.uniform(0, until * 0.8, n_customers)
    ends = starts + draw.exponential(200, n_customers)
    days = []
    for rate, start, end in zip(rates, starts, ends, strict=True):
        n = draw.poisson(rate * max(min(end, until) - start, 0))
        later = draw.uniform(start, min(end, until), n) if n else np.empty(0)
        days.append(np.unique(np.floor(np.append(start, later))))
    return days


def _activity(
    days: list[Floats],
    back: int,
    horizon: int,
    *,
    until: int = YEAR,
    values: list[Floats] | None = None,
) -> Activity:
    """The customers as of `back` days ago, counted one by one; every order is worth 20 at first."""
    rows = []
    for own, value in zip(days, values or [np.full(len(own), 20.0) for own in days], strict=True):
        ago = until - back - own  # above zero: before the day
        known, later = ago > 0, (ago <= 0) & (ago > -horizon)
        if not known.any():
            continue
        past = ago[known]
        measures = (len(past), (past <= 90).sum(), past.min(), past.max(), value[known].sum())
        rows.append((*measures, later.sum(), value[later].sum()))
    table = np.array(rows, dtype=float).T
    return Activity(dict(zip(OUTLOOK_MEASURES, table, strict=False)), table[5], table[6])


def _values(days: list[Floats], seed: int, between: float, within: float) -> list[Floats]:
    """Values of the orders, whose logs differ between customers and within each."""
    draw = np.random.default_rng([seed, 1])
    centres = 3 + draw.normal(0, between, len(days))
    return [
        np.exp(centre + draw.normal(0, within, len(own)))
        for centre, own in zip(centres, days, strict=True)
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_churn_is_ranked_better_than_by_recency_and_its_level_is_right(seed: int) -> None:
    days = _shop(seed)
    found = learn_outlook(lambda back, horizon: _activity(days, back, horizon))
    assert found.check is not None
    assert found.check.auc > found.check.recency_auc
    assert found.check.decile_error < 0.06  # one draw of a small shop; 0.03 over the seeds
    assert (found.horizon_days, found.is_provisional, found.reason) == (90, False, None)
    latest = _activity(days, 90, 90)
    risk = found.churn_risk(latest.columns)
    assert ((risk >= 0) & (risk <= 1)).all()
    assert risk.mean() == pytest.approx((latest.n_later == 0).mean(), abs=0.01)
    value = found.expected_value(latest.columns)
    assert value.sum() == pytest.approx(latest.later_value.sum(), rel=0.02)


def test_the_mean_error_of_churn_is_below_three_points() -> None:
    errors = []
    for seed in range(4, 9):
        days = _shop(seed, 3000)
        found = learn_outlook(partial(_activity, days))
        assert found.check is not None
        errors.append(found.check.decile_error)
    assert np.mean(errors) < 0.03


def _alike(seed: int, n_customers: int = 1500) -> list[Floats]:
    """Customers who all order at one rate: only their values differ, if at all."""
    draw = np.random.default_rng(seed)
    days = []
    for start in draw.uniform(0, YEAR * 0.8, n_customers):
        later = draw.uniform(start, YEAR, draw.poisson((YEAR - start) / 90))
        days.append(np.unique(np.floor(np.append(start, later))))
    return days


def test_expected_value_is_right_for_small_customers_and_for_large() -> None:
    """Where a few customers spend fifty times what most do; on days that no fit has seen."""
    ratios = []
    for seed in range(6):
        days = _shop(seed, 3000, until=YEAR + 90)
        values = _values(days, seed, 1.5, 0.6)
        then = partial(_activity, [own[own < YEAR] for own in days])
        found = learn_outlook(
            partial(then, values=[v[own < YEAR] for own, v in zip(days, values, strict=True)])
        )
        assert found.activity is not None
        assert found.activity.value_weight < 0.5  # 0.36 / 2.25
        truth = _activity(days, 90, 90, until=YEAR + 90, values=values)
        expected = found.expected_value(truth.columns)
        quarters = np.array_split(np.argsort(truth.columns["lifetime_value"]), 4)
        ratios.append([expected[q].sum() / truth.later_value[q].sum() for q in quarters])
    assert np.median(ratios, axis=0) == pytest.approx(1.0, abs=0.25)


def test_expected_value_does_not_depend_on_the_currency() -> None:
    days = _shop(12)
    values = _values(days, 12, 0.7, 0.7)
    dear = [100 * value for value in values]
    found, other = (learn_outlook(partial(_activity, days, values=v)) for v in (values, dear))
    columns, theirs = (_activity(days, 0, 0, values=v).columns for v in (values, dear))
    assert other.expected_value(theirs) == pytest.approx(
        100 * found.expected_value(columns), rel=1e-5
    )
    assert found.check is not None
    assert other.check is not None
    assert other.check.value_error == pytest.approx(found.check.value_error, rel=1e-5)


def test_where_customers_do_not_differ_no_value_is_expected_of_each() -> None:
    """One rate and one distribution of values: the check ranks customers by chance."""
    for seed in range(8):
        days = _alike(seed)
        values = _values(days, seed, 0.0, 0.8)
        found = learn_outlook(partial(_activity, days, values=values))
        assert found.value is None
        assert found.value_reason is not None
        assert "no better than chance" in found.value_reason


def test_where_only_values_differ_value_is_published_whatever_becomes_of_churn() -> None:
    has_churn = []
    for seed in range(8):
        days = _alike(seed)
        values = _values(days, seed, 0.7, 0.7)
        found = learn_outlook(partial(_activity, days, values=values))
        columns = _activity(days, 0, 0, values=values).columns
        assert np.isfinite(found.expected_value(columns)).all()
        assert found.value_reason is None
        assert np.isnan(found.churn_risk(columns)).all() == (found.churn is None)
        has_churn.append(found.churn is not None)
    assert not all(has_churn)


def test_where_prices_have_trebled_only_churn_is_published() -> None:
    days = _shop(13)
    values = [
        np.where(own >= YEAR - 90, 3.0, 1.0) * value
        for own, value in zip(days, _values(days, 13, 0.3, 0.3), strict=True)
    ]
    found = learn_outlook(partial(_activity, days, values=values))
    assert (found.churn is None, found.value) == (False, None)
    assert found.value_reason is not None
    assert "% of the mean" in found.value_reason
    columns = _activity(days, 0, 0, values=values).columns
    published = outlook_metrics(found, columns)
    assert np.isfinite(published["churn_risk_score"]).all()
    assert np.isnan(published["expected_value_90d"]).all()


def test_an_earlier_document_keeps_its_own_figures() -> None:
    """Without the weight that is learnt since, and with one reason for both figures."""
    activity = ShopActivity(1.0, 2.0, 30.0, occasion_value=50.0)
    columns = {name: np.array([4.0]) for name in OUTLOOK_MEASURES}
    assert expected_occasion_value(columns, activity)[0] == (4 + 2 * 50) / (4 + 2)
    check = {"n_customers": 300, "auc": 0.5, "recency_auc": 0.6, "decile_error": 0.1}
    document = {
        "horizon_days": 90,
        "activity": None,
        "churn": None,
        "value": None,
        "is_provisional": False,
        "reason": "why",
        "check": {**check, "level_shift": 0.0},
    }
    found = outlook_of(document)
    assert found.value_reason == "why"
    assert found.check is not None
    assert found.check.value_error is None


def test_a_file_without_any_rhythm_gets_no_better_than_chance_and_is_withheld() -> None:
    """Who comes again is a coin, whatever they did: recency and the fit are both chance."""
    draw = np.random.default_rng(5)
    days = [np.unique(np.floor(draw.uniform(0, 180, draw.integers(1, 9)))) for _ in range(1500)]
    for own in range(len(days)):
        if draw.random() < 0.5:
            days[own] = np.append(days[own], 180 + np.floor(draw.uniform(0, 90)))
    late = [np.append(d, 330.0) if draw.random() < 0.05 else d for d in days]
    found = learn_outlook(lambda back, horizon: _activity(late, back, horizon))
    assert found.churn is None
    assert found.reason is not None
    assert "a fit 90 days earlier" in found.reason
    assert np.isnan(found.churn_risk(_activity(late, 90, 90).columns)).all()


@pytest.mark.parametrize(("history", "horizon"), [(269, 90), (180, 90), (179, 89), (90, 45)])
def test_a_short_file_is_learnt_from_and_called_provisional(history: int, horizon: int) -> None:
    days = _shop(7, until=history)
    found = learn_outlook(lambda b, h: _activity(days, b, h, until=history))
    assert (found.horizon_days, found.is_provisional) == (horizon, True)
    assert found.check is None
    columns = _activity(days, 0, 0, until=history).columns
    assert ((found.churn_risk(columns) >= 0) & (found.churn_risk(columns) <= 1)).all()


def test_too_short_or_too_small_a_file_teaches_nothing() -> None:
    young = _shop(8, 300, until=85)
    short = learn_outlook(lambda back, horizon: _activity(young, back, horizon, until=85))
    assert (short.churn, short.activity) == (None, None)
    assert short.reason is not None
    assert "days of orders are too few; 90 are needed" in short.reason
    days = _shop(8, 150)
    found = learn_outlook(lambda back, horizon: _activity(days, back, horizon))
    assert found.churn is None
    assert found.reason is not None
    assert "200 are needed" in found.reason


_ONE_CUSTOMER = st.tuples(
    st.integers(1, 400),  # days since the first order
    st.floats(0, 1),  # of which the last order is as recent
    st.integers(1, 60),  # occasions
    st.sampled_from([0.0, -5.0, 0.01, 10.0, 1e9]),  # value of each
    st.integers(0, 3),  # later occasions
)


@given(st.lists(_ONE_CUSTOMER, max_size=12), st.sampled_from([0, 1, 40]))
@pytest.mark.filterwarnings("error")
def test_any_customers_give_an_outlook_that_json_can_hold(
    customers: list[tuple[int, float, int, float, int]], copies: int
) -> None:
    """No customers, no revenue, refunds alone, everybody alike: none breaks the run."""
    rows = [
        (n, min(n, 3), int(tenure * share), tenure, n * value, later, later * value)
        for tenure, share, n, value, later in customers * copies
    ]
    table = np.array(rows, dtype=float).reshape(len(rows), 7).T
    activity = Activity(dict(zip(OUTLOOK_MEASURES, table, strict=False)), table[5], table[6])
    found = learn_outlook(lambda *_: activity)
    assert outlook_of(json.loads(json.dumps(asdict(found), allow_nan=False))) == found
    published = outlook_metrics(found, activity.columns)
    for figures in published.values():
        assert np.isfinite(figures).all() or np.isnan(figures).all()


def test_where_nothing_was_sold_nothing_is_expected() -> None:
    days = _shop(11)

    def read(back: int, horizon: int) -> Activity:
        found = _activity(days, back, horizon)
        return Activity(found.columns, found.n_later, np.zeros(len(found.n_later)))

    found = learn_outlook(read)
    expected = outlook_metrics(found, _activity(days, 0, 0).columns)["expected_value_90d"]
    assert (expected == 0).all()


def test_the_shops_rate_is_recovered() -> None:
    days = _shop(9, 8000)
    found = shop_activity(_activity(days, 0, 0))
    assert 0.5 < found.rate_shape < 3
    assert found.median_gap_days >= 1
    assert found.occasion_value == pytest.approx(20.0)


def test_it_survives_json_and_one_customer_has_what_many_have() -> None:
    days = _shop(10)
    found = learn_outlook(lambda back, horizon: _activity(days, back, horizon))
    assert isinstance(found, Outlook)
    assert outlook_of(json.loads(json.dumps(asdict(found)))) == found
    columns = _activity(days, 0, 0).columns
    risk, value = found.churn_risk(columns), found.expected_value(columns)
    for row in range(0, len(risk), 97):
        one = {name: column[[row]] for name, column in columns.items()}
        assert found.churn_risk(one)[0] == risk[row]
        assert found.expected_value(one)[0] == value[row]
