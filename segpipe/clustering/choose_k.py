"""How many segments an axis has: K chosen by silhouette, or fixed, on the weighted sample.

Takes a clusterer, standardised points and weights; gives a partition and the candidates that were
tried. An axis runs on one thread; axes run side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from segpipe.clustering.base import Clusterer, Partition
from segpipe.clustering.centroids import KMeans
from segpipe.clustering.distinct_rows import count_distinct
from segpipe.clustering.rand_index import adjusted_rand
from segpipe.clustering.silhouette import silhouette_scores
from segpipe.core.arrays import Floats, Labels
from segpipe.core.report import CandidateInfo
from segpipe.core.settings import ClusterSettings
from segpipe.core.text import percent_floor
from segpipe.core.verdicts import CLUSTERED, NO_STRUCTURE, WEAK

MIN_SPLIT = 200  # customers below which two halves say more of chance than of the shop
_HALVES = (slice(0, None, 2), slice(1, None, 2))  # of the sample, which is ordered by id
_TIE_DIGITS = 4
_HALF_RESTARTS = 4  # a half that is stuck in a poor optimum only makes the test stricter
_NULL_DRAWS = 3  # their spread, some 0.01, is far below the excess that is asked
_NULL_POINTS = 800
_NULL_RESTARTS = 2
_K_MEANS = KMeans()


@dataclass(frozen=True)
class PreviousPartition:
    """The segments of the previous run, as its model gives them to the points; labels (n,)."""

    n_segments: int
    labels: Labels  # -1 where that model has a state


@dataclass(frozen=True)
class ChosenPartition:
    """The outcome of one axis; `partition` is None where no K is accepted."""

    partition: Partition | None
    silhouette: float | None
    candidates: tuple[CandidateInfo, ...]
    verdict: str  # of core/verdicts.py
    reason: str | None
    choice: str | None  # why this K won


def choose_partition(
    points: Floats,
    weights: Floats,
    settings: ClusterSettings,
    seed: int,
    min_segments: int = 2,
    previous: PreviousPartition | None = None,
    n_segments: int | None = None,
    clusterer: Clusterer = _K_MEANS,
) -> ChosenPartition:
    """Best partition of points (n, d) with weights (n,), by weighted silhouette.

    Candidates with a segment below the smallest share, or that two halves of the sample do not
    reproduce, are rejected, as are those below `min_segments` where a finer one holds; ties go to
    the smaller K. The K of the `previous` run stays where it is about as good. With `n_segments`
    that K alone is fitted and kept, and the verdict names its fault.
    """
    if n_segments:
        settings = replace(settings, min_k=n_segments, max_k=n_segments)
    can_split = len(points) >= MIN_SPLIT
    parts = _HALVES if can_split else (slice(None),)
    n_distinct = min(count_distinct(points[part], settings.max_k) for part in parts)
    largest = min(settings.max_k, n_distinct, len(points) - 1)
    if largest < settings.min_k:
        asked = f", and the axis asks for {n_segments} segments" if n_segments else ""
        lack = f"only {n_distinct} distinct customers{asked}"
        return ChosenPartition(None, None, (), NO_STRUCTURE, lack, None)
    ks = range(settings.min_k, largest + 1)
    fits = clusterer.fit_each(points, weights, ks, settings.restarts, seed)
    labels = [partition.assign(points) for partition in fits]
    scores = silhouette_scores(points, weights, labels)
    agreements: Sequence[float | None] = [None] * len(ks)
    if can_split:
        agreements = _reproducibilities(clusterer, points, weights, ks, seed)
    candidates = tuple(
        _candidate(_smallest_share(label, weights, k), k, score, agreement, settings)
        for k, label, score, agreement in zip(ks, labels, scores, agreements, strict=True)
    )
    if previous and previous.n_segments in ks:
        place = previous.n_segments - settings.min_k
        again = _found_again(candidates[place], previous, labels[place], settings)
        candidates = (*candidates[:place], again, *candidates[place + 1 :])
    index, choice = (
        _fixed(candidates[0])
        if n_segments
        else _best(candidates, settings, min_segments, previous.n_segments if previous else None)
    )
    if index is None:
        score = max(candidate.silhouette for candidate in candidates)
        return ChosenPartition(None, score, candidates, NO_STRUCTURE, choice, None)
    null = _null_silhouette(clusterer, points, weights, candidates[index].n_clusters, seed)
    verdict, reason = _verdict(candidates[index], null, settings)
    if reason is None and not can_split:
        reason = f"only {len(points)} customers, too few to compare two halves of them: a hint"
    chosen = replace(candidates[index], null_silhouette=null, passed_over=None)
    candidates = (*candidates[:index], chosen, *candidates[index + 1 :])
    return ChosenPartition(fits[index], chosen.silhouette, candidates, verdict, reason, choice)


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


def _found_again(
    candidate: CandidateInfo, previous: PreviousPartition, labels: Labels, settings: ClusterSettings
) -> CandidateInfo:
    """The candidate with the previous run's K, held to less: it has been found before.

    Two runs that agree are reproduction enough, and a segment may shrink below the smallest share
    by half before it is given up.
    """
    known = previous.labels >= 0
    halves = agreement = candidate.reproducibility
    if agreement is not None and known.any():
        months = adjusted_rand(previous.labels[known], labels[known])
        agreement = max(agreement, months)
    lenient = replace(settings, min_segment_share=settings.min_segment_share / 2)
    held = _candidate(
        candidate.smallest_share, candidate.n_clusters, candidate.silhouette, agreement, lenient
    )
    return replace(held, reproducibility=halves)


def _reproducibilities(
    clusterer: Clusterer, points: Floats, weights: Floats, ks: Sequence[int], seed: int
) -> list[float]:
    """Adjusted Rand index, for each k, of all points by two models, each fitted on one half."""
    halves = [
        clusterer.fit_each(points[half], weights[half], ks, _HALF_RESTARTS, seed)
        for half in _HALVES
    ]
    return [
        adjusted_rand(*(partition.assign(points) for partition in pair))
        for pair in zip(*halves, strict=True)
    ]


def _null_silhouette(
    clusterer: Clusterer, points: Floats, weights: Floats, k: int, seed: int
) -> float:
    """Mean silhouette of k segments in structureless data: normal, with the points' covariance.

    Parts of one continuum have a silhouette too, higher the more elongated the data are. This is
    the null of SigClust (Liu, Hayes, Nobel and Marron, 2008).
    """
    rng = np.random.default_rng(seed)
    n_features = points.shape[1]
    covariance = np.atleast_2d(np.cov(points, rowvar=False, aweights=weights, ddof=0))
    ones = np.ones(min(_NULL_POINTS, len(points)))
    scores = []
    for _ in range(_NULL_DRAWS):
        drawn = rng.multivariate_normal(np.zeros(n_features), covariance, len(ones), method="eigh")
        (partition,) = clusterer.fit_each(drawn, ones, (k,), _NULL_RESTARTS, seed)
        scores += silhouette_scores(drawn, ones, [partition.assign(drawn)])
    return float(np.mean(scores))


def _best(
    candidates: tuple[CandidateInfo, ...],
    settings: ClusterSettings,
    min_segments: int,
    previous_k: int | None,
) -> tuple[int | None, str]:
    """Index of the best candidate, None where all are rejected; and why, as a sentence."""
    holding = [i for i, candidate in enumerate(candidates) if candidate.passed_over is None]
    fine = [i for i in holding if candidates[i].n_clusters >= min_segments]
    eligible = fine or holding
    if not eligible:
        best = max(candidates, key=lambda candidate: candidate.silhouette)
        return None, f"every K was rejected; the best, {best.n_clusters}: {best.passed_over}"
    index = max(eligible, key=lambda i: (round(candidates[i].silhouette, _TIE_DIGITS), -i))
    best = candidates[index]
    for i in eligible:
        other = candidates[i]
        if other.n_clusters == previous_k and i != index:
            lag = best.silhouette - other.silhouette
            if lag <= settings.usual_k_lag:
                return i, f"as in the previous run, {lag:.3f} short of K={best.n_clusters}"
    if len(eligible) == 1:
        return index, "the only K accepted"
    some = f" with {min_segments} segments or more" if fine and min_segments > 2 else ""
    return index, f"the highest silhouette of the K accepted{some}"


def _fixed(candidate: CandidateInfo) -> tuple[int, str]:
    """Index of the only candidate, and why it is taken: it was not chosen, so with its fault."""
    fault = f", though {candidate.passed_over}" if candidate.passed_over else ""
    return 0, f"fixed by the axis{fault}"


def _verdict(
    candidate: CandidateInfo, null: float, settings: ClusterSettings
) -> tuple[str, str | None]:
    """How far the segments are groups, and why they are not; they are published in either case.

    Halves that disagree decide only where the axis fixes K: else such a K is not chosen.
    """
    score, halves = candidate.silhouette, candidate.reproducibility
    if candidate.passed_over and halves is not None and halves < settings.min_reproducibility:
        halves_agree = f"halves agree {halves:.2f}, below {settings.min_reproducibility:.2f}"
        return NO_STRUCTURE, f"silhouette {score:.2f}, {halves_agree}: tiers by the axis's fixed K"
    if score - null < settings.min_excess_silhouette:
        beside = f"data without groups has {null:.2f}"
        return NO_STRUCTURE, f"silhouette {score:.2f}, {beside}: one continuum, not groups"
    if score <= settings.min_silhouette:
        return NO_STRUCTURE, f"silhouette {score:.2f}: one continuum, not groups"
    return (CLUSTERED if score >= settings.clustered_silhouette else WEAK), None
