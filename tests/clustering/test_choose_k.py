"""Choice of K and of the partition, on points whose structure is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_info, threadpool_limits

from segpipe.axes import Axis, Feature
from segpipe.clustering.choose_k import ChosenPartition, PreviousPartition, _best, choose_partition
from segpipe.clustering.distances import squared_distances
from segpipe.core.arrays import Floats, Labels
from segpipe.core.report import CandidateInfo
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.discover import discover
from segpipe.discovery.sampling import Sample

SETTINGS = ClusterSettings(restarts=4)


def _blobs(sizes: list[int], spread: float = 0.3) -> tuple[Floats, Labels]:
    draw = np.random.default_rng(4)
    centres = np.array([[0, 0], [6, 0], [0, 6], [6, 6], [12, 3]])[: len(sizes)]
    labels = np.repeat(np.arange(len(sizes)), sizes)
    labels = draw.permutation(labels)
    return centres[labels] + draw.normal(0, spread, (len(labels), 2)), labels


def _ones(points: Floats) -> Floats:
    return np.ones(len(points))


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_planted_groups_are_found(k: int) -> None:
    points, labels = _blobs([80, 60, 50, 40, 30][:k])
    weights = np.random.default_rng(1).uniform(1, 25, len(points))
    found = choose_partition(points, weights, SETTINGS, seed=1)
    assert found.verdict == "clustered"
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
    """Customers at 0, 10 and 16, alternately of the two halves.

    Those at 0 are a third of the sample, most of them in the first half, and next to nothing in the
    population: it is parted between 10 and 16, the unweighted sample between 0 and 10.
    """
    first = np.repeat([0.0, 10.0, 16.0], [30, 10, 10])
    second = np.repeat([0.0, 10.0, 16.0], [2, 24, 24])
    points = np.stack([first, second], axis=1).reshape(-1, 1)
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


def test_the_halves_agree_where_the_population_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segpipe.clustering.choose_k.MIN_SPLIT", 60)
    points, weights = _three_places()
    found = choose_partition(points, weights, TWO, seed=1)
    assert [candidate.reproducibility for candidate in found.candidates] == [1]
    unweighted = choose_partition(points, _ones(points), TWO, seed=1).candidates[0]
    assert unweighted.reproducibility is not None
    assert unweighted.reproducibility < 0.5


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


def _chosen_k(silhouettes: tuple[float, ...], usual_k: int | None = None) -> int:
    """K that wins with these silhouettes at 2, 3, 4 …; all of them hold."""
    candidates = tuple(
        CandidateInfo(n, silhouette, 0.2, 1.0, None) for n, silhouette in enumerate(silhouettes, 2)
    )
    index, choice = _best(candidates, SETTINGS, 2, usual_k)
    assert index is not None
    is_best = round(silhouettes[index], 4) == round(max(silhouettes), 4)
    assert is_best != choice.startswith("as in the previous run")
    return index + 2


@pytest.mark.parametrize(
    ("usual_k", "k"),
    [(None, 3), (2, 2), (3, 3), (4, 3), (6, 3)],  # K = 4 lies too far behind, 6 was not tried
)
def test_the_previous_runs_k_stays_where_it_is_about_as_good(usual_k: int | None, k: int) -> None:
    assert _chosen_k((0.56, 0.6, 0.54), usual_k) == k


def test_a_choice_has_its_reason() -> None:
    points, _ = _blobs([100, 100, 100])
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert found.choice == "the highest silhouette of the K accepted"
    alone = choose_partition(points, _ones(points), ClusterSettings(min_k=3, max_k=3), seed=1)
    assert alone.choice == "the only K accepted"
    lenient = ClusterSettings(usual_k_lag=1, min_reproducibility=-1)
    previous = PreviousPartition(2, np.zeros(len(points), np.intp))
    before = choose_partition(points, _ones(points), lenient, 1, 2, previous)
    assert before.choice is not None
    assert before.choice.startswith("as in the previous run, ")
    assert before.choice.endswith(" short of K=3")


def test_the_previous_runs_segments_found_again_are_reproduced() -> None:
    """Where halves of this month's sample disagree, last month's and this month's may agree."""
    points = np.random.default_rng(8).normal(0, 1, (600, 8))
    strict = ClusterSettings(max_k=3, restarts=2, min_reproducibility=0.9)
    alone = choose_partition(points, _ones(points), strict, seed=1)
    assert alone.partition is None
    lenient = ClusterSettings(min_k=3, max_k=3, restarts=2, min_reproducibility=-1)
    before = choose_partition(points, _ones(points), lenient, seed=1)
    assert before.partition is not None
    previous = PreviousPartition(3, before.partition.assign(points))
    found = choose_partition(points, _ones(points), strict, seed=1, previous=previous)
    assert found.partition is not None
    assert found.partition == before.partition
    other = PreviousPartition(3, np.random.default_rng(9).integers(0, 3, 600))
    assert choose_partition(points, _ones(points), strict, 1, previous=other).partition is None


def test_months_that_disagree_do_not_undo_halves_that_agree() -> None:
    points, labels = _blobs([100, 100, 100])
    alone = choose_partition(points, _ones(points), SETTINGS, seed=1)
    shuffled = PreviousPartition(3, np.random.default_rng(2).permutation(labels))
    found = choose_partition(points, _ones(points), SETTINGS, seed=1, previous=shuffled)
    assert found == alone
    assert found.candidates[1].reproducibility == alone.candidates[1].reproducibility == 1.0


@pytest.mark.parametrize(("share", "k"), [(0.015, 3), (0.008, 2)])
def test_a_usual_segment_may_shrink_to_half_of_the_smallest_share(share: float, k: int) -> None:
    points, labels = _blobs([120, 120, 40])
    weights = np.where(labels == 2, 240 * share / (1 - share) / 40, 1.0)
    assert choose_partition(points, weights, SETTINGS, seed=1).candidates[1].passed_over
    found = choose_partition(
        points, weights, SETTINGS, seed=1, previous=PreviousPartition(3, labels)
    )
    assert found.partition is not None
    assert found.partition.n_segments == k


def test_a_cut_through_one_cloud_is_no_structure_however_high_its_silhouette() -> None:
    draw = np.random.default_rng(5)
    points = draw.normal(0, 1, (1500, 2)) * [6, 0.1]  # so long that its halves stand apart
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert found.partition is not None
    assert found.silhouette is not None
    assert found.silhouette > SETTINGS.clustered_silhouette
    null = found.candidates[found.partition.n_segments - 2].null_silhouette
    assert null == pytest.approx(found.silhouette, abs=0.03)
    assert found.verdict == "no structure"


def test_the_null_has_the_covariance_of_the_weighted_points() -> None:
    draw = np.random.default_rng(6)
    round_cloud, long_cloud = draw.normal(0, 1, (800, 3)), draw.normal(0, 1, (800, 3)) * [9, 1, 1]
    points = np.vstack([round_cloud, long_cloud])
    settings = ClusterSettings(max_k=2, restarts=2, min_reproducibility=-1)
    nulls = []
    for weights in ((1.0, 1e-6), (1e-6, 1.0)):
        by_row = np.repeat(weights, 800)
        found = choose_partition(points, by_row, settings, seed=1)
        nulls.append(found.candidates[0].null_silhouette)
    assert nulls[0] is not None
    assert nulls[1] is not None
    assert nulls[0] + 0.2 < nulls[1]


def test_noise_has_no_structure() -> None:
    points = np.random.default_rng(8).normal(0, 1, (600, 8))
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert found.verdict == "no structure"
    assert found.reason


def test_where_no_k_is_reproducible_there_are_no_centroids() -> None:
    points = np.random.default_rng(8).normal(0, 1, (600, 8))
    settings = ClusterSettings(restarts=2, min_reproducibility=0.999)
    found = choose_partition(points, _ones(points), settings, seed=1)
    assert found.partition is None
    assert found.reason is not None
    assert found.reason.startswith("every K was rejected; the best, ")


def test_one_distinct_customer_has_no_structure() -> None:
    points = np.zeros((50, 2))
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert found == ChosenPartition(
        None, None, (), "no structure", "only 1 distinct customers", None
    )


def test_two_kinds_of_customers_are_two_segments() -> None:
    points = np.repeat([[0.0], [1.0]], 50, axis=0)
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert found.partition is not None
    assert found.partition.positions.tolist() == [[0.0], [1.0]]
    assert (found.verdict, found.silhouette) == ("clustered", 1.0)


def test_few_customers_are_clustered_without_halves() -> None:
    points, _ = _blobs([8, 8])
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert found.verdict == "clustered"
    assert found.reason == "only 16 customers, too few to compare two halves of them: a hint"
    assert {candidate.reproducibility for candidate in found.candidates} == {None}


def test_one_customer_of_a_rare_kind_does_not_switch_the_halves_off() -> None:
    points = np.random.default_rng(0).choice([0.0, 0.25, 0.5, 0.75, 1.0], size=(500, 1))
    points = np.vstack([points, [[0.1]]])  # six kinds, of which one half knows five
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    assert [candidate.n_clusters for candidate in found.candidates] == [2, 3, 4, 5]
    assert None not in {candidate.reproducibility for candidate in found.candidates}


def test_a_finer_partition_is_taken_where_the_axis_asks_for_one() -> None:
    points = np.random.default_rng(8).exponential(1, (600, 1))
    found = choose_partition(points, _ones(points), SETTINGS, seed=1)
    fine = choose_partition(points, _ones(points), SETTINGS, seed=1, min_segments=4)
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


@pytest.mark.parametrize("threads", [1, 4])
def test_discovery_gives_the_same_bits_under_any_number_of_threads(threads: int) -> None:
    draw = np.random.default_rng(3)
    values = draw.lognormal(4, 1, (2500, 3))
    names = ("lifetime_value", "avg_order_value", "largest_order_value")
    columns = dict(zip(names, values.T, strict=True))
    table = pa.table({"customer_id": [f"c{i}" for i in range(2500)], **columns})
    axis = Axis("own", "?", "marketing", tuple(Feature(name, "log") for name in names), ())
    sample = Sample(table, draw.uniform(1, 30, 2500))
    settings = ClusterSettings(max_k=4, restarts=2, min_reproducibility=0)
    alone = discover(sample, (axis,), frozenset(), settings, seed=1)
    with threadpool_limits(threads):
        beside = discover(sample, (axis, axis, axis), frozenset(), settings, seed=1)
    assert alone[0].model.segments
    assert beside == alone * 3


def test_every_axis_of_a_discovery_runs_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()

    def spied(*_: object) -> ChosenPartition:
        seen.update(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")
        return ChosenPartition(None, None, (), "no structure", None, None)

    monkeypatch.setattr("segpipe.discovery.discover.choose_partition", spied)
    table = pa.table({"customer_id": ["a", "b"], "recency_days": [1.0, 2.0]})
    axis = Axis("own", "?", "marketing", (Feature("recency_days"),), ())
    with threadpool_limits(4):
        discover(Sample(table, np.ones(2)), (axis,) * 4, frozenset(), SETTINGS, seed=1)
    assert seen == {1}
