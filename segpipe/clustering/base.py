"""What a clusterer is: weighted points in, a partition out that assigns and explains new points.

Everybody outside this room asks a partition; only this room knows what it is made of. The model
keeps a partition as plain JSON, and `registry` reads it back by its kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from segpipe.core.arrays import Flags, Floats, Labels


@dataclass(frozen=True)
class Standing:
    """Where one point stands among the segments, for an explanation."""

    own: int
    runner_up: int | None  # None: there is no other segment
    runner_up_strength: float  # 0 to 1, by the same formula as the strength
    weights: Floats  # (d,): how much each feature speaks for `own` against the runner-up


@dataclass(frozen=True)
class Borders:
    """Where a point would enter another segment if one feature alone changed, the nearest first."""

    places: Floats  # (n,), on the standardised feature
    is_rise: Flags  # (n,): the feature must rise to get there


class Partition(Protocol):
    """How standardised points (n, d) are divided among segments 0 … k-1."""

    kind: ClassVar[str]  # key of the registry

    @property
    def n_segments(self) -> int:
        """How many segments there are, k."""

    @property
    def positions(self) -> Floats:
        """A typical point of each segment, shape (k, d)."""

    def assign(self, points: Floats) -> Labels:
        """Segment of each point, shape (n,)."""

    def assign_with_strength(self, points: Floats) -> tuple[Labels, Floats]:
        """Likewise, and how firmly the point belongs to it, 0 to 1; both of shape (n,)."""

    def standing(self, point: Floats) -> Standing:
        """Where one point (d,) stands."""

    def borders(self, point: Floats, feature: int) -> Borders:
        """Where the point (d,) meets other segments along one feature."""

    def distance(self, point: Floats, segment: int) -> float:
        """Euclidean distance of the point (d,) to the segment's position."""

    def refit(self, points: Floats, weights: Floats | None = None) -> Self:
        """The same segments where points (n, d) have them; without weights each counts alike."""

    def document(self) -> dict[str, Any]:
        """Plain values with `kind`, from which the registry makes the same partition."""


class Clusterer(Protocol):
    """Finds partitions of weighted points."""

    kind: ClassVar[str]
    n_features: ClassVar[int | None]  # of which it takes the first so many; None: all

    def fit_each(
        self, points: Floats, weights: Floats, ks: Sequence[int], restarts: int, seed: int
    ) -> Sequence[Partition]:
        """The best partition of points (n, d) with weights (n,) into each k segments."""

    def read(self, document: Mapping[str, Any], n_features: int) -> Partition:
        """The partition of a document; ValueError, KeyError or TypeError where it is none."""
