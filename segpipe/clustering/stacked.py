"""Partitions of several axes asked at once: a few customers on all axes cost as much as on one.

Takes one partition an axis; gives the same segments and strengths, to the last bit, as each would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segpipe.clustering.base import Partition
from segpipe.clustering.centroids import CentroidPartition
from segpipe.clustering.distances import nearest_of_each
from segpipe.core.arrays import Floats, Labels


@dataclass(frozen=True)
class StackedPartitions:
    """The centroids of all axes as one array; other kinds of partitions are asked one by one."""

    centroids: Floats  # (n_axes, most features, most segments), at infinity where there is none
    others: tuple[tuple[int, Partition, int], ...]  # axis, partition, number of features

    @classmethod
    def of(
        cls, partitions: Sequence[Partition | None], n_features: Sequence[int]
    ) -> StackedPartitions:
        """Of one partition an axis, None where it has no segments, on so many features."""
        stacked = [p.positions for p in partitions if isinstance(p, CentroidPartition)]
        n_segments = max((len(positions) for positions in stacked), default=0) or 1
        shape = (len(partitions), max(n_features, default=0), n_segments)
        centroids = np.full(shape, np.inf)
        others = []
        for axis, partition in enumerate(partitions):
            if isinstance(partition, CentroidPartition):
                k = partition.n_segments
                centroids[axis, :, :k] = 0.0  # in features that the axis has not
                centroids[axis, : n_features[axis], :k] = partition.positions.T
            elif partition is not None:
                others.append((axis, partition, n_features[axis]))
        return cls(centroids, tuple(others))

    def assign(self, values: Floats) -> tuple[Labels, Floats]:
        """Segment and strength, both of shape (n_axes, n), of values (n_axes, most features, n).

        A feature that an axis has not is zero. Nothing holds of an axis without segments.
        """
        labels, strengths = nearest_of_each(values, self.centroids)
        for axis, partition, n_features in self.others:
            points = values[axis, :n_features].T
            labels[axis], strengths[axis] = partition.assign_with_strength(points)
        return labels, strengths
