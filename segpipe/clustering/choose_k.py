"""How many segments an axis has: K chosen by silhouette, or fixed, on the weighted sample.

Takes a clusterer, standardised points and weights; gives a partition and the candidates that were
tried. Nothing depends on the order of the points. An axis runs on one thread; axes run side by
side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from segpipe.clustering.base import Clusterer, Partition
from segpipe.clustering.centroids import CentroidPartition, KMeans
from segpipe.clustering.distances import squared_distances
from segpipe.clustering.distinct_rows import count_distinct
from segpipe.clustering.rand_index import adjusted_rand
from segpipe.clustering.silhouette import silhouette_scores
from segpipe.core.arrays import Floats, Indices, Labels
from segpipe.core.report import CandidateInfo
from segpipe.core.settings import ClusterSettings
from segpipe.core.text import percent_floor

MIN_SPLIT = 200  # customers below which two halves say more of chance than of the shop
_TIE_DIGITS = 4
_HALF_RESTARTS = 4  # a half that is stuck in a poor optimum only makes the test stricter
_K_MEANS = KMeans()


@dataclass(frozen=True)
class ChosenPartition:
    """The outcome of one axis; `partition` is None where no K is accepted."""

    partition: Partition | None
    silhouette: float | None
    candidates: tuple[CandidateInfo, ...]
    choice: str | None  # why this K won, or why none did
    fits: tuple[Partition, ...] = ()  # of all candidates


def by_value(points: Floats, weights: Floats) -> Indices:
    """Order of the points by their values, in which neither ids nor arrival enter; shape (n,)."""
    return np.lexsort((weights, *points.T[::-1]))


def choose_partition(
    points: Floats,
    weights: Floats,
    settings: ClusterSettings,
    seed: int,
    min_segments: int = 2,
    n_segments: int | None = None,
    clusterer: Clusterer = _K_MEANS,
    start: Partition | None = None,
) -> ChosenPartition:
    """Best partition of points (n, d), sorted `by_value`, with weights (n,): highest silhouette.

    Candidates with a segment below the smallest share, or that two halves of the sample do not
    reproduce, are rejected, as are those below `min_segments` where a finer one holds; ties go to
    the smaller K. With `n_segments` that K alone is fitted and kept. `start` is one more start for
    its K.
    """
    if n_segments:
        settings = replace(settings, min_k=n_segments, max_k=n_segments)
    can_split = len(points) >= MIN_SPLIT
    halves = _halves(len(points), seed)
    parts = halves if can_split else (np.arange(len(points)),)
    n_distinct = min(count_distinct(points[part], settings.max_k) for part in parts)
    largest = min(settings.max_k, n_distinct, len(points) - 1)
    if largest < settings.min_k:
        asked = f", and the axis asks for {n_segments} segments" if n_segments else ""
        lack = f"only {n_distinct} distinct customers{asked}"
        return ChosenPartition(None, None, (), lack)
    ks = range(settings.min_k, largest + 1)
    fits = list(clusterer.fit_each(points, weights, ks, settings.restarts, seed))
    if start is not None and start.n_segments in ks:
        place = start.n_segments - settings.min_k
        fits[place] = _better(points, weights, fits[place], start)
    labels = [partition.assign(points) for partition in fits]
    scores = silhouette_scores(points, weights, labels)
    agreements: Sequence[float | None] = [None] * len(ks)
    if can_split:
        agreements = _reproducibilities(clusterer, points, weights, ks, halves, seed)
    candidates = tuple(
        _candidate(_smallest_share(label, weights, k), k, score, agreement, settings)
        for k, label, score, agreement in zip(ks, labels, scores, agreements, strict=True)
    )
    index, choice = _fixed(candidates[0]) if n_segments else _best(candidates, min_segments)
    if index is None:
        score = max(candidate.silhouette for candidate in candidates)
        return ChosenPartition(None, score, candidates, choice, tuple(fits))
    chosen = replace(candidates[index], passed_over=None)
    candidates = (*candidates[:index], chosen, *candidates[index + 1 :])
    return ChosenPartition(fits[index], chosen.silhouette, candidates, choice, tuple(fits))


def _halves(n_points: int, seed: int) -> tuple[Indices, Indices]:
    """Two halves of the points, by a permutation of their order by value."""
    first, second = np.array_split(np.random.RandomState(seed).permutation(n_points), 2)
    return np.sort(first), np.sort(second)


def _better(points: Floats, weights: Floats, fit: Partition, start: Partition) -> Partition:
    """Of the fit and the one that is reached from `start`, that with the lower inertia."""
    if not isinstance(start, CentroidPartition):
        return fit
    moved = start.refit(points, weights)
    return min((fit, moved), key=lambda one: _inertia(points, weights, one))


def _inertia(points: Floats, weights: Floats, partition: Partition) -> float:
    squares = squared_distances(points, partition.positions)
    return round(float(squares.min(axis=1) @ weights), 6)


def _smallest_share(labels: Labels, weights: Floats, k: int) -> float:
    shares = np.bincount(labels, weights=weights, minlength=k) / weights.sum()
    return float(shares.min())


def _candidate(
    smallest: float, k: int, score: float, agreement: float | None, settings: ClusterSettings
) -> CandidateInfo:
    passed_over = None
    if smallest < settings.min_segment_share:
        least = percent_floor(settings.min_segment_share)
        passed_over = f"smallest segment {smallest:.1%} below {least}"
    elif agreement is not None and agreement < settings.min_reproducibility:
        passed_over = f"halves agree {agreement:.2f}, below {settings.min_reproducibility:.2f}"
    return CandidateInfo(k, score, smallest, agreement, passed_over)


def _reproducibilities(
    clusterer: Clusterer,
    points: Floats,
    weights: Floats,
    ks: Sequence[int],
    halves: Sequence[Indices],
    seed: int,
) -> list[float]:
    """Adjusted Rand index, for each k, of all points by two models, each fitted on one half."""
    fits = [
        clusterer.fit_each(points[half], weights[half], ks, _HALF_RESTARTS, seed) for half in halves
    ]
    return [
        adjusted_rand(*(partition.assign(points) for partition in pair))
        for pair in zip(*fits, strict=True)
    ]


def _best(candidates: tuple[CandidateInfo, ...], min_segments: int) -> tuple[int | None, str]:
    """Index of the best candidate, None where all are rejected; and why, as a sentence."""
    holding = [i for i, candidate in enumerate(candidates) if candidate.passed_over is None]
    fine = [i for i in holding if candidates[i].n_clusters >= min_segments]
    eligible = fine or holding
    if not eligible:
        best = max(candidates, key=lambda candidate: candidate.silhouette)
        return None, f"every K was rejected; the best, {best.n_clusters}: {best.passed_over}"
    index = max(eligible, key=lambda i: (round(candidates[i].silhouette, _TIE_DIGITS), -i))
    if len(eligible) == 1:
        return index, "the only K accepted"
    some = f" with {min_segments} segments or more" if fine and min_segments > 2 else ""
    return index, f"the highest silhouette of the K accepted{some}"


def _fixed(candidate: CandidateInfo) -> tuple[int, str]:
    """Index of the only candidate, and why it is taken: it was not chosen, so with its fault."""
    fault = f", though {candidate.passed_over}" if candidate.passed_over else ""
    return 0, f"fixed by the axis{fault}"
