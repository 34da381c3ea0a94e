"""What every clusterer of the registry keeps to: one suite for all of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from segpipe.clustering.base import Clusterer, Partition
from segpipe.clustering.centroids import CentroidPartition
from segpipe.clustering.cuts import CutPartition
from segpipe.clustering.registry import CLUSTERERS, read_partition
from segpipe.core.arrays import Floats

RESTARTS = 4


@pytest.fixture(params=sorted(CLUSTERERS))
def clusterer(request: pytest.FixtureRequest) -> Clusterer:
    return CLUSTERERS[request.param]


def _points(clusterer: Clusterer, seed: int = 1) -> tuple[Floats, Floats]:
    """Three groups of customers, 4 deviations apart, and their weights."""
    draw = np.random.default_rng(seed)
    middles = np.repeat([[-4.0, 1.0], [0.0, -1.0], [4.0, 1.0]], [90, 60, 40], axis=0)
    points = middles + draw.normal(0, 1, middles.shape)
    return points[:, : clusterer.n_features], draw.uniform(1, 9, len(points))


def _fitted(clusterer: Clusterer, k: int = 3) -> tuple[Partition, Floats]:
    points, weights = _points(clusterer)
    (partition,) = clusterer.fit_each(points, weights, (k,), RESTARTS, seed=1)
    return partition, points


def test_each_k_has_a_partition_of_as_many_segments(clusterer: Clusterer) -> None:
    points, weights = _points(clusterer)
    found = clusterer.fit_each(points, weights, (2, 3, 5), RESTARTS, seed=1)
    assert [partition.n_segments for partition in found] == [2, 3, 5]
    for partition in found:
        assert partition.kind == clusterer.kind
        assert partition.positions.shape == (partition.n_segments, points.shape[1])
        assert sorted(set(partition.assign(points).tolist())) == [*range(partition.n_segments)]


def test_the_same_seed_gives_the_same_bits(clusterer: Clusterer) -> None:
    assert _fitted(clusterer)[0] == _fitted(clusterer)[0]


def test_a_weight_of_two_is_two_points(clusterer: Clusterer) -> None:
    points, _ = _points(clusterer)
    weights = np.where(np.arange(len(points)) % 2, 1.0, 2.0)
    twice = np.repeat(points, weights.astype(int), axis=0)
    (weighted,) = clusterer.fit_each(points, weights, (3,), 20, seed=1)
    (repeated,) = clusterer.fit_each(twice, np.ones(len(twice)), (3,), 20, seed=1)
    assert weighted.positions == pytest.approx(repeated.positions, abs=1e-9)


def test_it_survives_json_to_the_bit(clusterer: Clusterer) -> None:
    partition, points = _fitted(clusterer)
    document = json.loads(json.dumps(partition.document()))
    again = read_partition(document, points.shape[1])
    assert again == partition
    labels, strengths = partition.assign_with_strength(points)
    assert again.assign_with_strength(points)[0].tolist() == labels.tolist()
    assert again.assign_with_strength(points)[1].tolist() == strengths.tolist()


def test_strengths_are_shares_and_go_with_the_labels(clusterer: Clusterer) -> None:
    partition, points = _fitted(clusterer)
    labels, strengths = partition.assign_with_strength(points)
    assert labels.tolist() == partition.assign(points).tolist()
    assert ((strengths > 0) & (strengths <= 1)).all()
    own, sure = partition.assign_with_strength(partition.positions)
    assert own.tolist() == [*range(partition.n_segments)]
    assert sure.tolist() == [1.0] * partition.n_segments


def test_one_point_alone_has_what_it_has_among_others(clusterer: Clusterer) -> None:
    partition, points = _fitted(clusterer)
    labels, strengths = partition.assign_with_strength(points)
    for index in range(0, len(points), 7):
        label, strength = partition.assign_with_strength(points[[index]])
        assert (label[0], strength[0]) == (labels[index], strengths[index])


def test_a_standing_names_its_own_segment_and_another(clusterer: Clusterer) -> None:
    partition, points = _fitted(clusterer)
    labels, strengths = partition.assign_with_strength(points)
    for point, label, strength in zip(points[::7], labels[::7], strengths[::7], strict=True):
        found = partition.standing(point)
        assert found.own == label
        assert found.runner_up not in (None, label)
        assert 0 <= found.runner_up_strength <= 1 - strength + 1e-9
        assert found.weights.shape == (points.shape[1],)


def test_there_is_no_runner_up_in_a_single_segment(clusterer: Clusterer) -> None:
    points, _ = _points(clusterer)
    one: dict[str, Partition] = {
        "kmeans": CentroidPartition.of(points[:1]),
        "cuts": CutPartition((), (0.5,)),
    }
    found = one[clusterer.kind].standing(points[0])
    assert (found.own, found.runner_up, found.runner_up_strength) == (0, None, 0.0)


def test_beyond_a_border_is_another_segment(clusterer: Clusterer) -> None:
    partition, points = _fitted(clusterer)
    n_crossed = 0
    for point in points[::11]:
        own = int(partition.assign(point[None])[0])
        for feature in range(points.shape[1]):
            borders = partition.borders(point, feature)
            ways = np.abs(borders.places - point[feature])
            assert ways.tolist() == sorted(ways.tolist())
            if not len(ways):
                continue
            step = 1e-6 if borders.is_rise[0] else -1e-6
            moved = point.copy()
            moved[feature] = borders.places[0] + step
            n_crossed += int(partition.assign(moved[None])[0]) != own
            moved[feature] = borders.places[0] - step
            assert int(partition.assign(moved[None])[0]) == own
    assert n_crossed > 0


def test_a_refit_moves_to_the_means_of_its_own_points(clusterer: Clusterer) -> None:
    partition, points = _fitted(clusterer)
    moved = partition.refit(points)
    labels = moved.assign(points)
    means = [points[labels == segment].mean(axis=0) for segment in range(moved.n_segments)]
    assert moved.positions == pytest.approx(np.array(means), abs=1e-9)
    assert moved.refit(points).positions == pytest.approx(moved.positions, abs=1e-9)


def test_the_distance_to_a_position_is_euclidean(clusterer: Clusterer) -> None:
    partition, points = _fitted(clusterer)
    for segment in range(partition.n_segments):
        expected = np.linalg.norm(points[0] - partition.positions[segment])
        assert partition.distance(points[0], segment) == pytest.approx(expected)


def test_a_damaged_document_raises(clusterer: Clusterer) -> None:
    partition, points = _fitted(clusterer)
    document = partition.document()
    with pytest.raises(ValueError, match="known: "):
        read_partition({**document, "kind": "magic"}, points.shape[1])
    with pytest.raises(ValueError, match=r"numbers|tiers"):
        read_partition(document, points.shape[1] + 1)
    for name in document.keys() - {"kind"}:
        with pytest.raises((ValueError, KeyError)):
            read_partition({k: v for k, v in document.items() if k != name}, points.shape[1])


def test_a_tier_begins_at_its_cut() -> None:
    tiers = CutPartition((-1.0, 2.0), (-2.0, 0.0, 4.0))
    points = np.array([[-1.5], [-1.0], [1.999], [2.0], [9.0]])
    assert tiers.assign(points).tolist() == [0, 1, 1, 2, 2]
    # At 1: 1 squared from its own centre, 9 from the two others.
    assert tiers.assign_with_strength(np.array([[1.0]]))[1][0] == pytest.approx(1 / (1 + 2 / 9))
    standing = tiers.standing(np.array([1.0]))
    assert (standing.own, standing.runner_up) == (1, 2)
    assert standing.weights.tolist() == [8.0]
    assert tiers.borders(np.array([1.0]), 0).places.tolist() == [2.0, -1.0]
    assert tiers.borders(np.array([1.0]), 0).is_rise.tolist() == [True, False]


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "cuts", "cuts": [2.0, 1.0], "centres": [0.0, 1.0, 3.0]},
        {"kind": "cuts", "cuts": [1.0, 1.0], "centres": [0.0, 1.0, 3.0]},
        {"kind": "cuts", "cuts": [1.0], "centres": [0.0]},
        {"kind": "cuts", "cuts": [float("nan")], "centres": [0.0, 1.0]},
        {"kind": "kmeans", "centroids": [[float("inf")]]},
    ],
)
def test_numbers_that_make_no_partition_are_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"cuts|numbers|centroid"):
        read_partition(document, 1)
