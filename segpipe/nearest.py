"""Distances to centroids and the nearest one: the same for the sample, a batch and one customer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
_BLOCK_ROWS = 8192  # whose distances stay in the processor's cache


def nearest(points: Floats, centroids: Floats) -> Labels:
    """Index of the nearest centroid of each point; ties to the lower index."""
    labels = np.empty(len(points), dtype=np.intp)
    for start in range(0, len(points), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        labels[rows] = _least(_squares(points[rows], centroids))[0]
    return labels


def nearest_with_strength(points: Floats, centroids: Floats) -> tuple[Labels, Floats]:
    """Likewise, and the fuzzy c-means membership in it (Bezdek, 1981; m = 2), 0 to 1.

    1 / Σ_j (d_nearest / d_j)²; 1 on a centroid. Summed centroid by centroid, as above.
    """
    squares = _squares(points, centroids)
    labels, least = _least(squares)
    total = np.zeros(len(points))
    with np.errstate(divide="ignore", invalid="ignore"):
        for of_centroid in squares:
            total += least / of_centroid
    return labels, np.where(least == 0.0, 1.0, 1.0 / total)


def squared_distances(points: Floats, centroids: Floats) -> Floats:
    """Squared Euclidean distances, shape (n, k).

    Summed feature by feature: a matrix product would round differently with the batch's size.
    """
    return _squares(points, centroids).T


def _least(squares: Floats) -> tuple[Labels, Floats]:
    """Row of the least of each column of (k, n), the lowest of those alike; and the least."""
    rows = np.zeros(squares.shape[1], dtype=np.intp)
    least = squares[0].copy()
    for row in range(1, len(squares)):
        np.copyto(rows, row, where=squares[row] < least)
        np.minimum(least, squares[row], out=least)
    return rows, least


def _squares(points: Floats, centroids: Floats) -> Floats:
    """Likewise, a row a centroid: shape (k, n)."""
    squares = np.zeros((len(centroids), len(points)))
    for values, places in zip(points.T, centroids.T, strict=True):
        gaps = values - places[:, None]
        squares += np.square(gaps, out=gaps)
    return squares
