"""Distances to centroids and the nearest one: the same for the sample, a batch and one customer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]


def nearest(points: Floats, centroids: Floats) -> Labels:
    """Index of the nearest centroid of each point; ties to the lower index."""
    labels: Labels = squared_distances(points, centroids).argmin(axis=1)
    return labels


def squared_distances(points: Floats, centroids: Floats) -> Floats:
    """Squared Euclidean distances, shape (n, k).

    Summed feature by feature: a matrix product would round differently with the batch's size.
    """
    squares = np.zeros((len(points), len(centroids)))
    for feature in range(points.shape[1]):
        squares += np.square(points[:, feature, None] - centroids[None, :, feature])
    return squares
