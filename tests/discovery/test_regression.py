"""The regressions are those of scikit-learn, and so are the figures by which they are judged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.metrics import roc_auc_score

from segpipe.core.arrays import Floats
from segpipe.discovery.regression import (
    area_under_curve,
    fit_logistic,
    fit_poisson,
    rank_correlation,
)


def test_a_logistic_regression_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(1)
    features = draw.normal(0, 1, (2000, 4)) * [1, 2, 5, 0.1]
    is_one = draw.random(2000) < 1 / (1 + np.exp(1 - features @ [0.5, -0.4, 0.1, 3.0]))
    found = fit_logistic(features, is_one, 1.0)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    theirs = LogisticRegression(C=1, tol=1e-10, max_iter=1000).fit(np.clip(scaled, -4, 4), is_one)
    assert found.intercept == pytest.approx(theirs.intercept_[0], abs=1e-5)
    assert found.coefficients == pytest.approx(theirs.coef_[0], abs=1e-5)


def test_a_poisson_regression_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(2)
    features = draw.normal(0, 1, (2000, 3))
    target: Floats = draw.poisson(np.exp(1 + features @ [0.5, -0.3, 0.0])).astype(float)
    found = fit_poisson(features, target, 0.01)
    scaled = np.clip((features - features.mean(axis=0)) / features.std(axis=0), -4, 4)
    theirs = PoissonRegressor(alpha=0.01, tol=1e-10, max_iter=1000).fit(scaled, target)
    assert found.intercept == pytest.approx(theirs.intercept_, abs=1e-5)
    assert found.coefficients == pytest.approx(theirs.coef_, abs=1e-5)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_under_the_curve_counts_ties_as_a_half(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in pairs])
    is_one = np.array([one for _, one in pairs])
    if is_one.all() or not is_one.any():
        assert np.isnan(area_under_curve(scores, is_one))
    else:
        assert area_under_curve(scores, is_one) == pytest.approx(roc_auc_score(is_one, scores))


def test_perfectly_separated_customers_do_not_break_the_fit() -> None:
    features = np.linspace(-3, 3, 300)[:, None]
    found = fit_logistic(features, features[:, 0] > 0, 1.0)
    assert all(np.isfinite((found.intercept, *found.coefficients)))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40))
def test_the_rank_correlation_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, dtype=float).T
    found = rank_correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found == 0
    else:
        assert found == pytest.approx(spearmanr(first, second).statistic)
