"""Weighted k-means: greedy k-means++ and Lloyd's steps, all restarts side by side in one array.

Takes points and weights; gives centroids. It draws and sums in scikit-learn's order, and so gives
that library's centroids, without its import and the checks around some hundred short fits.
Arthur and Vassilvitskii (2007); Lloyd (1982).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segpipe.clustering.distinct_rows import distinct_rows
from segpipe.core.arrays import Floats, Labels

_ROUGH = 1e-3  # tolerance of a restart, relative to the features' variance
_MAX_STEPS = 300
_BLOCK_ROWS = 8192  # whose distances stay in the processor's cache
_POINTS_AT_ONCE = 65_536  # of all restarts that run side by side


@dataclass(frozen=True)
class _Cloud:
    """Points about their mean, as the steps of k-means want them."""

    columns: Floats  # features (d, n), then a row of ones, then squared distance from the mean
    weighted: Floats  # features times weight (d, n), then the weight

    @property
    def squares(self) -> Floats:
        """Squared distance of each point from the mean, shape (n,)."""
        squares: Floats = self.columns[-1]
        return squares

    @property
    def weights(self) -> Floats:
        """Weight of each point, shape (n,)."""
        weights: Floats = self.weighted[-1]
        return weights


def fit_each(
    points: Floats, weights: Floats, ks: Sequence[int], restarts: int, seed: int
) -> list[Floats]:
    """Centroids (k, d) of points (n, d) with weights (n,), for each of several k.

    In a fixed order: by their coordinates. Restarts stop early and only the best is run to its end:
    a third of the time, and on data without groups, where convergence is slow, within 0.1 % of the
    inertia.
    """
    centre = points.mean(axis=0)
    features = np.subtract(points.T, centre[:, None], order="C")
    whole = _cloud(features, np.vstack([features * weights, weights]))
    place_of, firsts = distinct_rows(points)
    # Points that coincide are drawn one by one, for the draws' sake, and tried as one place.
    place_weights = np.bincount(place_of, weights)
    placed = features[:, firsts]
    places = _cloud(placed, np.vstack([placed * place_weights, place_weights]))
    tolerance = _ROUGH * float(whole.squares.mean()) / len(features)
    fitted = []
    for k in ks:
        best = _best_start(whole, places, place_of, k, restarts, seed, tolerance)
        centroids = _lloyd(whole, best[None], 0.0)[0] + centre
        fitted.append(centroids[np.lexsort(centroids.T[::-1])])
    return fitted


def move_centroids(
    points: Floats, centroids: Floats, tolerance: float, weights: Floats | None = None
) -> Floats:
    """Centroids (k, d) moved by Lloyd's steps to where points (n, d) have them.

    Until a step is shorter than `tolerance`, relative to the features' variance. Without weights
    (n,) each point counts alike.
    """
    n_points, d = points.shape
    centre = points.mean(axis=0)
    columns = np.ones((d + 2, n_points))
    np.subtract(points.T, centre[:, None], out=columns[:d])
    np.einsum("ij,ij->j", columns[:d], columns[:d], out=columns[-1])
    weighted = columns[:-1]  # a weight of one each
    if weights is not None:
        weighted = np.vstack([columns[:d] * weights, weights])
    cloud = _Cloud(columns, weighted)
    shortest = tolerance * float(cloud.squares.mean()) / d
    moved: Floats = _lloyd(cloud, (centroids - centre)[None], shortest)[0] + centre
    return moved


def _cloud(features: Floats, weighted: Floats) -> _Cloud:
    squares = np.einsum("ij,ij->j", features, features)
    return _Cloud(np.vstack([features, np.ones(len(squares)), squares]), weighted)


def _best_start(
    whole: _Cloud,
    places: _Cloud,
    place_of: Labels,
    k: int,
    restarts: int,
    seed: int,
    tolerance: float,
) -> Floats:
    """Centroids (k, d) of the restart with the least inertia, each run until the tolerance."""
    n_trials = 2 + int(math.log(k))
    drawn = np.random.RandomState(seed).random_sample((restarts, 1 + n_trials * (k - 1)))
    at_once = max(1, _POINTS_AT_ONCE // len(place_of))
    tried, inertias = [], []
    for group in np.split(drawn, range(at_once, restarts, at_once)):
        rough = _lloyd(places, _seeded(whole, places, place_of, k, group), tolerance)
        tried.append(rough)
        inertias.append(_nearest(places, rough)[1] @ places.weights)
    best: Floats = np.concatenate(tried)[np.concatenate(inertias).argmin()]
    return best


def _seeded(whole: _Cloud, places: _Cloud, place_of: Labels, k: int, drawn: Floats) -> Floats:
    """Points to start from, far from each other; shape (restarts, k, d).

    Of a few points drawn by their share of the inertia the one that lowers it most is taken;
    `drawn` (restarts, 1 + trials · (k - 1)) are the draws, 0 to 1.
    """
    restarts, n_trials = len(drawn), (drawn.shape[1] - 1) // (k - 1)
    shares = (whole.weights / whole.weights.sum()).cumsum()
    first = np.searchsorted(shares / shares[-1], drawn[:, 0], side="right")
    chosen = [whole.columns[:-2, first].T]
    closest = np.maximum(_squares(places.columns, chosen[0]), 0.0)  # (restarts, places)
    inertias = closest @ places.weights
    every = np.arange(restarts)
    for step in range(k - 1):
        trials = drawn[:, 1 + n_trials * step : 1 + n_trials * (step + 1)] * inertias[:, None]
        sums = np.cumsum(closest[:, place_of] * whole.weights, axis=1)
        ids = np.array([np.searchsorted(*pair) for pair in zip(sums, trials, strict=True)])
        points = whole.columns[:-2, ids.clip(max=len(place_of) - 1)]  # (d, restarts, n_trials)
        squares = _squares(places.columns, points.reshape(len(points), -1).T)
        squares = np.maximum(squares, 0.0, out=squares).reshape(restarts, n_trials, -1)
        np.minimum(squares, closest[:, None], out=squares)
        tried = squares @ places.weights  # (restarts, n_trials)
        best = tried.argmin(axis=1)
        closest, inertias = squares[every, best], tried[every, best]
        chosen.append(points[:, every, best].T)
    return np.stack(chosen, axis=1)


def _squares(columns: Floats, centroids: Floats) -> Floats:
    """Squared distances from centroids (m, d) to the points of a cloud, shape (m, n).

    By a product of matrices: where a point lies on a centroid rounding may leave less than zero.
    """
    own = np.einsum("ij,ij->i", centroids, centroids)
    squares: Floats = np.column_stack([-2.0 * centroids, own, np.ones(len(own))]) @ columns
    return squares


def _nearest(cloud: _Cloud, centroids: Floats) -> tuple[Labels, Floats]:
    """Nearest of each restart's centroids (r, k, d) to each point, and its squared distance.

    Both of shape (r, n); ties to the lower index.
    """
    restarts, k, d = centroids.shape
    n_points = cloud.columns.shape[1]
    labels = np.zeros((restarts, n_points), dtype=np.intp)
    least = np.empty((restarts, n_points))
    for start in range(0, n_points, _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        squares = _squares(cloud.columns[:, rows], centroids.reshape(-1, d))
        squares = squares.reshape(restarts, k, -1)
        of_block, own = labels[:, rows], squares[:, 0]
        for index in range(1, k):
            np.copyto(of_block, index, where=squares[:, index] < own)
            np.minimum(own, squares[:, index], out=own)
        np.maximum(own, 0.0, out=least[:, rows])
    return labels, least


def _lloyd(cloud: _Cloud, centroids: Floats, tolerance: float) -> Floats:
    """Centroids (r, k, d) after as many steps as each restart needs, at most 300.

    A restart ends where no point changes its centroid, or where the squared lengths of a step sum
    to no more than the tolerance.
    """
    moved = centroids.copy()
    repeated = np.tile(cloud.weighted, len(moved)) if len(moved) > 1 else cloud.weighted
    running = np.arange(len(moved))
    before = np.full((len(moved), len(cloud.weights)), -1, dtype=np.intp)
    for _ in range(_MAX_STEPS):
        old = moved[running]
        labels, squares = _nearest(cloud, old)
        sums = _sums(repeated, labels, old.shape[1])
        for at in np.flatnonzero((sums[-1] == 0).any(axis=1)):
            sums[:, at] = _refilled(cloud.weighted, labels[at], squares[at], sums[:, at])
        new = _means(sums, old)
        shifts = np.square(new - old).sum(axis=(1, 2))
        moved[running] = new
        goes_on = (shifts > tolerance) & (labels != before).any(axis=1)
        if not goes_on.any():
            break
        running, before = running[goes_on], labels[goes_on]
    return moved


def _sums(repeated: Floats, labels: Labels, k: int) -> Floats:
    """Sums of the weighted features, and of the weights, by centroid; shape (d + 1, r, k)."""
    cells = (labels + k * np.arange(len(labels))[:, None]).ravel()
    size = len(labels) * k
    sums = np.empty((len(repeated), size))
    for row, values in enumerate(repeated):
        sums[row] = np.bincount(cells, values[: len(cells)], size)
    return sums.reshape(len(repeated), len(labels), k)


def _means(sums: Floats, otherwise: Floats) -> Floats:
    """Weighted means, shape (r, k, d); what there was where a centroid has no points."""
    totals = sums[-1]
    has_points = totals > 0
    shares = np.divide(1.0, totals, out=np.zeros_like(totals), where=has_points)
    means = (sums[:-1] * shares).transpose(1, 2, 0)
    return means if has_points.all() else np.where(has_points[..., None], means, otherwise)


def _refilled(weighted: Floats, labels: Labels, squares: Floats, sums: Floats) -> Floats:
    """Sums (d + 1, k) of one restart where each centroid without points is given one.

    The farthest from its own; none where every point lies on its centroid.
    """
    sums = sums.copy()
    empty = np.flatnonzero(sums[-1] == 0)
    farthest = np.argsort(-squares, kind="stable")[: len(empty)]
    if squares[farthest[0]] > 0:
        for index, point in zip(empty, farthest, strict=True):
            sums[:, labels[point]] -= weighted[:, point]
            sums[:, index] = weighted[:, point]
    return sums
