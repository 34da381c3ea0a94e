"""Weighted silhouette against scikit-learn's, and its own laws."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from segpipe.clustering.silhouette import silhouette_scores
from segpipe.core.arrays import Floats, Labels


def _points(n: int = 700, k: int = 4) -> tuple[Floats, Labels]:
    draw = np.random.default_rng(5)
    labels = np.concatenate([np.arange(k), draw.integers(0, k, n - k)])
    return draw.normal(0, 1, (n, 3)) + labels[:, None] * [2.0, -1.0, 0.5], labels


def _of_scikit_learn(points: Floats, labels: Labels) -> float:
    widths = silhouette_samples(points, labels)
    return float(np.mean([widths[labels == label].mean() for label in np.unique(labels)]))


def test_with_weight_1_it_is_scikit_learns_mean_of_the_clusters_means() -> None:
    points, labels = _points()
    coarse = labels // 2
    found = silhouette_scores(points, np.ones(len(points)), [labels, coarse])
    assert found == pytest.approx(
        [_of_scikit_learn(points, labels), _of_scikit_learn(points, coarse)], abs=1e-9
    )


def test_whole_weights_are_close_to_repeated_rows() -> None:
    points, labels = _points()
    counts = np.random.default_rng(1).integers(1, 4, len(points))
    repeated = _of_scikit_learn(np.repeat(points, counts, axis=0), np.repeat(labels, counts))
    # A repeated row has copies of itself at distance 0; a weighted customer has none.
    assert silhouette_scores(points, counts.astype(float), [labels]) == pytest.approx(
        [repeated], abs=0.01
    )


def test_three_customers_of_unequal_weight_by_hand() -> None:
    points = np.array([[0.0], [2.0], [4.0], [10.0], [10.0]])
    weights = np.array([1.0, 2.0, 3.0, 1.0, 4.0])
    labels = np.array([0, 0, 0, 1, 1])
    at_0 = 1 - (2 * 2 + 3 * 4) / 5 / 10  # 16/5 to its own, 10 to the others
    at_2 = 1 - (1 * 2 + 3 * 2) / 4 / 8
    at_4 = 1 - (1 * 4 + 2 * 2) / 3 / 6
    of_the_three = (1 * at_0 + 2 * at_2 + 3 * at_4) / 6
    both_at_10 = 1.0
    expected = (of_the_three + both_at_10) / 2
    assert silhouette_scores(points, weights, [labels]) == pytest.approx([expected], abs=1e-9)


def test_a_common_factor_of_the_weights_changes_nothing() -> None:
    points, labels = _points()
    weights = np.random.default_rng(1).uniform(1, 30, len(points))
    one, other = (silhouette_scores(points, w, [labels]) for w in (weights, weights * 7))
    assert one == pytest.approx(other, abs=1e-12)


def test_a_lone_point_scores_0() -> None:
    points = np.array([[0.0], [1.0], [0.5], [90.0]])
    labels = np.array([0, 0, 0, 1])
    score = silhouette_scores(points, np.ones(4), [labels])[0]
    of_the_three = silhouette_samples(points, labels)[:3].mean()
    assert score == pytest.approx(of_the_three / 2)


def test_points_that_coincide_score_0() -> None:
    points = np.zeros((4, 2))
    assert silhouette_scores(points, np.ones(4), [np.array([0, 0, 1, 1])]) == [0.0]


def test_the_order_of_the_points_changes_nothing() -> None:
    points, labels = _points()
    weights = np.random.default_rng(2).uniform(1, 30, len(points))
    shuffled = np.random.default_rng(3).permutation(len(points))
    assert silhouette_scores(points, weights, [labels]) == pytest.approx(
        silhouette_scores(points[shuffled], weights[shuffled], [labels[shuffled]]), abs=1e-12
    )


def test_a_label_that_nobody_bears_is_nobodys_neighbour() -> None:
    points, labels = _points()
    ones = np.ones(len(points))
    with_hole = np.where(labels == 1, 0, labels)  # 0, 2, 3
    dense = np.searchsorted(np.unique(with_hole), with_hole)
    assert silhouette_scores(points, ones, [with_hole]) == pytest.approx(
        silhouette_scores(points, ones, [dense])
    )


def test_customers_who_coincide_count_each() -> None:
    """As one place in the sums, as so many customers in the means."""
    points, labels = _points()
    coarse = points.round(0)
    ones = np.ones(len(points))
    found = silhouette_scores(coarse, ones, [labels, labels // 2])
    expected = [_of_scikit_learn(coarse, labels), _of_scikit_learn(coarse, labels // 2)]
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_size_of_a_block_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    points, labels = _points()
    weights = np.random.default_rng(2).uniform(1, 30, len(points))
    whole = silhouette_scores(points, weights, [labels])
    monkeypatch.setattr("segpipe.clustering.silhouette._BLOCK", 1)
    assert silhouette_scores(points, weights, [labels]) == whole
