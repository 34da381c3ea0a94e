"""What is done with priors: figures between the customer's own and the shop's, as plain JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import stats

from segpipe.model.posterior import binomial_tail, posterior_above
from segpipe.model.priors import (
    BetaPrior,
    GammaPrior,
    NormalPrior,
    Priors,
    expected_gap,
    log_silence,
    occasion_rate,
    priors_of,
    score_of,
    shrink_mean,
    shrink_share,
)

WEEKEND = BetaPrior(0.3, 5, 40)
RATE = GammaPrior(2, 3, 40)
PRIORS = Priors(
    20.5,
    {"weekend": WEEKEND},
    {"occasions": RATE},
    {"x": NormalPrior(-0.1, 4, 9)},
    0.2,
    {"recency": (-300.5, -90.0, -90.0, -7.5)},
)


def test_priors_survive_json() -> None:
    assert priors_of(json.loads(json.dumps(asdict(PRIORS)))) == PRIORS
    bare = Priors(3)
    assert priors_of(json.loads(json.dumps(asdict(bare)))) == bare


@pytest.mark.parametrize(
    "damaged",
    [
        replace(PRIORS, median_gap_days=0),
        replace(PRIORS, shares={"weekend": BetaPrior(1.0, 5, 4)}),
        replace(PRIORS, rates={"occasions": GammaPrior(1, math.inf, 4)}),
        replace(PRIORS, means={"x": NormalPrior(math.nan, 5, 4)}),
        replace(PRIORS, scores={"recency": (1, 2, 3, math.nan)}),
    ],
)
def test_a_damaged_prior_is_an_error(damaged: Priors) -> None:
    with pytest.raises(ValueError, match="prior"):
        priors_of(asdict(damaged))


@pytest.mark.parametrize("cuts", [(1.0, 2.0, 3.0), (1.0, 3.0, 2.0, 4.0)])
def test_cuts_of_a_score_are_four_rising_numbers(cuts: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="cuts of a score"):
        priors_of(asdict(replace(PRIORS, scores={"recency": cuts})))


def test_a_score_begins_at_its_cut() -> None:
    figures = np.array([0.0, 1.0, 1.5, 2.0, 4.0, 9.0, np.nan])
    found = score_of(figures, (1.0, 2.0, 2.0, 4.0))
    assert found.tolist()[:6] == [1, 2, 2, 4, 5, 5]
    assert np.isnan(found[6])


@pytest.mark.parametrize(
    ("prior", "differ"),
    [
        (BetaPrior(0.3, 5, 3), True),
        (BetaPrior(0.3, 5, 2.9), False),
        (BetaPrior(0.3, 500, 9), False),
        (GammaPrior(49, 1, 3), True),
        (GammaPrior(50, 1, 9), False),
        (NormalPrior(0.3, 5, 2.9), False),
    ],
)
def test_customers_differ_where_chance_does_not_explain_it(
    prior: BetaPrior | GammaPrior | NormalPrior, differ: bool
) -> None:
    assert prior.customers_differ == differ


def test_a_share_goes_from_the_shops_to_the_customers_own() -> None:
    k = np.array([0.0, 1, 100])
    assert shrink_share(k, k, WEEKEND) == pytest.approx([0.3, (1 + 1.5) / 6, (100 + 1.5) / 105])


def test_a_mean_of_no_values_is_the_shops() -> None:
    found = shrink_mean(np.array([np.nan, 2.0]), np.array([0.0, 4]), 1.0, 4.0)
    assert found == pytest.approx([1, 1.5])


def test_a_gap_is_a_day_at_least() -> None:
    columns = {
        "n_occasions": np.array([1.0, 4, 9]),
        "tenure_days": np.array([30.0, 70, 9]),
        "recency_days": np.array([30.0, 10, 1]),
    }
    assert expected_gap(columns, 20) == pytest.approx([20, (60 + 40) / 5, (8 + 40) / 10])
    assert expected_gap(columns, 0.5)[2] == 1


def test_rate_and_silence_follow_the_gamma_poisson_model() -> None:
    columns = {
        "n_occasions": np.array([1.0, 5]),
        "tenure_days": np.array([0.0, 4 * 30.4375]),
        "recency_days": np.array([0.0, 30.4375 + 1]),
    }
    assert occasion_rate(columns, RATE) == pytest.approx([2 / 3, (4 + 2) / (4 + 3)])
    months = 3 - 1 / 30.4375  # from the first to the last occasion
    expected = [1, ((3 + months) / (3 + months + 1)) ** (2 + 4)]
    assert np.exp(log_silence(columns, RATE)) == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_a_posterior_is_the_tail_of_a_beta_distribution(threshold: float) -> None:
    rng = np.random.default_rng(1)
    n = rng.integers(0, 40, 3000).astype(float)
    k = np.floor(n * rng.random(3000))
    expected = stats.beta.sf(threshold, 0.3 * 5 + k, 0.7 * 5 + n - k)
    found = posterior_above(threshold, k, n, WEEKEND)
    assert found == pytest.approx(expected)
    # Many customers are computed by distinct counts, few one by one.
    few = [posterior_above(threshold, k[i : i + 1], n[i : i + 1], WEEKEND)[0] for i in range(200)]
    assert (found[:200] == few).all()
    k[7] = np.nan
    assert np.isnan(posterior_above(threshold, k, n, WEEKEND)).sum() == 1


def test_a_binomial_tail_is_scipys() -> None:
    k, n, p = np.array([0.0, 1, 3, 5]), np.array([5.0, 5, 5, 5]), np.array([0.2, 0.2, 0.2, 1])
    assert binomial_tail(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p))
