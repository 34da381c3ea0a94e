"""Groups: whether k-means segments are separate, and whether the axis's own names hold for them.

Takes the trial of an axis; gives groups with names that four in five of their customers meet, or
why there are none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from segpipe.axes import Condition, Feature, Rule, Tier
from segpipe.axes.own_figures import own_figure
from segpipe.axes.record import Side
from segpipe.clustering.assignment_problem import max_score_assignment
from segpipe.clustering.base import Partition
from segpipe.clustering.centroids import KMeans
from segpipe.clustering.silhouette import silhouette_scores
from segpipe.clustering.valley import KS, find_valleys, is_separate
from segpipe.core.arrays import Flags, Floats, Labels
from segpipe.core.report import CandidateInfo
from segpipe.core.settings import ClusterSettings
from segpipe.core.verdicts import MUST_HOLD
from segpipe.discovery.learnt import learn_bound
from segpipe.discovery.priors import rounded
from segpipe.discovery.tiers import name_by_rank
from segpipe.discovery.trial import Trial
from segpipe.model.preprocessing import FeatureScale, weighted_quantile
from segpipe.model.rules import are_known, meets

MIN_CUSTOMERS = 200


@dataclass(frozen=True)
class Named:
    """A name with what it says of a customer's own figures."""

    name: str
    meaning: str
    holds: tuple[Condition, ...]


@dataclass(frozen=True)
class Groups:
    """Separate groups, in the order of the partition."""

    partition: Partition
    scales: tuple[FeatureScale, ...]
    silhouette: float
    valley: float
    names: tuple[Named, ...]


@dataclass(frozen=True)
class _Fit:
    partition: Partition
    scales: tuple[FeatureScale, ...]
    points: Floats
    silhouette: float
    valley: float


def find_groups(
    trial: Trial,
    main: Feature | None,
    tiers: Sequence[Tier],
    rules: Sequence[Rule],
    settings: ClusterSettings,
    seed: int,
) -> Groups | str:
    """Groups of a trial with valleys; else why there are none, a clause."""
    if trial.chosen is None or trial.valleys is None:
        return "all customers are alike"
    if len(trial.weights) < MIN_CUSTOMERS:
        return f"too few customers to see groups ({len(trial.weights)}, {MIN_CUSTOMERS} are needed)"
    fit = _separate_fit(trial, settings, seed)
    if isinstance(fit, str):
        return fit
    labels = fit.partition.assign(fit.points)
    if tiers and main:
        names = name_by_order(
            tiers, main, labels, fit.partition.n_segments, trial.columns, trial.weights
        )
        if names:
            names = _named_by_rules(names, rules, labels, trial.columns, trial.weights)
    else:
        names = name_by_kind(rules, labels, fit.partition.n_segments, trial.columns, trial.weights)
    if names is None:
        k = fit.partition.n_segments
        return f"{k} separate groups, but no name holds for one of them"
    return Groups(fit.partition, fit.scales, fit.silhouette, fit.valley, tuple(names))


def name_by_order(
    tiers: Sequence[Tier],
    main: Feature,
    labels: Labels,
    k: int,
    columns: Mapping[str, Floats],
    weights: Floats,
) -> list[Named] | None:
    """The ladder's names for groups by their median of the main measure; None where one has none.

    A group's bounds are where it is told from its neighbours with the fewest mistakes.
    """
    values = columns[main.measure]
    known = ~np.isnan(values)
    if k > len(tiers) or any(not (known & (labels == group)).any() for group in range(k)):
        return None
    medians = [
        weighted_quantile(values[mine], weights[mine], 0.5)
        for mine in (known & (labels == group) for group in range(k))
    ]
    order = sorted(range(k), key=lambda group: (medians[group], group))
    if len(set(medians)) < k:
        return None
    cuts = [
        _best_cut(values, weights, known & (labels == low), known & (labels == high))
        for low, high in pairwise(order)
    ]
    ranks = _middle_ranks(order, labels, weights, known)
    names: list[Named | None] = [None] * k
    own = own_figure(main.measure)
    by_rank = _names_by_rank(tiers, ranks, columns, weights, labels == order[-1])
    for place, (group, tier) in enumerate(zip(order, by_rank, strict=True)):
        bounds = _bounds(cuts, place, tier, values[known], weights[known])
        of_main = [Condition(main.measure, side, bound) for side, bound in bounds]
        holds = tuple(Condition(own, side, bound) for side, bound in bounds) + tier.also
        mine = labels == group
        for conditions in ((*of_main, *tier.also), holds):
            if share_meeting(conditions, columns, weights, mine) < MUST_HOLD:
                return None
        names[group] = Named(tier.name, tier.meaning, holds)
    return [named for named in names if named]


def _names_by_rank(
    tiers: Sequence[Tier],
    ranks: Sequence[float],
    columns: Mapping[str, Floats],
    weights: Floats,
    is_top: Flags,
) -> list[Tier]:
    """The names of groups in rising order.

    A last tier that is defined by a fact about the customer, such as more than half of the orders,
    is the name of the top group if that meets it, however large the group is.
    """
    *others, last = tiers
    meets_fact = last.also and share_meeting(last.also, columns, weights, is_top) >= MUST_HOLD
    if meets_fact and len(ranks) > 1:
        return [*name_by_rank(others, ranks[:-1]), last]
    return name_by_rank(tiers, ranks)


def _named_by_rules(
    names: Sequence[Named],
    rules: Sequence[Rule],
    labels: Labels,
    columns: Mapping[str, Floats],
    weights: Floats,
) -> list[Named]:
    """A rule that comes before the tiers names the group, if it is one, whose customers meet it."""
    found = list(names)
    for rule in (rule for rule in rules if rule.within is None and rule.claim):
        meeting = [
            group
            for group in range(len(names))
            if share_meeting(rule.claim, columns, weights, labels == group) >= MUST_HOLD
        ]
        if len(meeting) == 1:
            found[meeting[0]] = Named(rule.name, rule.meaning, rule.claim)
    return found


def _middle_ranks(
    order: Sequence[int], labels: Labels, weights: Floats, known: Flags
) -> list[float]:
    """Rank of the middle customer of each group, in rising order of the groups, 0 to 1."""
    sizes = np.array([weights[known & (labels == group)].sum() for group in order])
    return [float(rank) for rank in (sizes.cumsum() - sizes / 2) / sizes.sum()]


def name_by_kind(
    rules: Sequence[Rule],
    labels: Labels,
    k: int,
    columns: Mapping[str, Floats],
    weights: Floats,
) -> list[Named] | None:
    """For each group the kind whose claim most of its customers meet; None where one has none."""
    kinds = [rule for rule in rules if rule.claim]
    if k > len(kinds):
        return None
    shares = np.array(
        [
            [share_meeting(rule.claim, columns, weights, labels == group) for rule in kinds]
            for group in range(k)
        ]
    )
    # Of kinds that hold alike, one that is clear beyond chance goes before one that is left.
    shares += [1e-6 * (rule.chance is not None) for rule in kinds]
    score = np.where(shares >= MUST_HOLD, shares, 0.0)
    matched = {g: r for g, r in max_score_assignment(score) if score[g, r] > 0}
    if len(matched) < k:
        return None
    chosen = [kinds[matched[group]] for group in range(k)]
    return [Named(rule.name, rule.meaning, rule.claim) for rule in chosen]


def share_meeting(
    conditions: Sequence[Condition], columns: Mapping[str, Floats], weights: Floats, mine: Flags
) -> float:
    """Share of these customers, by weight, who meet every condition; 1 of nobody.

    Of those who have the figures: of the others it is not known.
    """
    own = {condition.measure: columns[condition.measure][mine] for condition in conditions}
    weights = weights[mine] * are_known(conditions, own, int(mine.sum()))
    total = weights.sum()
    if not total:
        return 1.0
    met = meets(conditions, own, int(mine.sum()))
    return float(weights[met].sum() / total)


def _separate_fit(trial: Trial, settings: ClusterSettings, seed: int) -> _Fit | str:
    """The separate partition with the highest silhouette: on all features, else on the first."""
    assert trial.valleys  # noqa: S101 - asked by the caller
    valleys = trial.valleys
    least = min(valleys.least)
    if not is_separate(least):
        return f"no gap between segments (valley {least:.2f})"
    found = [
        _Fit(fit[0], trial.scales, trial.points, fit[1].silhouette, valley)
        for k, valley in zip(valleys.ks, valleys.all_features, strict=True)
        if k in KS
        and is_separate(valley)
        and (fit := trial.fit_of(k))
        and _is_fine(fit[1], settings)
    ]
    if not found:
        found = _fits_of_main(trial, settings, seed)
    if not found:
        return f"groups too small or too loose (valley {least:.2f})"
    return max(found, key=lambda fit: (round(fit.silhouette, 4), -fit.partition.n_segments))


def _is_fine(candidate: CandidateInfo, settings: ClusterSettings) -> bool:
    is_large = candidate.smallest_share >= settings.min_segment_share
    return is_large and candidate.silhouette > settings.min_silhouette


def _fits_of_main(trial: Trial, settings: ClusterSettings, seed: int) -> list[_Fit]:
    """Separate partitions by the first feature alone."""
    assert trial.valleys  # noqa: S101 - asked by the caller
    points, weights = np.ascontiguousarray(trial.points[:, :1]), trial.weights
    valleys, main = trial.valleys, trial.valleys.main_measure
    if main is None:
        valleys = find_valleys(points, weights, seed)
        main = valleys.all_features
    pairs = zip(valleys.ks, main, strict=True)
    separate = {k: valley for k, valley in pairs if k in KS and is_separate(valley)}
    if not separate:
        return []
    fits = KMeans().fit_each(points, weights, [*separate], settings.restarts, seed)
    labels = [fit.assign(points) for fit in fits]
    silhouettes = silhouette_scores(points, weights, labels)
    found = []
    for fit, own, silhouette, (k, valley) in zip(
        fits, labels, silhouettes, separate.items(), strict=True
    ):
        smallest = np.bincount(own, weights, k).min() / weights.sum()
        if smallest >= settings.min_segment_share and silhouette > settings.min_silhouette:
            found.append(_Fit(fit, trial.scales[:1], points, silhouette, valley))
    return found


def _best_cut(values: Floats, weights: Floats, low: Flags, high: Flags) -> float:
    """The figure that tells two groups apart with the least weight on the wrong side."""
    both = low | high
    order = np.argsort(values[both], kind="stable")
    sorted_values = values[both][order]
    is_high = high[both][order]
    own = weights[both][order]
    wrong_below = np.concatenate([[0.0], np.where(is_high, own, 0.0).cumsum()])
    of_low = np.where(is_high, 0.0, own)
    wrong_above = of_low.sum() - np.concatenate([[0.0], of_low.cumsum()])
    wrong = wrong_below + wrong_above
    starts = np.flatnonzero(np.diff(sorted_values) > 0) + 1  # a cut lies between two values
    if not len(starts):
        return rounded(float(sorted_values[0]))
    best = int(starts[wrong[starts].argmin()])
    return rounded(float(sorted_values[best - 1] + sorted_values[best]) / 2)


def _bounds(
    cuts: Sequence[float], place: int, tier: Tier, values: Floats, weights: Floats
) -> list[tuple[Side, float]]:
    """Where a group begins and ends on the main measure, and what its name asks in addition."""
    bounds: list[tuple[Side, float]] = []
    lower = [cuts[place - 1]] if place else []
    lower += [tier.at_least] if tier.at_least is not None else []
    lower += [learn_bound(tier.own_cut, values, weights)] if tier.own_cut else []
    upper = [cuts[place]] if place < len(cuts) else []
    upper += [tier.below] if tier.below is not None else []
    if lower:
        bounds.append(("at_least", max(lower)))
    if upper:
        bounds.append(("below", min(upper)))
    return bounds
