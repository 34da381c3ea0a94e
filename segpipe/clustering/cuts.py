"""Tiers of one measure: natural breaks, found by k-means in one dimension, as cut points.

Takes one standardised feature and weights; gives a CutPartition. A tier is [cut, next cut).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from segpipe.clustering.base import Borders, Standing
from segpipe.clustering.centroids import CentroidPartition, KMeans, membership
from segpipe.core.arrays import Floats, Labels


@dataclass(frozen=True)
class CutPartition:
    """Tiers in rising order: tier i holds values from cut i-1 on and below cut i."""

    kind: ClassVar[str] = "cuts"

    cuts: tuple[float, ...]  # k-1, rising, on the standardised feature
    centres: tuple[float, ...]  # k, the mean of each tier

    @classmethod
    def between(cls, centres: Sequence[float]) -> Self:
        """Cuts halfway between neighbouring centres, which are in rising order."""
        cuts = ((low + high) / 2 for low, high in pairwise(centres))
        return cls(tuple(cuts), tuple(centres))

    @property
    def n_segments(self) -> int:
        """How many tiers there are, k."""
        return len(self.centres)

    @cached_property
    def positions(self) -> Floats:
        """The centres, shape (k, 1)."""
        return np.array(self.centres)[:, None]

    def assign(self, points: Floats) -> Labels:
        """Tier of each point (n, 1)."""
        return np.searchsorted(np.array(self.cuts), points[:, 0], side="right")

    def assign_with_strength(self, points: Floats) -> tuple[Labels, Floats]:
        """Likewise, and the fuzzy membership by the distances to the centres, as k-means has it."""
        labels = self.assign(points)
        squares = self._squares(points[:, 0])
        own = squares[labels, np.arange(len(labels))]
        total = np.zeros(len(labels))
        with np.errstate(divide="ignore", invalid="ignore"):
            for of_tier in squares:
                total += own / of_tier
            strengths = np.where(own == 0.0, 1.0, 1.0 / total)
        return labels, strengths

    def standing(self, point: Floats) -> Standing:
        """The tier, and the neighbour behind the nearest cut."""
        own = int(self.assign(point[None])[0])
        if not self.cuts:
            return Standing(own, None, 0.0, np.zeros(1))
        border = min((own - 1, own), key=lambda i: self._way(i, float(point[0])))
        runner_up = own - 1 if border == own - 1 else own + 1
        squares = self._squares(point)[:, 0]
        weights = np.array([squares[runner_up] - squares[own]])
        return Standing(own, runner_up, membership(squares, runner_up), weights)

    def borders(self, point: Floats, feature: int) -> Borders:  # noqa: ARG002 - there is one only
        """The cuts, the nearest first."""
        places = np.array(self.cuts)
        places = places[np.argsort(np.abs(places - point[0]), kind="stable")]
        return Borders(places, places > point[0])

    def distance(self, point: Floats, segment: int) -> float:
        """Distance of the point (1,) to the tier's centre."""
        return abs(float(point[0]) - self.centres[segment])

    def refit(self, points: Floats, weights: Floats | None = None) -> CutPartition:
        """Natural breaks where points (n, 1) have them."""
        moved = CentroidPartition.of(self.positions).refit(points, weights)
        return CutPartition.between(sorted(float(centre) for (centre,) in moved.centroids))

    def document(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": self.kind, "cuts": list(self.cuts), "centres": list(self.centres)}

    def _squares(self, values: Floats) -> Floats:
        """Squared distances of values (n,) to the centres, shape (k, n)."""
        squares: Floats = np.square(values[None] - self.positions)
        return squares

    def _way(self, border: int, value: float) -> float:
        """Distance to a cut, infinite where there is none."""
        return abs(value - self.cuts[border]) if 0 <= border < len(self.cuts) else math.inf


@dataclass(frozen=True)
class NaturalBreaks:
    """Tiers of the first feature, by k-means in one dimension."""

    kind: ClassVar[str] = "cuts"
    n_features: ClassVar[int | None] = 1

    def fit_each(
        self, points: Floats, weights: Floats, ks: Sequence[int], restarts: int, seed: int
    ) -> list[CutPartition]:
        """Cuts halfway between the centroids of k-means, which come in rising order."""
        found = KMeans().fit_each(points, weights, ks, restarts, seed)
        return [CutPartition.between([centre for (centre,) in one.centroids]) for one in found]

    def read(self, document: Mapping[str, Any], n_features: int) -> CutPartition:
        """The partition of a document; ValueError where its cuts are not rising numbers."""
        cuts, centres = tuple(document["cuts"]), tuple(document["centres"])
        if n_features != 1 or len(centres) != len(cuts) + 1:
            raise ValueError(f"{len(cuts)} cuts of {n_features} features make no tiers")
        if not all(map(math.isfinite, (*cuts, *centres))) or list(cuts) != sorted(set(cuts)):
            raise ValueError("the cuts are not rising numbers")
        return CutPartition(cuts, centres)
