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

    1 / Σ_j (d_nearest / d_j)²; 1 on a centroid. Summed centroid by centroid, as below.
    """
    return nearest_of_each(points.T, centroids.T)


def nearest_of_each(values: Floats, places: Floats) -> tuple[Labels, Floats]:
    """The same of several sets of points at once, each with centroids of its own.

    Shapes (..., n_features, n) and (..., n_features, k); gives two of (..., n). A feature that a
    set lacks is zero in both, a centroid that it lacks is at infinity: neither changes a bit.
    """
    squares = _squares(values, places)
    labels, least = _least(squares)
    total = np.zeros(least.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        for row in range(squares.shape[-2]):
            total += least / squares[..., row, :]
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
    """Row of the least of each column of (..., k, n), the lowest of those alike; and the least."""
    least = squares[..., 0, :].copy()
    rows = np.zeros(least.shape, dtype=np.intp)
    for row in range(1, squares.shape[-2]):
        of_row = squares[..., row, :]
        np.copyto(rows, row, where=of_row < least)
        np.minimum(least, of_row, out=least)
    return rows, least


def _squares(values: Floats, places: Floats) -> Floats:
    """Squared distances with a row a centroid: shape (..., k, n)."""
    squares = np.zeros((*values.shape[:-2], places.shape[-1], values.shape[-1]))
    for feature in range(values.shape[-2]):
        gaps = values[..., feature, None, :] - places[..., feature, :, None]
        squares += np.square(gaps, out=gaps)
    return squares
