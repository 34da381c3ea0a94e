"""Distances to centroids and the nearest one: the same for the sample, a batch and one customer."""

from __future__ import annotations

import numpy as np

from segpipe.core.arrays import Floats, Labels

_BLOCK_ROWS = 8192  # whose distances stay in the processor's cache


def nearest(points: Floats, centroids: Floats) -> Labels:
    """Index of the nearest centroid of each point; ties to the lower index."""
    labels = np.empty(len(points), dtype=np.intp)
    for start in range(0, len(points), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        labels[rows] = _least(_squares(points[rows].T, centroids.T))[0]
    return labels


def nearest_with_strength(points: Floats, centroids: Floats) -> tuple[Labels, Floats]:
    """Likewise, and the fuzzy c-means membership in it (Bezdek, 1981; m = 2), 0 to 1.

    1 / Σ_j (d_nearest / d_j)²; 1 on a centroid. Summed centroid by centroid, as the squares are.
    """
    squares = _squares(points.T, centroids.T)
    labels, least = _least(squares)
    total = np.zeros(len(points))
    with np.errstate(divide="ignore", invalid="ignore"):
        for row in squares:
            total += least / row
        return labels, np.where(least == 0.0, 1.0, 1.0 / total)


def squared_distances(points: Floats, centroids: Floats) -> Floats:
    """Squared Euclidean distances, shape (n, k).

    Summed feature by feature: a matrix product would round differently with the batch's size.
    """
    return _squares(points.T, centroids.T).T


def longest_shift(points: Floats, labels: Labels, positions: Floats) -> float:
    """Longest way from a segment's position to the mean of the points that are its own by `labels`.

    Shapes (n, d), (n,) and (k, d); segments without points do not count.
    """
    counts = np.bincount(labels, minlength=len(positions))
    sums = [np.bincount(labels, values, len(positions)) for values in points.T]
    means = np.array(sums).T / np.maximum(counts, 1)[:, None]
    return float(np.linalg.norm(means - positions, axis=1)[counts > 0].max())


def nearness(positions: Floats, others: Floats) -> Floats:
    """exp(-d² / 2) of two sets of positions, d the root mean square over the features; (k, k')."""
    squares = squared_distances(positions, others)
    found: Floats = np.exp(-squares / positions.shape[1] / 2)
    return found


def _least(squares: Floats) -> tuple[Labels, Floats]:
    """Row of the least of each column of (k, n), the lowest of those alike; and the least."""
    least = squares[0].copy()
    rows = np.zeros(len(least), dtype=np.intp)
    for row in range(1, len(squares)):
        np.copyto(rows, row, where=squares[row] < least)
        np.minimum(least, squares[row], out=least)
    return rows, least


def _squares(values: Floats, places: Floats) -> Floats:
    """Squared distances of (n_features, n) to (n_features, k), with a row a centroid: (k, n)."""
    squares = np.zeros((places.shape[1], values.shape[1]))
    for of_points, of_centroids in zip(values, places, strict=True):
        gaps = of_points - of_centroids[:, None]
        squares += np.square(gaps, out=gaps)
    return squares
