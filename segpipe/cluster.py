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
from segpipe.report import CandidateInfo
from segpipe.silhouette import silhouette_scores

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
MIN_SPLIT = 60  # customers below which two halves say nothing
_TIE_DIGITS = 4


@dataclass(frozen=True)
class Partition:
    """The outcome of one axis; without structure `centroids` is None, shape (k, d) otherwise."""

    centroids: Floats | None
    silhouette: float | None
    candidates: tuple[CandidateInfo, ...]
    verdict: str  # clustered, weak, no structure
    reason: str | None


def choose_partition(
    points: Floats, weights: Floats, settings: ClusterSettings, seed: int
) -> Partition:
    """Best partition of points (n, d) with weights (n,), by weighted silhouette.

    Candidates with a segment below the smallest share, or that two halves of the sample do not
    reproduce, are passed over; ties go to the smaller K.
    """
    n_distinct = len(np.unique(points, axis=0))
    largest = min(settings.max_k, n_distinct - 1)
    if largest < settings.min_k:
        return Partition(None, None, (), "no structure", f"only {n_distinct} distinct customers")
    ks = range(settings.min_k, largest + 1)
    fits = [_fit(points, weights, k, settings.restarts, seed) for k in ks]
    labels = [nearest(points, centroids) for centroids in fits]
    scores = silhouette_scores(points, weights, labels)
    candidates = tuple(
        _candidate(points, weights, settings, seed, fit, label, score)
        for fit, label, score in zip(fits, labels, scores, strict=True)
    )
    return _chosen(fits, candidates, settings)


def nearest(points: Floats, centroids: Floats) -> Labels:
    """Index of the nearest centroid of each point; ties to the lower index."""
    return squared_distances(points, centroids).argmin(axis=1)


def squared_distances(points: Floats, centroids: Floats) -> Floats:
    """Squared Euclidean distances, shape (n, k).

    Summed feature by feature: a matrix product would round differently with the batch's size.
    """
    squares = np.zeros((len(points), len(centroids)))
    for feature in range(points.shape[1]):
        squares += np.square(points[:, feature, None] - centroids[None, :, feature])
    return squares


def _fit(points: Floats, weights: Floats, k: int, restarts: int, seed: int) -> Floats:
    """Centroids in a fixed order: by their coordinates."""
    model = KMeans(n_clusters=k, n_init=restarts, random_state=seed, tol=0.0, max_iter=300)
    centroids: Floats = model.fit(points, sample_weight=weights).cluster_centers_
    return centroids[np.lexsort(centroids.T[::-1])]


def _candidate(
    points: Floats,
    weights: Floats,
    settings: ClusterSettings,
    seed: int,
    centroids: Floats,
    labels: Labels,
    score: float,
) -> CandidateInfo:
    k = len(centroids)
    shares = np.bincount(labels, weights=weights, minlength=k) / weights.sum()
    smallest = float(shares.min())
    agreement = _reproducibility(points, weights, k, settings.restarts, seed)
    passed_over = None
    if smallest < settings.min_segment_share:
        passed_over = f"smallest segment {smallest:.1%} below {settings.min_segment_share:.0%}"
    elif agreement is not None and agreement < settings.min_reproducibility:
        passed_over = f"halves agree {agreement:.2f}, below {settings.min_reproducibility:.2f}"
    return CandidateInfo(k, score, smallest, agreement, passed_over)


def _reproducibility(
    points: Floats, weights: Floats, k: int, restarts: int, seed: int
) -> float | None:
    """Adjusted Rand index of all points labelled by two models, each fitted on one half."""
    halves = [slice(0, None, 2), slice(1, None, 2)]
    if len(points) < MIN_SPLIT or any(len(np.unique(points[h], axis=0)) <= k for h in halves):
        return None
    first, second = (
        nearest(points, _fit(points[half], weights[half], k, restarts, seed)) for half in halves
    )
    return float(adjusted_rand_score(first, second))


def _chosen(
    fits: list[Floats], candidates: tuple[CandidateInfo, ...], settings: ClusterSettings
) -> Partition:
    eligible = [i for i, candidate in enumerate(candidates) if candidate.passed_over is None]
    if not eligible:
        best = max(candidates, key=lambda candidate: candidate.silhouette)
        reason = f"no K holds; the best, {best.n_clusters}: {best.passed_over}"
        return Partition(None, best.silhouette, candidates, "no structure", reason)
    index = max(eligible, key=lambda i: (round(candidates[i].silhouette, _TIE_DIGITS), -i))
    score = candidates[index].silhouette
    if score <= settings.min_silhouette:
        reason = f"silhouette {score:.2f} at its best, not above {settings.min_silhouette:.2f}"
        return Partition(None, score, candidates, "no structure", reason)
    verdict = "clustered" if score >= settings.clustered_silhouette else "weak"
    return Partition(fits[index], score, candidates, verdict, None)
