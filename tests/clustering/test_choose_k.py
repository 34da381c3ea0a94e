"""Choice of K and of the partition, on points whose structure is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from segpipe.clustering.centroids import CentroidPartition
from segpipe.clustering.choose_k import ChosenPartition, _best, _inertia, by_value, choose_partition
from segpipe.clustering.distances import squared_distances
from segpipe.core.arrays import Floats, Labels
from segpipe.core.report import CandidateInfo
from segpipe.core.settings import ClusterSettings

SETTINGS = ClusterSettings(restarts=4)


def _blobs(sizes: list[int], spread: float = 0.3) -> tuple[Floats, Labels]:
    draw = np.random.default_rng(4)
    centres = np.array([[0, 0], [6, 0], [0, 6], [6, 6], [12, 3]])[: len(sizes)]
    labels = np.repeat(np.arange(len(sizes)), sizes)
    labels = draw.permutation(labels)
    points = centres[labels] + draw.normal(0, spread, (len(labels), 2))
    order = by_value(points, np.ones(len(points)))
    return points[order], labels[order]


def _ones(points: Floats) -> Floats:
    return np.ones(len(points))


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_planted_groups_are_found(k: int) -> None:
    points, labels = _blobs([80, 60, 50, 40, 30][:k])
    weights = np.random.default_rng(1).uniform(1, 25, len(points))
    found = choose_partition(points, weights, SETTINGS, seed=1)
    assert found.partition is not None
    assert found.partition.positions.shape == (k, 2)
    assert adjusted_rand_score(found.partition.assign(points), labels) == 1
    assert [candidate.n_clusters for candidate in found.candidates] == [2, 3, 4, 5, 6]


def test_a_centroid_is_the_weighted_mean_of_its_customers() -> None:
    points, labels = _blobs([80, 60, 50])
    weights = np.random.default_rng(1).uniform(1, 25, len(points))
    found = choose_partition(points, weights, SETTINGS, seed=1)
    assert found.partition is not None
    own = found.partition.assign(points)
    for segment, centroid in enumerate(found.partition.positions):
        mine = own == segment
        assert centroid == pytest.approx(np.average(points[mine], axis=0, weights=weights[mine]))
    assert len(set(labels)) == 3


def _three_places() -> tuple[Floats, Floats]:
    """Customers at 0, 10 and 16.

    Those at 0 are a third of the sample, and next to nothing in the population: it is parted
    between 10 and 16, the unweighted sample between 0 and 10.
    """
    points = np.repeat([0.0, 10.0, 16.0], [32, 34, 34])[:, None]
    return points, np.where(points[:, 0] == 0, 0.01, 1.0)


TWO = ClusterSettings(min_k=2, max_k=2, restarts=4, min_segment_share=0, min_reproducibility=-1)


def test_the_population_not_the_sample_decides_where_it_is_parted() -> None:
    points, weights = _three_places()
    found = choose_partition(points, weights, TWO, seed=1)
    assert found.partition is not None
    assert found.partition.positions[:, 0] == pytest.approx([34 * 10 / (34 + 32 * 0.01), 16])
    at_0 = 1 - 34 * 10 / (34 + 31 * 0.01) / 16
    at_10 = 1 - 32 * 0.01 * 10 / (33 + 32 * 0.01) / 6
    of_the_first = (32 * 0.01 * at_0 + 34 * at_10) / (32 * 0.01 + 34)
    assert found.silhouette == pytest.approx((of_the_first + 1) / 2)
    unweighted = choose_partition(points, _ones(points), TWO, seed=1)
    assert unweighted.partition is not None
    assert unweighted.partition.positions[:, 0] == pytest.approx([0, 13])


def test_a_segment_below_the_smallest_share_of_the_population_is_passed_over() -> None:
    points, labels = _blobs([120, 120, 40])
    weights = np.where(labels == 2, 0.05, 1.0)  # a seventh of the sample, 0.8 % of the shop
    found = choose_partition(points, weights, SETTINGS, seed=1)
    assert found.partition is not None
    assert found.partition.n_segments == 2
    three = found.candidates[1]
    assert three.passed_over is not None
    assert "smallest segment 0.8% below 2%" in three.passed_over
    assert three.silhouette > found.candidates[0].silhouette
    settings = replace(SETTINGS, min_segment_share=0.0125)
    three = choose_partition(points, weights, settings, seed=1).candidates[1]
    assert three.passed_over == "smallest segment 0.8% below 1.25%"


def test_a_lone_outlier_does_not_win() -> None:
    points = np.vstack([_blobs([150, 150])[0], [[750.0, 750.0]]])
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    for candidate in found.candidates:
        assert candidate.passed_over is not None or candidate.smallest_share >= 0.02


@pytest.mark.parametrize(
    ("silhouettes", "k"),
    [
        ((0.6, 0.6, 0.6), 2),
        ((0.6, 0.60004, 0.6), 2),  # alike in four digits
        ((0.5, 0.6, 0.6), 3),
        ((0.6, 0.6, 0.6002), 4),
    ],
)
def test_ties_go_to_the_smaller_k(silhouettes: tuple[float, ...], k: int) -> None:
    assert _chosen_k(silhouettes) == k


def _chosen_k(silhouettes: tuple[float, ...]) -> int:
    """K that wins with these silhouettes at 2, 3, 4 …; all of them hold."""
    candidates = tuple(
        CandidateInfo(n, silhouette, 0.2, 1.0, None) for n, silhouette in enumerate(silhouettes, 2)
    )
    index, _ = _best(candidates, 2)
    assert index is not None
    return index + 2


def test_a_choice_has_its_reason() -> None:
    points, _ = _blobs([100, 100, 100])
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert found.choice == "the highest silhouette of the K accepted"
    alone = choose_partition(points, _ones(points), ClusterSettings(min_k=3, max_k=3), seed=1)
    assert alone.choice == "the only K accepted"


def test_neither_order_nor_place_in_the_file_decides_who_is_in_which_half() -> None:
    points = np.random.default_rng(8).normal(0, 1, (600, 3))
    weights = np.random.default_rng(9).uniform(1, 4, 600)
    found = []
    for order in (np.arange(600), np.random.default_rng(1).permutation(600)):
        mine, own = points[order], weights[order]
        by = by_value(mine, own)
        found.append(choose_partition(mine[by], own[by], SETTINGS, seed=1))
    assert found[0] == found[1]


def test_the_current_centroids_are_one_more_start() -> None:
    """In a cloud single starts end in several places; a good start is kept, a poor one is not."""
    points = np.random.default_rng(8).normal(0, 1, (600, 2))
    points = points[by_value(points, _ones(points))]
    one = ClusterSettings(min_k=6, max_k=6, restarts=1, min_reproducibility=-1)
    alone = [choose_partition(points, _ones(points), one, seed).fits[0] for seed in range(12)]
    inertias = [_inertia(points, _ones(points), fit) for fit in alone]
    assert max(inertias) > min(inertias) + 1
    best = alone[int(np.argmin(inertias))]
    worst = alone[int(np.argmax(inertias))]
    for seed, inertia in enumerate(inertias):
        helped = choose_partition(points, _ones(points), one, seed, start=best).fits[0]
        assert _inertia(points, _ones(points), helped) == pytest.approx(min(inertias))
        kept = choose_partition(points, _ones(points), one, seed, start=worst).fits[0]
        assert _inertia(points, _ones(points), kept) <= inertia


def test_a_start_of_another_k_or_kind_is_left_out() -> None:
    points, _ = _blobs([100, 100])
    alone = choose_partition(points, _ones(points), SETTINGS, seed=1)
    other = CentroidPartition.of(np.zeros((9, 2)))
    assert choose_partition(points, _ones(points), SETTINGS, 1, start=other) == alone


def test_where_no_k_is_reproducible_there_are_no_centroids() -> None:
    points = np.random.default_rng(8).normal(0, 1, (600, 8))
    settings = ClusterSettings(restarts=2, min_reproducibility=0.999)
    found = choose_partition(points, _ones(points), settings, seed=1)
    assert found.partition is None
    assert found.choice is not None
    assert found.choice.startswith("every K was rejected; the best, ")
    assert [fit.n_segments for fit in found.fits] == [2, 3, 4, 5, 6]


def test_one_distinct_customer_has_no_partition() -> None:
    points = np.zeros((50, 2))
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert found == ChosenPartition(None, None, (), "only 1 distinct customers")


def test_two_kinds_of_customers_are_two_segments() -> None:
    points = np.repeat([[0.0], [1.0]], 50, axis=0)
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert found.partition is not None
    assert found.partition.positions.tolist() == [[0.0], [1.0]]
    assert found.silhouette == 1.0


def test_few_customers_are_divided_without_halves() -> None:
    points, _ = _blobs([8, 8])
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert found.partition is not None
    assert found.partition.n_segments == 2
    assert {candidate.reproducibility for candidate in found.candidates} == {None}


def test_one_customer_of_a_rare_kind_does_not_switch_the_halves_off() -> None:
    points = np.random.default_rng(0).choice([0.0, 0.25, 0.5, 0.75, 1.0], size=(500, 1))
    points = np.sort(np.vstack([points, [[0.1]]]), axis=0)  # six kinds, one half knows five
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert [candidate.n_clusters for candidate in found.candidates] == [2, 3, 4, 5]
    assert None not in {candidate.reproducibility for candidate in found.candidates}


def test_a_finer_partition_is_taken_where_the_axis_asks_for_one() -> None:
    points = np.sort(np.random.default_rng(8).exponential(1, (600, 1)), axis=0)
    lenient = replace(SETTINGS, min_reproducibility=-1)
    found = choose_partition(points, _ones(points), lenient, seed=1)
    fine = choose_partition(points, _ones(points), lenient, seed=1, min_segments=4)
    assert found.partition is not None
    assert fine.partition is not None
    assert found.partition.n_segments < 4 <= fine.partition.n_segments


def test_a_coarser_partition_is_taken_where_no_finer_one_holds() -> None:
    points, _ = _blobs([100, 100])
    settings = ClusterSettings(max_k=3, restarts=2)
    found = choose_partition(points, _ones(points), settings, seed=1, min_segments=4)
    assert found.partition is not None
    assert found.partition.n_segments == 2


def test_distances_do_not_depend_on_the_number_of_rows() -> None:
    draw = np.random.default_rng(2)
    points, centroids = draw.normal(0, 1, (500, 5)), draw.normal(0, 1, (6, 5))
    whole = squared_distances(points, centroids)
    one_by_one = np.vstack([squared_distances(point[None], centroids) for point in points])
    assert np.array_equal(whole, one_by_one)
