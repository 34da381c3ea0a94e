"""Weighted silhouette of several partitions over one pass of pairwise distances.

Takes points, population weights and labels; gives a score a partition. Rousseeuw (1987), with
each point standing for `weight` customers and the mean taken per cluster first, so that a lone
outlier cannot win.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
_BLOCK_ROWS = 256  # a block of distances stays in the processor's cache


def silhouette_scores(points: Floats, weights: Floats, partitions: Sequence[Labels]) -> list[float]:
    """Silhouette of each partition, -1 to 1.

    points (n, d), weights (n,), each partition (n,) with labels 0..k-1.
    """
    columns = [_indicator(labels, weights) for labels in partitions]
    sums = _weighted_distance_sums(points, np.hstack(columns))
    scores, start = [], 0
    for labels, column in zip(partitions, columns, strict=True):
        n_clusters = column.shape[1]
        scores.append(_score(sums[:, start : start + n_clusters], labels, weights))
        start += n_clusters
    return scores


def _indicator(labels: Labels, weights: Floats) -> Floats:
    """Weight of each point in the column of its cluster, shape (n, k)."""
    matrix = np.zeros((len(labels), int(labels.max()) + 1))
    matrix[np.arange(len(labels)), labels] = weights
    return matrix


def _weighted_distance_sums(points: Floats, indicators: Floats) -> Floats:
    """Σ_j weight_j · distance(i, j) over each cluster of each partition, shape (n, Σ k)."""
    squares = np.einsum("ij,ij->i", points, points)
    sums = np.empty((len(points), indicators.shape[1]))
    for start in range(0, len(points), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        block = points[rows] @ points.T
        block *= -2
        block += squares
        block += squares[rows, None]
        np.maximum(block, 0.0, out=block)  # rounding may leave a tiny negative square
        np.sqrt(block, out=block)
        sums[rows] = block @ indicators
    return sums


def _score(sums: Floats, labels: Labels, weights: Floats) -> float:
    rows = np.arange(len(labels))
    totals = np.bincount(labels, weights=weights)
    others = totals[labels] - weights
    with np.errstate(invalid="ignore", divide="ignore"):
        own = sums[rows, labels] / others
        means = sums / totals
    means[rows, labels] = np.inf
    means[:, totals == 0] = np.inf  # a label without points is nobody's neighbour
    nearest = means.min(axis=1)
    widest = np.maximum(own, nearest)
    with np.errstate(invalid="ignore", divide="ignore"):
        widths = (nearest - own) / widest
    # A point alone in its cluster scores 0, as does one that coincides with both neighbours.
    widths = np.where((others <= weights.min() * 1e-9) | ~np.isfinite(widths), 0.0, widths)
    in_use = totals > 0
    per_cluster = np.bincount(labels, weights=weights * widths)[in_use] / totals[in_use]
    return float(per_cluster.mean())
