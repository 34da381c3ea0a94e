"""Tiers: one continuum, cut along an axis's main measure at natural breaks or at quantiles.

Takes the main measure of the weighted sample and, where it is at hand, of everybody; gives the
ladder of cuts with the names of its tiers. Names go by order: each tier has the name whose band of
ranks holds the middle of its customers, and a cut moves to the figure from which its name is true.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from segpipe.axes import MEASURES, Feature, Learnt, Tier
from segpipe.clustering.cuts import NaturalBreaks
from segpipe.clustering.silhouette import silhouette_scores
from segpipe.core.arrays import Floats
from segpipe.core.report import AgreementInfo
from segpipe.discovery.learnt import learn_bound
from segpipe.discovery.priors import rounded
from segpipe.discovery.refit import compare_partitions
from segpipe.model.preprocessing import (
    WINSOR_TAIL,
    transformed,
    weighted_quantile,
    weighted_quantiles,
)
from segpipe.model.rules import Ladder

_FEWEST_TIERS = 3
_FEWEST_NAMES = 2
_MOST_OF_OWN = 1.5  # times the share that a tier with a cut of its own is meant to have
_N_RANKS = 100
_SILHOUETTE_DIGITS = 4


@dataclass(frozen=True)
class Values:
    """The main measure of some customers without gaps, and their weights; both (n,)."""

    values: Floats
    weights: Floats

    @classmethod
    def filled(cls, values: Floats, weights: Floats, fill: float) -> Values:
        """With `fill` for those who have no figure."""
        return cls(np.where(np.isnan(values), fill, values), weights)

    @classmethod
    def known(cls, values: Floats, weights: Floats) -> Values:
        """Of those who have a figure."""
        known = ~np.isnan(values)
        return cls(values[known], weights[known])

    def below(self, bound: float) -> Values:
        """Those below a bound."""
        kept = self.values < bound
        return Values(self.values[kept], self.weights[kept])

    def rank(self, value: float) -> float:
        """Share of the customers below the value."""
        return float(self.weights[self.values < value].sum() / self.weights.sum())

    def quantile(self, share: float) -> float:
        """Smallest value at which the cumulative weight reaches the share."""
        return weighted_quantile(self.values, self.weights, share)


@dataclass(frozen=True)
class Tiers:
    """The tiers of an axis from low to high: names one more than cuts."""

    ladder: Ladder
    tiers: tuple[Tier, ...]
    silhouette: float | None  # of the breaks on the sample; None for quantiles
    agreement: AgreementInfo | None  # of the sample's breaks with everybody's


def make_tiers(
    main: Feature,
    tiers: Sequence[Tier],
    sample: Values,
    everybody: Values,
    fill: float,
    restarts: int,
    seed: int,
    *,
    by_quantiles: bool,
    n_tiers: int | None = None,
) -> Tiers | None:
    """Tiers of the sample, refitted on everybody; None where all customers are in one.

    With `fill` the figure of customers who have none, already in both. `n_tiers` fixes how many
    natural breaks give; a tier with a cut of its own comes on top.
    """
    if not (everybody.values > everybody.values.min()).any():
        return None
    last = tiers[-1]
    top = _own_cut(last.own_cut, everybody) if last.own_cut else None
    maker = _Maker(main, tiers, top, sample, everybody, fill, restarts, seed, by_quantiles)
    names = [tier for tier in tiers if not tier.own_cut]
    while len(names) >= _FEWEST_NAMES:
        found = maker.make(names, n_tiers)
        empty = () if by_quantiles else _empty_ends(found)
        if not empty:
            is_divided = any(0.0 < share < 1.0 for share in found.ladder.cut_ranks)
            return found if is_divided else None
        names = [tier for tier in names if tier not in empty]
    return None


@dataclass(frozen=True)
class _Maker:
    """Everything that tiers are made of but their names."""

    main: Feature
    every: Sequence[Tier]
    top: float | None  # where the tier with a cut of its own begins; None without one
    sample: Values
    everybody: Values
    fill: float
    restarts: int
    seed: int
    by_quantiles: bool

    def make(self, names: Sequence[Tier], n_tiers: int | None) -> Tiers:
        """Tiers under some of these names, and the one on top of them."""
        mine, rest = self._below_top(self.sample), self._below_top(self.everybody)
        silhouette = agreement = None
        if self.by_quantiles or not len(mine.values):
            cuts, chosen = _quantile_cuts(names, self.everybody)
        else:
            n = min(n_tiers, len(names)) if n_tiers else None
            ks = range(n, n + 1) if n else _numbers(len(names))
            cuts, silhouette, agreement = _breaks(
                self.main, ks, mine, rest, self.restarts, self.seed
            )
            chosen = name_by_rank(names, middle_ranks(cuts, self.everybody))
        if self.top is not None:
            cuts, chosen = [*cuts, self.top], [*chosen, self.every[-1]]
        if MEASURES[self.main.measure].unit == "count":  # the next whole number is the same cut
            cuts = [float(math.ceil(cut)) for cut in cuts]
        cuts, chosen = _within_bounds(cuts, chosen, self.every)
        cuts = [rounded(cut) for cut in cuts]
        below = tuple(rounded(self.everybody.rank(cut)) for cut in cuts)
        ranks = _ranks(self.everybody)
        ladder = Ladder(self.main.measure, self.fill, tuple(cuts), below, ranks)
        return Tiers(ladder, tuple(chosen), silhouette, agreement)

    def _below_top(self, customers: Values) -> Values:
        return customers if self.top is None else customers.below(self.top)


def _own_cut(learnt: Learnt, everybody: Values) -> float | None:
    """Where a tier with a cut of its own begins; None where nobody is in it.

    Where too many customers share the figure at the cut, it begins above them.
    """
    cut = learn_bound(learnt, everybody.values, everybody.weights)
    if 1.0 - everybody.rank(cut) > _MOST_OF_OWN * (1.0 - learnt.quantile):
        above = everybody.values[everybody.values > cut]
        if not len(above):
            return None
        cut = rounded(float(above.min()))
    return cut if (everybody.values >= cut).any() else None


def _empty_ends(found: Tiers) -> tuple[Tier, ...]:
    """The lowest and the highest tier where nobody is in them: their names are true of nobody."""
    shares = [0.0, *found.ladder.cut_ranks, 1.0]
    empty = [
        tier for tier, pair in zip(found.tiers, pairwise(shares), strict=True) if pair[0] >= pair[1]
    ]
    return tuple(tier for tier in empty if tier in (found.tiers[0], found.tiers[-1]))


def middle_ranks(cuts: Sequence[float], everybody: Values) -> list[float]:
    """Rank of the middle customer of each tier, 0 to 1."""
    ends = [0.0, *(everybody.rank(cut) for cut in cuts), 1.0]
    return [(low + high) / 2 for low, high in pairwise(ends)]


def name_by_rank(tiers: Sequence[Tier], ranks: Sequence[float]) -> list[Tier]:
    """A tier's name for each rank, in rising order, at the least total distance from the bands."""
    starts = [0.0, *(tier.top for tier in tiers)]

    def distance(tier: int, rank: float) -> float:
        return max(starts[tier] - rank, rank - tiers[tier].top, 0.0)

    def cost(chosen: Sequence[int]) -> tuple[float, float]:
        pairs = list(zip(chosen, ranks, strict=True))
        centre = sum(abs((starts[t] + tiers[t].top) / 2 - rank) for t, rank in pairs)
        return round(sum(distance(t, rank) for t, rank in pairs), 9), round(centre, 9)

    best = min(combinations(range(len(tiers)), len(ranks)), key=cost)
    return [tiers[index] for index in best]


def _numbers(n_names: int) -> range:
    """How many tiers are tried."""
    return range(max(n_names - 1, min(_FEWEST_TIERS, n_names)), n_names + 1)


def _breaks(
    main: Feature, numbers: range, sample: Values, everybody: Values, restarts: int, seed: int
) -> tuple[list[float], float, AgreementInfo | None]:
    """Natural breaks in the measure's unit, their silhouette, and how far everybody agrees."""
    scale = _Scale.of(main, sample)
    order = np.lexsort((sample.weights, sample.values))
    points, weights = scale.points(sample.values[order]), sample.weights[order]
    n_distinct = len(np.unique(points))
    if n_distinct == 1:
        return [], 0.0, None
    ks = range(min(numbers[0], n_distinct), min(numbers[-1], n_distinct) + 1)
    fits = NaturalBreaks().fit_each(points, weights, ks, restarts, seed)
    if ks[-1] == n_distinct:  # each value a tier of its own
        silhouettes = [1.0 if k == n_distinct else 0.0 for k in ks]
    else:
        silhouettes = silhouette_scores(points, weights, [fit.assign(points) for fit in fits])
    best = max(range(len(fits)), key=lambda i: (round(silhouettes[i], _SILHOUETTE_DIGITS), -ks[i]))
    found = fits[best]
    places = scale.points(everybody.values)
    refitted = found.refit(places, everybody.weights)
    agreement = compare_partitions(
        places, found.assign(places), refitted.assign(places), found.positions
    )
    cuts = [scale.value(cut) for cut in refitted.cuts]
    return sorted(set(cuts)), silhouettes[best], agreement


@dataclass(frozen=True)
class _Scale:
    """How the main measure is seen by the clustering: transformed, clipped, standardised."""

    transform: str
    low: float
    high: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, main: Feature, sample: Values) -> _Scale:
        seen = transformed(sample.values, main.transform)
        low, high = weighted_quantiles(seen, sample.weights, (WINSOR_TAIL, 1 - WINSOR_TAIL))
        if low == high:
            low, high = float(seen.min()), float(seen.max())
        clipped = np.clip(seen, low, high)
        mean = float(np.average(clipped, weights=sample.weights))
        spread = float(np.sqrt(np.average(np.square(clipped - mean), weights=sample.weights)))
        return cls(main.transform, low, high, mean, spread or 1.0)

    def points(self, values: Floats) -> Floats:
        """Standardised, shape (n, 1)."""
        seen = np.clip(transformed(values, self.transform), self.low, self.high)
        scaled: Floats = (seen - self.mean) / self.deviation
        return scaled[:, None]

    def value(self, place: float) -> float:
        """The figure, in the measure's unit, at a place."""
        seen = place * self.deviation + self.mean
        if self.transform == "identity":
            return rounded(seen)
        return rounded(math.copysign(math.expm1(abs(seen)), seen))


def _quantile_cuts(tiers: Sequence[Tier], everybody: Values) -> tuple[list[float], list[Tier]]:
    """Cuts halfway between two values, where the cumulative share is nearest to the table's."""
    values, place = np.unique(everybody.values, return_inverse=True)
    shares = np.bincount(place, everybody.weights).cumsum()[:-1] / everybody.weights.sum()
    cuts: list[float] = []
    names: list[Tier] = []
    for tier in tiers[:-1]:
        if not len(shares):
            break
        nearest = int(np.abs(shares - tier.top).argmin())
        cut = rounded(float(values[nearest] + values[nearest + 1]) / 2)
        if cuts and cut <= cuts[-1]:
            names[-1] = tier  # the cuts coincide: the lower name goes
            continue
        cuts.append(cut)
        names.append(tier)
    return cuts, [*names, tiers[-1]]


def _within_bounds(
    cuts: Sequence[float], names: Sequence[Tier], every: Sequence[Tier]
) -> tuple[list[float], list[Tier]]:
    """Cuts moved to where the names beside them are true; a tier that is left empty goes."""
    places = [every.index(tier) for tier in names]
    moved = []
    for cut, (low, high) in zip(cuts, pairwise(places), strict=True):
        below = [tier.below for tier in every[low:high] if tier.below is not None]
        above = [tier.at_least for tier in every[low + 1 : high + 1] if tier.at_least is not None]
        moved.append(max([min([cut, *below]), *above]))
    kept_cuts: list[float] = []
    kept = [names[0]]
    for cut, tier in zip(moved, names[1:], strict=True):
        if kept_cuts and cut <= kept_cuts[-1]:
            kept[-1] = tier  # the tier below has no room
            kept_cuts[-1] = max(cut, kept_cuts[-1])
        else:
            kept_cuts.append(cut)
            kept.append(tier)
    return kept_cuts, kept


def _ranks(everybody: Values) -> tuple[tuple[float, float], ...]:
    """Figures and the share of customers below them, half of those at them included."""
    shares = np.linspace(0.0, 1.0, _N_RANKS + 1)
    figures = weighted_quantiles(everybody.values, everybody.weights, shares.tolist())
    figures = sorted({rounded(figure) for figure in figures})
    total = everybody.weights.sum()
    order = np.argsort(everybody.values, kind="stable")
    values, cumulative = everybody.values[order], everybody.weights[order].cumsum()
    cumulative = np.concatenate([[0.0], cumulative])
    lower = cumulative[np.searchsorted(values, figures, side="left")]
    upper = cumulative[np.searchsorted(values, figures, side="right")]
    found = (lower + upper) / (2 * total)
    return tuple(
        (figure, rounded(float(share))) for figure, share in zip(figures, found, strict=True)
    )
