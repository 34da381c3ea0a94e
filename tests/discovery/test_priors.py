"""Planted differences between customers are recovered, and chance is not taken for any."""

from __future__ import annotations

import numpy as np
import pytest

from segpipe.core.arrays import Floats
from segpipe.core.schema import INPUTS
from segpipe.discovery.priors import (
    PRIOR_MEASURES,
    estimate_mean,
    estimate_priors,
    estimate_rate,
    estimate_share,
    median_gap,
    score_cuts,
)
from segpipe.model.priors import SHARES, score_of

SEEDS = 100


def _tosses(
    rng: np.random.Generator, n_customers: int, mean: float, strength: float | None
) -> tuple[Floats, Floats]:
    """Counts of customers with a few trials each; without a strength all have the same share."""
    n = rng.geometric(0.15, n_customers)
    own = (
        rng.beta(mean * strength, (1 - mean) * strength, n_customers)
        if strength
        else np.full(n_customers, mean)
    )
    return rng.binomial(n, own).astype(float), n.astype(float)


@pytest.mark.parametrize(("mean", "strength"), [(0.3, 7), (0.13, 3.8), (0.85, 15), (0.5, 0.8)])
def test_a_planted_distribution_of_shares_is_recovered(mean: float, strength: float) -> None:
    k, n = _tosses(np.random.default_rng(1), 20_000, mean, strength)
    prior = estimate_share(k, n, np.ones(len(n)))
    assert prior
    assert prior.mean == pytest.approx(mean, abs=0.01)
    assert prior.strength == pytest.approx(strength, rel=0.15)
    assert prior.customers_differ


def test_customers_who_toss_one_coin_do_not_differ() -> None:
    found = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        prior = estimate_share(*_tosses(rng, 1000, 0.3, None), rng.choice([0.5, 2.0, 8.0], 1000))
        assert prior
        found.append(prior)
    assert sum(prior.customers_differ for prior in found) <= 1
    assert abs(np.mean([prior.z for prior in found])) < 0.3


def test_shares_that_differ_less_than_those_of_a_coin_have_the_strongest_prior() -> None:
    prior = estimate_share(np.full(500, 3.0), np.full(500, 10.0), np.ones(500))
    assert prior
    assert prior.mean == pytest.approx(0.3)
    assert prior.strength == 500
    assert prior.z < 0
    assert not prior.customers_differ


@pytest.mark.parametrize("value", [0.0, 4.0])
def test_a_share_of_nothing_or_everything_has_a_prior_within_0_and_1(value: float) -> None:
    prior = estimate_share(np.full(50, value), np.full(50, 4.0), np.ones(50))
    assert prior
    assert 0 < prior.mean < 1
    assert prior.mean == pytest.approx(value / 4, abs=1e-5)
    assert not prior.customers_differ


def test_a_share_that_nobody_has_has_no_prior() -> None:
    assert estimate_share(np.array([np.nan, 0]), np.array([np.nan, 0]), np.ones(2)) is None


@pytest.mark.parametrize(("shape", "rate"), [(1.4, 4.5), (1.98, 0.11), (0.22, 2.0)])
def test_a_planted_distribution_of_rates_is_recovered(shape: float, rate: float) -> None:
    rng = np.random.default_rng(2)
    months = rng.uniform(0.2, 18, 20_000)
    k = rng.poisson(rng.gamma(shape, rate / shape, len(months)) * months).astype(float)
    prior = estimate_rate(k, months, np.ones(len(k)))
    assert prior.shape == pytest.approx(shape, rel=0.1)
    assert prior.shape / prior.exposure == pytest.approx(rate, rel=0.05)
    assert prior.customers_differ


def test_customers_of_one_rate_do_not_differ() -> None:
    n_differ = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        months = rng.uniform(0.2, 5, 1000)
        k = rng.poisson(0.5 * months).astype(float)
        n_differ += estimate_rate(k, months, rng.choice([0.5, 2.0, 8.0], 1000)).customers_differ
    assert n_differ <= 2


@pytest.mark.parametrize(("between", "within"), [(0.3, 0.5), (0.1, 0.5), (1.0, 0.2), (0.0, 0.5)])
def test_a_planted_distribution_of_means_is_recovered(between: float, within: float) -> None:
    rng = np.random.default_rng(3)
    n = rng.geometric(0.15, 5000)
    lines = [rng.normal(rng.normal(0.1, between), within, count) for count in n]
    mean = np.array([values.mean() for values in lines])
    spread = np.array([values.std(ddof=1) if len(values) > 1 else np.nan for values in lines])
    prior = estimate_mean(n.astype(float), mean, spread, np.ones(len(n)))
    assert prior
    assert prior.customers_differ == (between > 0)
    assert prior.mean == pytest.approx(0.1, abs=0.05)
    if between:
        assert prior.strength == pytest.approx(within**2 / between**2, rel=0.2)


def test_a_customer_counts_as_often_as_their_weight_says() -> None:
    rng = np.random.default_rng(4)
    k, n = _tosses(rng, 400, 0.3, 3)
    weights = rng.integers(1, 6, 400)
    repeated = np.repeat(np.arange(400), weights)
    weighted = estimate_share(k, n, weights.astype(float))
    everybody = estimate_share(k[repeated], n[repeated], np.ones(len(repeated)))
    alike = estimate_share(k, n, np.ones(400))
    assert weighted
    assert everybody
    assert alike
    # Copies of a customer are no new customers, so that the sample's own error stays.
    assert weighted.mean == pytest.approx(everybody.mean, rel=0.01)
    assert weighted.strength == pytest.approx(everybody.strength, rel=0.05)
    assert weighted.z < everybody.z
    assert abs(weighted.mean - alike.mean) > 0.001
    rate = estimate_rate(k, n, weights.astype(float))
    of_all = estimate_rate(k[repeated], n[repeated], np.ones(len(repeated)))
    assert rate.shape == pytest.approx(of_all.shape)
    assert rate.exposure == pytest.approx(of_all.exposure)


def test_the_median_gap_is_over_customers_who_came_back() -> None:
    columns = {
        "n_occasions": np.array([1.0, 3, 2, 5]),
        "tenure_days": np.array([400.0, 70, 31, 90]),
        "recency_days": np.array([400.0, 10, 1, 10]),
    }
    assert median_gap(columns, np.ones(4)) == 30
    assert median_gap(columns, np.array([1.0, 1, 1, 9])) == 20
    alone = {name: column[:1] for name, column in columns.items()}
    assert median_gap(alone, np.ones(1)) == 400


def _columns(n: int) -> dict[str, Floats]:
    rng = np.random.default_rng(5)
    columns = {name: rng.integers(0, 4, n).astype(float) for name in PRIOR_MEASURES}
    for share in SHARES.values():
        columns[share.whole] = rng.integers(4, 9, n).astype(float)
    columns["tenure_days"] = rng.uniform(100, 300, n)
    columns["recency_days"] = rng.uniform(0, 100, n)
    columns["discount_amount_share"] = np.where(rng.random(n) < 0.5, np.nan, 0.25)
    return columns


@pytest.mark.parametrize("need", ["time_of_day", "discount", "refund", "product", "channel"])
def test_a_prior_of_an_absent_input_is_absent(need: str) -> None:
    columns = _columns(50)
    whole = estimate_priors(columns, np.ones(50), frozenset(INPUTS))
    less = estimate_priors(columns, np.ones(50), frozenset(INPUTS) - {need})
    absent = {name for name, share in SHARES.items() if need in share.needs}
    assert set(whole.shares) - set(less.shares) == absent != set()
    assert whole.discount_share == 0.25
    assert (less.discount_share is None) == (need == "discount")
    assert ("extra_products" in less.rates) == (need != "product")
    assert set(whole.rates) == {"occasions", "extra_products", "tickets"}
    assert set(whole.means) == {"price_position", "satisfaction"}
    assert set(less.scores) == {"recency", "frequency", "monetary"}


def _by_mid_rank(values: Floats, weights: Floats) -> Floats:
    below = np.array([weights[values < value].sum() for value in values])
    same = np.array([weights[values == value].sum() for value in values])
    found: Floats = np.ceil(5 * (below + same / 2) / weights.sum())
    return found


@pytest.mark.parametrize("n_figures", [1, 2, 3, 7, 400])
def test_a_score_is_the_fifth_of_the_weighted_mid_rank(n_figures: int) -> None:
    rng = np.random.default_rng(n_figures)
    values = rng.integers(0, n_figures, 300).astype(np.float64) * 1.5 - 20
    weights = rng.integers(1, 9, 300).astype(float)
    cuts = score_cuts(values, weights)
    assert list(cuts) == sorted(cuts)
    assert score_of(values, cuts).tolist() == _by_mid_rank(values, weights).tolist()


def test_a_score_begins_halfway_between_two_figures() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert score_cuts(values, np.ones(5)) == (1.5, 2.5, 3.5, 4.5)
    # 80% bought once, mid-rank 0.4; no figure scores 1, 3 or 4
    once = np.array([1.0] * 8 + [2.0, 2.0])
    assert score_cuts(once, np.ones(10)) == (1.0, 1.5, 1.5, 1.5)
