"""The density of customers along the line between two centroids, and how deep its valley is.

Takes points, weights and two centroids; gives places on the line, 0 and 1 being the centroids, and
the least density in between as a share of the lower peak at its sides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from segpipe.core.arrays import Flags, Floats

_TUBE = 0.5  # squared width of the tube, in mean squared distances from the line
_PRIOR_CUSTOMERS = 12.0  # added to valley and peak alike, so that few customers make no valley
_BIN = 0.01
_FIRST, _N_BINS = -1.0, 301  # centres of the bins, -1 to 2
_BETWEEN = slice(116, 185)  # bins in which the valley may lie: above 0.15 and below 0.85
_REACH = 4.0  # bandwidths at which the Gaussian ends


@dataclass(frozen=True)
class Line:
    """Customers about the line between two centroids: places along it and weights, both (n,)."""

    places: Floats
    weights: Floats

    @classmethod
    def between(
        cls, first: Floats, second: Floats, points: Floats, weights: Floats, is_own: Flags
    ) -> Line:
        """Of points (n, d) that are nearest to one of the two centroids, or lie between them.

        Each weighs the less, the farther it is from the line. The density is thus that of the line
        itself: a cloud without groups falls to all sides of its peak and has no valley there,
        whatever the shape of the segments into which k-means divides it.
        """
        way = second - first
        length = way @ way
        gaps = points - first
        places = gaps @ way / length
        if len(way) == 1:
            return cls(places[is_own], weights[is_own])
        off = np.einsum("ij,ij->i", gaps, gaps) - np.square(places) * length
        spread = np.average(off[is_own], weights=weights[is_own])
        counts = is_own | ((places > 0) & (places < 1))
        return cls(places[counts], weights[counts] * np.exp(off[counts] / (-2 * _TUBE * spread)))

    def reversed(self) -> Line:
        """The same line from the second centroid to the first."""
        return Line(1.0 - self.places, self.weights)

    def joined(self, other: Line) -> Line:
        """The customers of both lines, by their places between the two centroids of each."""
        places = np.concatenate([self.places, other.places])
        return Line(places, np.concatenate([self.weights, other.weights]))

    def valley(self) -> float:
        """Least density between 0.15 and 0.85, divided by the lower of the peaks at its sides.

        1 where there is no valley: the density falls or rises all the way.
        """
        density = self._density()
        low = _BETWEEN.start + int(density[_BETWEEN].argmin())
        lower_peak = min(density[:low].max(), density[low + 1 :].max())
        depth = (density[low] + _PRIOR_CUSTOMERS) / (lower_peak + _PRIOR_CUSTOMERS)
        return float(min(depth, 1.0))

    def _density(self) -> Floats:
        """Customers within a Gaussian about each bin: a weighted histogram, smoothed.

        The bandwidth is Scott's, deviation · n^-0.2. For n stands Kish's effective number,
        (Σw)² / Σw²: a weighted estimate varies as an unweighted one from that many customers does.
        It does not change if all weights are multiplied, and a heavy customer is not taken for
        several independent ones.
        """
        total = self.weights.sum()
        mean = self.places @ self.weights / total
        deviation = math.sqrt(np.square(self.places - mean) @ self.weights / total)
        n_effective = float(total**2 / (self.weights @ self.weights))
        width = max(deviation * n_effective**-0.2 / _BIN, 1.0)  # in bins
        bins = np.floor((self.places - _FIRST) / _BIN + 0.5).clip(-1, _N_BINS).astype(np.intp)
        counts = np.bincount(bins + 1, self.weights, _N_BINS + 2)[1:-1]  # none beyond the ends
        reach = min(math.ceil(_REACH * width), _N_BINS - 1)
        kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / width))
        smooth = np.convolve(counts, kernel)[reach : reach + _N_BINS]
        customers: Floats = smooth * (n_effective / total)
        return customers
