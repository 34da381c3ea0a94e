"""K-means against scikit-learn's, of which it follows draws and sums, and its own laws."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from segpipe.clustering.distances import nearest, squared_distances
from segpipe.clustering.kmeans import fit_each, move_centroids
from segpipe.core.arrays import Floats


def _points(n: int = 900, d: int = 3, decimals: int = 9) -> tuple[Floats, Floats]:
    draw = np.random.default_rng(3)
    points = draw.normal(0, 1, (n, d)) + draw.integers(0, 4, (n, 1)) * 2.5
    return points.round(decimals), draw.uniform(1, 25, n)


def _fit(points: Floats, weights: Floats, k: int, restarts: int, seed: int) -> Floats:
    return fit_each(points, weights, (k,), restarts, seed)[0]


def _of_scikit_learn(points: Floats, weights: Floats, k: int, restarts: int, seed: int) -> Floats:
    rough = KMeans(n_clusters=k, n_init=restarts, random_state=seed, tol=1e-3)
    best = rough.fit(points, sample_weight=weights).cluster_centers_
    exact = KMeans(n_clusters=k, init=best, n_init=1, tol=0.0)
    centroids: Floats = exact.fit(points, sample_weight=weights).cluster_centers_
    return centroids[np.lexsort(centroids.T[::-1])]


@pytest.mark.parametrize("k", [2, 3, 5, 8])
@pytest.mark.parametrize("decimals", [9, 0])  # 0: some fifty places for 900 customers
def test_the_centroids_are_scikit_learns(k: int, decimals: int) -> None:
    points, weights = _points(decimals=decimals)
    found = _fit(points, weights, k, 5, seed=7)
    assert found == pytest.approx(_of_scikit_learn(points, weights, k, 5, 7), abs=1e-12)


def test_every_other_row_gives_the_bits_of_a_copy_of_them() -> None:
    points, weights = _points()
    half = slice(1, None, 2)
    found = _fit(points[half], weights[half], 3, 2, seed=1)
    copied = _fit(points[half].copy(), weights[half].copy(), 3, 2, seed=1)
    assert np.array_equal(found, copied)


def test_several_k_are_fitted_as_each_alone() -> None:
    points, weights = _points()
    together = fit_each(points, weights, (2, 3, 4), 3, seed=1)
    for k, found in zip((2, 3, 4), together, strict=True):
        assert np.array_equal(found, _fit(points, weights, k, 3, seed=1))


def test_how_many_restarts_run_side_by_side_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points, weights = _points()
    together = _fit(points, weights, 4, 6, seed=1)
    monkeypatch.setattr("segpipe.clustering.kmeans._POINTS_AT_ONCE", 1)
    assert np.array_equal(_fit(points, weights, 4, 6, seed=1), together)
    monkeypatch.setattr("segpipe.clustering.kmeans._BLOCK_ROWS", 64)
    assert np.array_equal(_fit(points, weights, 4, 6, seed=1), together)


def test_a_centroid_is_the_weighted_mean_of_those_nearest_to_it() -> None:
    points, weights = _points()
    centroids = _fit(points, weights, 4, 3, seed=1)
    labels = nearest(points, centroids)
    for segment, centroid in enumerate(centroids):
        mine = labels == segment
        assert centroid == pytest.approx(np.average(points[mine], axis=0, weights=weights[mine]))


def test_as_many_centroids_as_places_are_the_places() -> None:
    points = np.repeat([[0.0, 1.0], [4.0, 0.0], [4.0, 9.0], [-7.0, 2.0]], 25, axis=0)
    found = _fit(points, np.ones(100), 4, 2, seed=1)
    assert found.tolist() == [[-7.0, 2.0], [0.0, 1.0], [4.0, 0.0], [4.0, 9.0]]


def test_more_centroids_than_places_end_all_the_same() -> None:
    points = np.repeat([[0.0], [1.0]], 20, axis=0)
    found = _fit(points, np.ones(40), 3, 2, seed=1)
    assert found.shape == (3, 1)
    assert np.isin(found, [0.0, 1.0]).all()


def test_a_centroid_that_lost_its_customers_is_given_the_farthest() -> None:
    points = np.array([[0.0], [1.0], [2.0], [30.0]])
    moved = move_centroids(points, np.array([[1.0], [500.0]]), 0.0)
    assert moved.tolist() == [[1.0], [30.0]]


def test_moved_centroids_are_scikit_learns() -> None:
    points, _ = _points(40_000)
    start = points[[5, 50, 500, 5000]]
    theirs = KMeans(n_clusters=4, init=start, n_init=1, tol=1e-6).fit(points).cluster_centers_
    assert move_centroids(points, start, 1e-6) == pytest.approx(theirs, abs=1e-12)


def test_the_seed_decides_where_the_restarts_begin() -> None:
    points = np.random.default_rng(2).normal(0, 1, (600, 6))  # no structure: many optima
    ones = np.ones(600)
    once, again, other = (_fit(points, ones, 6, 1, seed) for seed in (1, 1, 2))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_more_restarts_are_never_worse() -> None:
    points = np.random.default_rng(2).normal(0, 1, (400, 5))
    few, many = (_fit(points, np.ones(400), 6, n, seed=1) for n in (1, 12))
    inertias = [squared_distances(points, found).min(axis=1).sum() for found in (few, many)]
    assert inertias[1] <= inertias[0] * 1.001  # a restart is chosen before it has ended
