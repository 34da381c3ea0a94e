"""K-means with K chosen by silhouette, per axis, on the weighted sample.

Takes standardised points and weights; gives centroids and the candidates that were tried.
K-means runs on one thread, because scikit-learn's result depends on their number (its issue
27518); axes run side by side instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from segpipe.config import ClusterSettings
from segpipe.nearest import nearest
from segpipe.report import CandidateInfo
from segpipe.silhouette import silhouette_scores

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
MIN_SPLIT = 200  # customers below which two halves say more of chance than of the shop
_HALVES = (slice(0, None, 2), slice(1, None, 2))  # of the sample, which is ordered by id
_TIE_DIGITS = 4
_ROUGH = 1e-3  # tolerance of a restart, relative to the features' variance
_HALF_RESTARTS = 4  # a half that is stuck in a poor optimum only makes the test stricter


@dataclass(frozen=True)
class Partition:
    """The outcome of one axis; `centroids` of shape (k, d), None where no K holds."""

    centroids: Floats | None
    silhouette: float | None
    candidates: tuple[CandidateInfo, ...]
    verdict: str  # clustered, weak, no structure
    reason: str | None


def choose_partition(
    points: Floats,
    weights: Floats,
    settings: ClusterSettings,
    seed: int,
    min_segments: int = 2,
) -> Partition:
    """Best partition of points (n, d) with weights (n,), by weighted silhouette.

    Candidates with a segment below the smallest share, or that two halves of the sample do not
    reproduce, are passed over, as are those below `min_segments` where a finer one holds; ties
    go to the smaller K.
    """
    can_split = len(points) >= MIN_SPLIT
    parts = _HALVES if can_split else (slice(None),)
    n_distinct = min(len(np.unique(points[part], axis=0)) for part in parts)
    largest = min(settings.max_k, n_distinct, len(points) - 1)
    if largest < settings.min_k:
        return Partition(None, None, (), "no structure", f"only {n_distinct} distinct customers")
    ks = range(settings.min_k, largest + 1)
    fits = [_fit(points, weights, k, settings.restarts, seed) for k in ks]
    labels = [nearest(points, centroids) for centroids in fits]
    scores = silhouette_scores(points, weights, labels)
    agreements = [_reproducibility(points, weights, k, seed) if can_split else None for k in ks]
    candidates = tuple(
        _candidate(_smallest_share(label, weights, k), k, score, agreement, settings)
        for k, label, score, agreement in zip(ks, labels, scores, agreements, strict=True)
    )
    return _chosen(fits, candidates, settings, min_segments)


def _fit(points: Floats, weights: Floats, k: int, restarts: int, seed: int) -> Floats:
    """Centroids in a fixed order: by their coordinates.

    Restarts stop early and only the best is run to its end: a third of the time, and on
    unstructured data, where convergence is slow, within 0.1 % of the inertia.
    """
    rough = KMeans(n_clusters=k, n_init=restarts, random_state=seed, tol=_ROUGH)
    best = rough.fit(points, sample_weight=weights).cluster_centers_
    exact = KMeans(n_clusters=k, init=best, n_init=1, tol=0.0)
    centroids: Floats = exact.fit(points, sample_weight=weights).cluster_centers_
    return centroids[np.lexsort(centroids.T[::-1])]


def _smallest_share(labels: Labels, weights: Floats, k: int) -> float:
    shares = np.bincount(labels, weights=weights, minlength=k) / weights.sum()
    return float(shares.min())


def _candidate(
    smallest: float, k: int, score: float, agreement: float | None, settings: ClusterSettings
) -> CandidateInfo:
    passed_over = None
    if smallest < settings.min_segment_share:
        passed_over = f"smallest segment {smallest:.1%} below {settings.min_segment_share:.0%}"
    elif agreement is not None and agreement < settings.min_reproducibility:
        passed_over = f"halves agree {agreement:.2f}, below {settings.min_reproducibility:.2f}"
    return CandidateInfo(k, score, smallest, agreement, passed_over)


def _reproducibility(points: Floats, weights: Floats, k: int, seed: int) -> float:
    """Adjusted Rand index of all points labelled by two models, each fitted on one half."""
    first, second = (
        nearest(points, _fit(points[half], weights[half], k, _HALF_RESTARTS, seed))
        for half in _HALVES
    )
    return float(adjusted_rand_score(first, second))


def _chosen(
    fits: list[Floats],
    candidates: tuple[CandidateInfo, ...],
    settings: ClusterSettings,
    min_segments: int,
) -> Partition:
    holding = [i for i, candidate in enumerate(candidates) if candidate.passed_over is None]
    fine = [i for i in holding if candidates[i].n_clusters >= min_segments]
    eligible = fine or holding
    if not eligible:
        best = max(candidates, key=lambda candidate: candidate.silhouette)
        reason = f"no K holds; the best, {best.n_clusters}: {best.passed_over}"
        return Partition(None, best.silhouette, candidates, "no structure", reason)
    index = max(eligible, key=lambda i: (round(candidates[i].silhouette, _TIE_DIGITS), -i))
    score = candidates[index].silhouette
    return Partition(fits[index], score, candidates, *_verdict(score, settings))


def _verdict(score: float, settings: ClusterSettings) -> tuple[str, str | None]:
    """How far the segments are groups of their own; a stable cut is published all the same."""
    if score >= settings.clustered_silhouette:
        return "clustered", None
    if score > settings.min_silhouette:
        return "weak", None
    return "no structure", f"silhouette {score:.2f}: a stable cut through a continuum, not groups"
