"""Whether customers fall into separate groups: the density between neighbouring centroids.

Takes standardised, clipped points and weights; gives a valley for each K, 1 where no density drops
between two segments. K-means learns on one half of the customers and the density is that of the
other half, so that a gap left by chance is not found again. See docs/decisions/0016-valley.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segpipe.clustering.assignment_problem import max_score_assignment
from segpipe.clustering.base import Clusterer, Partition
from segpipe.clustering.centroids import KMeans
from segpipe.clustering.distances import squared_distances
from segpipe.clustering.line_density import Line
from segpipe.core.arrays import Flags, Floats, Indices, Labels

KS = (2, 3, 4, 5)
ENTER = 0.86  # below which tiers may become groups
LEAVE = 0.95  # from which groups are no longer separate
MIN_CUSTOMERS = 200  # with fewer a half says more of chance than of the shop

SPLITS = 10
_SPLITS_BEFORE_STOP = 2
_CLEAR = 0.6  # a mean valley below it is one, whatever more splits would say
_RESTARTS = 3
_JITTER = 0.1  # of a feature's deviation; it spreads values that many customers share
_SHARED = 0.1  # share of customers from which one value is left out
_SMALLEST_SHARE = 0.01  # of a half; smaller segments have no density to speak of
_FEWEST = 8  # customers of a half, likewise
_SAME_SHARE = 0.9  # of customers whom two fits must divide alike to be judged together
_K_MEANS = KMeans()

_Pair = tuple[int, int]


@dataclass(frozen=True)
class Valleys:
    """Valley of each K, 0 to 1: least density between two segments ÷ the lower of their peaks.

    Of the two segments that are the least separate; mean over the splits.
    """

    ks: tuple[int, ...]
    all_features: tuple[float, ...]
    main_measure: tuple[float, ...] | None  # of the first feature alone; None: not asked

    @property
    def least(self) -> tuple[float, ...]:
        """The lower of the two, for each K."""
        if self.main_measure is None:
            return self.all_features
        return tuple(map(min, self.all_features, self.main_measure))


def is_separate(valley: float, *, is_current: bool = False) -> bool:
    """Whether segments count as groups; those of the current model stay groups more easily."""
    return valley < (LEAVE if is_current else ENTER)


def find_valleys(
    points: Floats,
    weights: Floats,
    seed: int,
    ks: Sequence[int] = KS,
    n_splits: int = SPLITS,
    clusterer: Clusterer = _K_MEANS,
) -> Valleys:
    """Valleys of points (n, d), the main measure first, with weights (n,).

    Two splits are enough for a K that is clearly below the bound or above 0.95. The main measure
    alone is asked where all features show no groups. The order of the points changes nothing, and
    fewer than 200 customers make no groups: 1.0.
    """
    test = _Test(seed, tuple(ks), n_splits, clusterer)
    every = test.valleys(points, weights)
    all_features = tuple(every.tolist())
    if points.shape[1] == 1:
        return Valleys(test.ks, all_features, all_features)
    if (every < ENTER).any():
        return Valleys(test.ks, all_features, None)
    main = test.valleys(points[:, :1], weights)
    return Valleys(test.ks, all_features, tuple(main.tolist()))


@dataclass(frozen=True)
class _Test:
    """The settings of one test."""

    seed: int
    ks: tuple[int, ...]
    n_splits: int
    clusterer: Clusterer

    def valleys(self, points: Floats, weights: Floats) -> Floats:
        """Valley of each K: the higher of those with and without values that many share."""
        # By value, so that neither ids nor the order of arrival decide who is in which half.
        order = np.lexsort((weights, *points.T[::-1]))
        points, weights = points[order], weights[order]
        rest = _without_shared_values(points, weights)
        if np.count_nonzero(rest) < MIN_CUSTOMERS:
            return np.ones(len(self.ks))
        found = self._mean_over_splits(points, weights)
        if rest.all() or (found >= LEAVE).all():
            return found
        others, of_others = points[rest], weights[rest]
        return np.maximum(
            found, self._mean_over_splits(_standardised(others, of_others), of_others)
        )

    def _mean_over_splits(self, points: Floats, weights: Floats) -> Floats:
        """Mean valley of each K: over all splits, or over two where these are clear."""
        total, n_made = np.zeros(len(self.ks)), np.zeros(len(self.ks))
        is_open = np.ones(len(self.ks), np.bool_)
        for split in range(self.n_splits):
            ks = [k for k, asked in zip(self.ks, is_open.tolist(), strict=True) if asked]
            total[is_open] += self._split(points, weights, split, ks)
            n_made[is_open] += 1
            if split + 1 == _SPLITS_BEFORE_STOP:
                mean = total / n_made
                is_open = (mean < LEAVE) & (mean > _CLEAR)
                if not is_open.any():
                    break
        return total / n_made

    def _split(self, points: Floats, weights: Floats, split: int, ks: Sequence[int]) -> Floats:
        """Valley of each K by one split: the mean of both ways."""
        draw = np.random.RandomState([self.seed, split])
        jittered = points + draw.normal(0.0, _JITTER, points.shape)
        order = draw.permutation(len(points))
        halves = np.array_split(order, 2)
        fits = [
            self.clusterer.fit_each(jittered[half], weights[half], ks, _RESTARTS, self.seed)
            for half in halves
        ]
        judges = halves[::-1]
        return np.array(
            [_valley(pair, jittered, weights, judges) for pair in zip(*fits, strict=True)]
        )


def _valley(
    fits: Sequence[Partition], points: Floats, weights: Floats, judges: Sequence[Indices]
) -> float:
    """The shallowest valley by two fits, each judged by points of the half that it has not seen.

    The mean of both ways. A pair of neighbouring segments that both fits find is judged by both
    halves together: twice as many customers, and chance weighs less.
    """
    labels = [fit.assign(points) for fit in fits]
    lines = [
        _lines(fit.positions, points[half], weights[half], own[half])
        for fit, half, own in zip(fits, judges, labels, strict=True)
    ]
    valleys = [{pair: line.valley() for pair, line in one.items()} for one in lines]
    for here, there, is_reversed in _same_pairs(labels, weights, fits[0].n_segments, lines):
        other = lines[1][there].reversed() if is_reversed else lines[1][there]
        valleys[0][here] = valleys[1][there] = lines[0][here].joined(other).valley()
    worst = [max(found.values(), default=1.0) for found in valleys]
    return sum(worst) / len(worst)


def _lines(positions: Floats, points: Floats, weights: Floats, labels: Labels) -> dict[_Pair, Line]:
    """The line between each segment and the one nearest to it, every pair once.

    None where a segment is too small.
    """
    k = len(positions)
    shares = np.bincount(labels, weights, k) / weights.sum()
    if shares.min() < _SMALLEST_SHARE or np.bincount(labels, minlength=k).min() < _FEWEST:
        return {}
    squares = squared_distances(positions, positions)
    np.fill_diagonal(squares, np.inf)
    nearest = squares.argmin(axis=1).tolist()
    pairs = sorted({(min(pair), max(pair)) for pair in enumerate(nearest)})
    lines = {}
    for one, other in pairs:
        is_own = (labels == one) | (labels == other)
        lines[one, other] = Line.between(positions[one], positions[other], points, weights, is_own)
    return lines


def _same_pairs(
    labels: Sequence[Labels], weights: Floats, k: int, lines: Sequence[Mapping[_Pair, Line]]
) -> Iterator[tuple[_Pair, _Pair, bool]]:
    """Pairs that both fits have: of the first, of the second, whether they run in reverse.

    Nine in ten customers of either pair are in the same of its two segments by both fits.
    """
    cells = labels[0] * k + labels[1]
    common = np.bincount(cells, weights, k * k).astype(np.float64).reshape(k, k)
    of_first, of_second = common.sum(axis=1), common.sum(axis=0)
    match = dict(max_score_assignment(common))
    for one, other in lines[0]:
        there = match[one], match[other]
        same = common[one, there[0]] + common[other, there[1]]
        pair = min(there), max(there)
        in_both = common[np.ix_((one, other), there)].sum()
        in_either = of_first[[one, other]].sum() + of_second[list(there)].sum() - in_both
        if pair in lines[1] and same >= _SAME_SHARE * in_either:
            yield (one, other), pair, there != pair


def _without_shared_values(points: Floats, weights: Floats) -> Flags:
    """True for customers none of whose values is that of more than a tenth of all."""
    most = _SHARED * weights.sum()
    kept = np.ones(len(points), dtype=np.bool_)
    for values in points.T:
        _, place_of = np.unique(values, return_inverse=True)
        kept &= np.bincount(place_of, weights)[place_of] <= most
    return kept


def _standardised(points: Floats, weights: Floats) -> Floats:
    shares = weights / weights.sum()
    centred = points - shares @ points
    deviations = np.sqrt(shares @ np.square(centred))
    scaled: Floats = np.divide(centred, deviations, out=centred, where=deviations > 0)
    return scaled
