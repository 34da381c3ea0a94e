"""Scaling: what a standardised feature is, under weights, gaps and outliers."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segpipe.axes import Feature
from segpipe.axes.record import Transform
from segpipe.core.arrays import Floats, Ints
from segpipe.model.preprocessing import (
    FeatureScale,
    fit_scales,
    scale_matrix,
    transformed,
    weighted_quantile,
)

TRANSFORMS: st.SearchStrategy[Transform] = st.sampled_from(get_args(Transform))
VALUES = arrays(np.float64, 40, elements=st.floats(-1e6, 1e6, allow_subnormal=False))
COUNTS = arrays(np.int64, 40, elements=st.integers(1, 5))
SOME = settings(max_examples=40, deadline=None)


def _fitted(
    values: Floats, weights: Floats, transform: Transform = "identity"
) -> FeatureScale | None:
    scales, dropped = fit_scales({"x": values}, weights, (Feature("x", transform),))
    assert len(scales) + len(dropped) == 1
    return scales[0] if scales else None


@given(values=VALUES, weights=COUNTS, transform=TRANSFORMS)
@SOME
def test_weighted_mean_is_0_and_deviation_1_within_the_bounds(
    values: Floats, weights: Ints, transform: Transform
) -> None:
    scale = _fitted(values, weights.astype(np.float64), transform)
    if scale is None:
        return
    column = scale_matrix({"x": values}, (scale,))[:, 0]
    mean = np.average(column, weights=weights)
    assert mean == pytest.approx(0, abs=1e-5)
    assert np.average((column - mean) ** 2, weights=weights) == pytest.approx(1, abs=1e-5)
    low, high = ((bound - scale.mean) / scale.deviation for bound in (scale.low, scale.high))
    assert column.min() >= low
    assert column.max() <= high


@given(values=VALUES, counts=COUNTS, transform=TRANSFORMS)
@SOME
def test_a_weight_of_three_is_three_customers(
    values: Floats, counts: Ints, transform: Transform
) -> None:
    weighted = _fitted(values, counts.astype(np.float64), transform)
    repeated = np.repeat(values, counts)
    replicated = _fitted(repeated, np.ones(len(repeated)), transform)
    if weighted is None or replicated is None:
        assert weighted is replicated is None
        return
    assert (weighted.fill, weighted.low, weighted.high) == (
        replicated.fill,
        replicated.low,
        replicated.high,
    )
    assert weighted.mean == pytest.approx(replicated.mean, rel=1e-9, abs=1e-9)
    assert weighted.deviation == pytest.approx(replicated.deviation, rel=1e-6)


def test_the_bounds_are_at_1_and_99_percent_of_the_population_not_of_the_sample() -> None:
    # Five sampled customers stand for 302; 1 % is 3.02 of them, more than the outer two.
    values, weights = np.array([-50.0, 0.0, 1.0, 2.0, 90.0]), np.array([1.0, 100, 100, 100, 1])
    scale = _fitted(values, weights)
    assert scale is not None
    assert (scale.low, scale.high) == (0.0, 2.0)
    assert scale.mean == pytest.approx((0 * 101 + 1 * 100 + 2 * 101) / 302)


def test_a_heavy_customer_is_within_the_bounds() -> None:
    values = np.append(np.arange(200.0), [-500.0, 500.0])
    heavy = np.append(np.ones(200), [50.0, 50.0])
    light, full = _fitted(values, np.ones(202)), _fitted(values, heavy)
    assert light is not None
    assert full is not None
    assert (light.low, light.high) == (1.0, 198.0)  # 3rd and 200th of 202
    assert (full.low, full.high) == (-500.0, 500.0)


@pytest.mark.parametrize("values", [[3.0] * 5, [np.nan] * 5, [0.1 + 0.2, 0.3] * 3])
def test_a_feature_that_does_not_vary_is_dropped_by_name(values: list[float]) -> None:
    columns = {"x": np.array(values), "y": np.arange(float(len(values)))}
    scales, dropped = fit_scales(columns, np.ones(len(values)), (Feature("x"), Feature("y")))
    assert dropped == ("x",)
    assert [scale.measure for scale in scales] == ["y"]


def test_a_missing_value_is_given_the_weighted_median() -> None:
    values, weights = np.array([1.0, 2.0, 9.0, np.nan]), np.array([1.0, 1.0, 5.0, 1.0])
    scale = _fitted(values, weights)
    assert scale is not None
    assert scale.fill == 9.0
    matrix = scale_matrix({"x": values}, (scale,))
    assert matrix[3, 0] == matrix[2, 0]
    assert not np.isnan(matrix).any()


def test_the_median_is_filled_in_before_the_transform() -> None:
    values = np.array([0.0, np.e - 1, np.e**2 - 1, np.nan])
    scale = _fitted(values, np.ones(4), "log")
    assert scale is not None
    matrix = scale_matrix({"x": values}, (scale,))
    assert matrix[3, 0] == matrix[1, 0]


def test_one_outlier_of_750_000_hardly_moves_the_others() -> None:
    values = np.random.default_rng(0).normal(100, 20, 1000)
    with_outlier = np.append(values, 750_000.0)
    plain, pulled = _fitted(values, np.ones(1000)), _fitted(with_outlier, np.ones(1001))
    assert plain is not None
    assert pulled is not None
    before, after = (scale_matrix({"x": values}, (scale,)) for scale in (plain, pulled))
    assert np.abs(before - after).max() < 0.1
    assert scale_matrix({"x": with_outlier}, (pulled,)).max() < 4


def test_transforms() -> None:
    values = np.array([-3.0, 0.0, 3.0])
    assert transformed(values, "identity").tolist() == [-3, 0, 3]
    assert transformed(values, "log") == pytest.approx([0, 0, np.log(4)])
    assert transformed(values, "signed_log") == pytest.approx([-np.log(4), 0, np.log(4)])


@given(values=VALUES, counts=COUNTS, share=st.sampled_from((0.01, 0.25, 0.5, 0.8, 0.99)))
@SOME
def test_a_weighted_quantile_is_the_smallest_value_that_reaches_the_share(
    values: Floats, counts: Ints, share: float
) -> None:
    found = weighted_quantile(values, counts.astype(np.float64), share)
    assert counts[values <= found].sum() >= share * counts.sum() - 1e-9
    assert counts[values < found].sum() <= share * counts.sum() + 1e-9
