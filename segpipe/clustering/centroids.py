"""K-means as a clusterer: each segment is the centroid that its points are nearest to.

Takes standardised points and weights; gives a CentroidPartition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from segpipe.clustering.base import Borders, Standing
from segpipe.clustering.distances import nearest, nearest_with_strength, squared_distances
from segpipe.clustering.kmeans import fit_each, move_centroids
from segpipe.core.arrays import Floats, Labels

_TOLERANCE = 1e-6  # of a refit, relative to the features' variance


@dataclass(frozen=True)
class CentroidPartition:
    """Segments by the nearest centroid; ties go to the lower index."""

    kind: ClassVar[str] = "kmeans"

    centroids: tuple[tuple[float, ...], ...]  # k of d standardised features

    @classmethod
    def of(cls, centroids: Floats) -> Self:
        """Of an array of shape (k, d)."""
        return cls(tuple(tuple(map(float, centroid)) for centroid in centroids))

    @property
    def n_segments(self) -> int:
        """How many segments there are, k."""
        return len(self.centroids)

    @cached_property
    def positions(self) -> Floats:
        """The centroids, shape (k, d)."""
        return np.array(self.centroids)

    def assign(self, points: Floats) -> Labels:
        """Index of the nearest centroid of each point (n, d)."""
        return nearest(points, self.positions)

    def assign_with_strength(self, points: Floats) -> tuple[Labels, Floats]:
        """Likewise, and the fuzzy membership in it; see `distances.nearest_with_strength`."""
        return nearest_with_strength(points, self.positions)

    def standing(self, point: Floats) -> Standing:
        """The nearest centroid and the next one; weights are differences of squared deviations."""
        squares = squared_distances(point[None], self.positions)[0]
        own = int(squares.argmin())
        others = [int(index) for index in np.argsort(squares, kind="stable") if index != own]
        if not others:
            return Standing(own, None, 0.0, np.zeros(len(point)))
        weights = (point - self.positions[others[0]]) ** 2 - (point - self.positions[own]) ** 2
        return Standing(own, others[0], membership(squares, others[0]), weights)

    def borders(self, point: Floats, feature: int) -> Borders:
        """Along one feature the difference of two squared distances is linear: solved for each."""
        squares = squared_distances(point[None], self.positions)[0]
        own = int(squares.argmin())
        slopes = 2 * (self.positions[:, feature] - self.positions[own, feature])
        gaps = (squares - squares[own])[slopes != 0]
        slopes = slopes[slopes != 0]
        with np.errstate(over="ignore"):  # segments that are all but equal on this feature
            places = point[feature] + gaps / slopes
        order = np.argsort(np.abs(places - point[feature]), kind="stable")
        return Borders(places[order], (slopes > 0)[order])

    def distance(self, point: Floats, segment: int) -> float:
        """Euclidean distance of the point (d,) to the segment's centroid."""
        return float(np.sqrt(squared_distances(point[None], self.positions[[segment]])[0, 0]))

    def refit(self, points: Floats, weights: Floats | None = None) -> CentroidPartition:
        """Centroids moved by Lloyd's steps to where points (n, d) have them."""
        return CentroidPartition.of(move_centroids(points, self.positions, _TOLERANCE, weights))

    def document(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": self.kind, "centroids": [list(centroid) for centroid in self.centroids]}


@dataclass(frozen=True)
class KMeans:
    """Weighted k-means, see `kmeans`."""

    kind: ClassVar[str] = "kmeans"
    n_features: ClassVar[int | None] = None

    def fit_each(
        self, points: Floats, weights: Floats, ks: Sequence[int], restarts: int, seed: int
    ) -> list[CentroidPartition]:
        """The partition with the least inertia of several restarts, for each k."""
        return [
            CentroidPartition.of(centroids)
            for centroids in fit_each(points, weights, ks, restarts, seed)
        ]

    def read(self, document: Mapping[str, Any], n_features: int) -> CentroidPartition:
        """The partition of a document; ValueError where a centroid is not made of numbers."""
        for centroid in document["centroids"]:
            if len(centroid) != n_features or not all(map(math.isfinite, centroid)):
                raise ValueError(f"a centroid is not at {n_features} numbers")
        return CentroidPartition(tuple(map(tuple, document["centroids"])))


def membership(squares: Floats, index: int) -> float:
    """Fuzzy membership, by squared distances (k,), of a segment that is not the nearest.

    0 where another is at no distance.
    """
    if (squares == 0).any():
        return 0.0
    return float(1.0 / (squares[index] / squares).sum())
