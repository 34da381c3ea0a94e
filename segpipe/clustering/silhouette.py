"""Weighted silhouette of several partitions over one pass of pairwise distances.

Takes points, population weights and labels; gives a score a partition. Rousseeuw (1987), with
each point standing for `weight` customers and the mean taken per cluster first, so that a single
outlier cannot win.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segpipe.clustering.distinct_rows import distinct_rows
from segpipe.core.arrays import Floats, Labels

_BLOCK = 131_072  # distances at a time, which stay in the processor's cache
_DIGITS = 9  # beyond which the order of summation shows


def silhouette_scores(points: Floats, weights: Floats, partitions: Sequence[Labels]) -> list[float]:
    """Silhouette of each partition, -1 to 1, to nine digits.

    points (n, d), weights (n,), each partition (n,) with labels 0..k-1.
    """
    # Customers whom neither a feature nor a partition tells apart count as one place; a cell holds
    # the places that all partitions put together.
    labels = np.stack(partitions, axis=1)
    place_of, firsts = distinct_rows(np.hstack([labels, points]))
    starts = distinct_rows(labels[firsts])[1]
    place_weights = np.bincount(place_of, weights).astype(np.float64)
    sums = _weighted_distance_sums(points[firsts], place_weights, starts)
    return [
        round(_score(_of_clusters(sums, own[firsts][starts])[place_of], own, weights), _DIGITS)
        for own in partitions
    ]


def _of_clusters(sums: Floats, cluster_of: Labels) -> Floats:
    """Sums over clusters (n, k) of sums over cells (n, cells), each of one cluster."""
    return sums @ np.eye(cluster_of.max() + 1)[cluster_of]


def _weighted_distance_sums(points: Floats, weights: Floats, starts: Labels) -> Floats:
    """Σ_j weight_j · distance(i, j) over each cell, shape (n, cells).

    A cell is the points from its start to the next one's. The distance of two points of different
    cells is found once, and counted for both.
    """
    sums = np.zeros((len(points), len(starts)))
    squares = np.einsum("ij,ij->i", points, points)
    ones = np.ones(len(points))
    left = np.column_stack([-2 * points, ones, squares])
    right = np.column_stack([points, squares, ones]).T
    ends = np.append(starts[1:], len(points))
    for cell, (first, end) in enumerate(zip(starts, ends, strict=True)):
        n_rows = max(1, _BLOCK // (len(points) - first))
        for start in range(first, end, n_rows):
            rows = slice(start, min(start + n_rows, end))
            block = left[rows] @ right[:, first:]
            np.maximum(block, 0.0, out=block)  # rounding may leave a tiny negative square
            np.sqrt(block, out=block)
            np.fill_diagonal(block[:, start - first :], 0.0)  # a place to itself
            sums[end:, cell] += weights[rows] @ block[:, end - first :]
            block *= weights[first:]
            sums[rows, cell:] = np.add.reduceat(block, starts[cell:] - first, axis=1)
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
