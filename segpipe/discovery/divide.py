"""The ways to divide the customers of one axis: k-means segments, groups, tiers or rules.

Each takes what the trial of the axis found and gives an AxisModel without ids: the division, the
names of its segments and what they say of a customer's own figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segpipe.axes import MEASURES, Axis, Condition, Eligibility, Feature, Rule, Tier
from segpipe.axes.own_figures import own_figure
from segpipe.clustering.base import Partition
from segpipe.core.arrays import Flags, Floats
from segpipe.core.report import AgreementInfo
from segpipe.core.settings import ClusterSettings
from segpipe.core.verdicts import GROUPS, MUST_HOLD, RULES, TIERS
from segpipe.discovery.groups import Groups, Named, share_meeting
from segpipe.discovery.learnt import learn_rules, learnt_measures
from segpipe.discovery.refit import Population, refit
from segpipe.discovery.tiers import Tiers, Values, make_tiers
from segpipe.discovery.trial import Trial
from segpipe.model.preprocessing import FeatureScale, weighted_quantile
from segpipe.model.priors import Priors
from segpipe.model.rules import RuleList, SegmentRule

_FEWEST_TIERS = 2
_SLACK = 0.05  # of rank, by which a customer's own figure may lie beyond a tier's cut
_MIDDLE = 0.5


@dataclass(frozen=True)
class AxisCustomers:
    """Who is eligible for an axis, of the sample and of everybody."""

    rules: tuple[Eligibility, ...]
    trial: Trial
    priors: Priors
    population: Population | None

    def everybody(self, measures: Sequence[str]) -> tuple[Mapping[str, Floats], Floats]:
        """Measures and weights of all eligible customers, of the sample's where it is all."""
        if self.population is None:
            return {name: self.trial.columns[name] for name in measures}, self.trial.weights
        columns = self.population.eligible(measures, self.rules, self.priors)
        return columns, np.ones(len(next(iter(columns.values()))))

    def refitted(
        self,
        partition: Partition,
        scales: tuple[FeatureScale, ...],
        settings: ClusterSettings,
        seed: int,
    ) -> tuple[Partition, AgreementInfo | None]:
        """The partition that is published: where everybody has it, if the settings ask; agreement.

        Without a population it is the sample's.
        """
        if self.population is None:
            return partition, None
        moved, agreement = refit(
            self.population, self.rules, scales, partition, settings, seed, self.priors
        )
        return (moved if settings.refine else partition), agreement


@dataclass(frozen=True)
class Division:
    """How an axis divides its customers, before its segments have ids."""

    verdict: str
    names: tuple[Named, ...]  # of the segments
    silhouette: float | None
    reason: str | None
    rules: RuleList | None = None
    partition: Partition | None = None
    scales: tuple[FeatureScale, ...] = ()
    agreement: AgreementInfo | None = None


def divide_by_groups(
    groups: Groups, customers: AxisCustomers, settings: ClusterSettings, seed: int
) -> Division:
    """Groups by the nearest centroid, refitted on everybody."""
    partition, agreement = customers.refitted(groups.partition, groups.scales, settings, seed)
    return Division(
        GROUPS,
        groups.names,
        groups.silhouette,
        f"{partition.n_segments} groups, with a gap between them (valley {groups.valley:.2f})",
        partition=partition,
        scales=groups.scales,
        agreement=agreement,
    )


def divide_by_tiers(
    axis: Axis,
    main: Feature,
    tiers: Sequence[Tier],
    rules: Sequence[Rule],
    customers: AxisCustomers,
    settings: ClusterSettings,
    seed: int,
) -> Division | str:
    """Tiers of the main measure, after the axis's own rules; else why there are none.

    There are fewer tiers where a name would not hold for enough of its customers.
    """
    before = tuple(rule for rule in rules if rule.within is None)
    sample, weights = customers.trial.columns, customers.trial.weights
    columns, of_everybody = customers.everybody(_looked_at(main, tiers, rules))
    known = ~np.isnan(sample[main.measure])
    if not known.any():
        return f"nobody has a figure of {main.measure}"
    fill = weighted_quantile(sample[main.measure][known], weights[known], 0.5)
    rest = _left_by(before, sample, len(weights))
    rest_of_all = _left_by(before, columns, len(of_everybody))
    if not rest.any() or not rest_of_all.any():
        return "everybody meets the rules that come before the tiers"
    everybody = Values.filled(columns[main.measure][rest_of_all], of_everybody[rest_of_all], fill)
    own = Values.known(columns[own_figure(main.measure)][rest_of_all], of_everybody[rest_of_all])
    n_tiers: int | None = None
    while n_tiers is None or n_tiers >= _FEWEST_TIERS:
        found = make_tiers(
            main,
            tiers,
            Values.filled(sample[main.measure][rest], weights[rest], fill),
            everybody,
            fill,
            settings.restarts,
            seed,
            by_quantiles=axis.cuts == "quantiles",
            n_tiers=n_tiers,
        )
        if found is None:
            return f"all customers are alike in {MEASURES[own_figure(main.measure)].label}"
        claims = _claims(found, tiers, everybody, own)
        division = _tier_division(found, rules, claims, customers)
        if _all_hold(division, found, columns, of_everybody):
            return division
        if axis.cuts == "quantiles":
            break
        n_tiers = (n_tiers or len([tier for tier in found.tiers if not tier.own_cut])) - 1
    return "too little is known of each customer: no names would hold for four in five of them"


def _looked_at(main: Feature, tiers: Sequence[Tier], rules: Sequence[Rule]) -> tuple[str, ...]:
    """Measures of everybody that tiers, rules and their names are about."""
    named = [main.measure, own_figure(main.measure), *_measures_of(rules)]
    conditions = [condition for tier in tiers for condition in tier.also]
    conditions += [condition for rule in rules for condition in rule.claim]
    named += [condition.measure for condition in conditions]
    return tuple(dict.fromkeys(named))


def _all_hold(
    division: Division, found: Tiers, columns: Mapping[str, Floats], weights: Floats
) -> bool:
    """Whether every tier's name holds for enough of its customers by their own figures."""
    assert division.rules  # noqa: S101 - tiers are rules
    labels, _ = division.rules.assign({name: columns[name] for name in division.rules.measures()})
    tiers = {tier.name for tier in found.tiers}
    return all(
        share_meeting(named.holds, columns, weights, labels == index) >= MUST_HOLD
        for index, named in enumerate(division.names)
        if named.name in tiers
    )


def divide_by_rules(rules: Sequence[Rule], customers: AxisCustomers) -> Division:
    """Kinds of customers, each by a rule."""
    needed = learnt_measures(tuple(rules))
    columns, weights = customers.everybody(needed) if needed else ({}, np.ones(0))
    learnt = learn_rules(tuple(rules), columns, weights)
    return Division(
        RULES,
        tuple(Named(rule.name, rule.meaning, rule.claim) for rule in learnt),
        None,
        None,
        rules=RuleList(tuple(_segment_rule(rule, i) for i, rule in enumerate(learnt))),
    )


def _tier_division(
    found: Tiers,
    rules: Sequence[Rule],
    claims: Sequence[tuple[Condition, ...]],
    customers: AxisCustomers,
) -> Division:
    """Rules of the axis first, then the tiers from the top down."""
    present = {tier.name for tier in found.tiers}
    own_rules = [rule for rule in rules if rule.within is None or rule.within in present]
    first = [rule for rule in own_rules if rule.within is None]
    names = [Named(rule.name, rule.meaning, rule.claim) for rule in first]
    places: dict[str, int] = {}
    for place, tier in enumerate(found.tiers):
        places[tier.name] = len(names)
        names.append(Named(tier.name, tier.meaning, claims[place]))
        within = [rule for rule in own_rules if rule.within == tier.name]
        names += [Named(rule.name, rule.meaning, rule.claim) for rule in within]
    numbered = {named.name: index for index, named in enumerate(names)}
    listed = [_segment_rule(rule, numbered[rule.name]) for rule in first]
    measure, cuts = found.ladder.measure, found.ladder.cuts
    for place, tier in reversed(list(enumerate(found.tiers))):
        at_least = (Condition(measure, "at_least", cuts[place - 1]),) if place else ()
        for rule in own_rules:
            if rule.within == tier.name:
                parts = tuple((*at_least, *part) for part in rule.any_of)
                listed.append(
                    SegmentRule(numbered[rule.name], parts, rule.chance, rule.is_complement)
                )
        conditions = (*at_least, *tier.also) if place else ()
        listed.append(
            SegmentRule(places[tier.name], (conditions,) if conditions else (), tier=place)
        )
    agreement = found.agreement if customers.population else None
    return Division(
        TIERS,
        tuple(names),
        found.silhouette,
        None,
        rules=RuleList(tuple(listed), found.ladder),
        agreement=agreement,
    )


def _claims(
    found: Tiers, every: Sequence[Tier], everybody: Values, own: Values
) -> list[tuple[Condition, ...]]:
    """What each tier's name says of a customer's own figure, by its rank among all or its value.

    A name of the lower half says that it is low, one of the upper half that it is high, one about
    the middle both; whoever is nearly there meets it.
    """
    cuts, measure = found.ladder.cuts, own_figure(found.ladder.measure)
    starts = [0.0, *(tier.top for tier in every)]
    claims = []
    for place, tier in enumerate(found.tiers):
        is_open = place + 1 < len(found.tiers) and found.tiers[place + 1].also
        low = everybody.rank(cuts[place - 1]) - _SLACK if place else 0.0
        high = everybody.rank(cuts[place]) + _SLACK if place < len(cuts) else 1.0
        claim: list[Condition] = []
        if low > 0 and tier.top > _MIDDLE:
            claim.append(
                Condition(measure, "at_least", min(own.quantile(low), everybody.quantile(low)))
            )
        if high < 1 and starts[list(every).index(tier)] < _MIDDLE and not is_open:
            claim.append(
                Condition(measure, "at_most", max(own.quantile(high), everybody.quantile(high)))
            )
        claims.append((*claim, *tier.also))
    return claims


def _segment_rule(rule: Rule, segment: int) -> SegmentRule:
    return SegmentRule(segment, rule.any_of, rule.chance, rule.is_complement)


def _left_by(rules: Sequence[Rule], columns: Mapping[str, Floats], n_rows: int) -> Flags:
    """Customers for whom none of the rules holds, shape (n_rows,)."""
    if not rules:
        return np.ones(n_rows, np.bool_)
    asked = RuleList(tuple(_segment_rule(rule, 0) for rule in rules))
    return asked.firing({name: columns[name] for name in asked.measures()}) < 0


def _measures_of(rules: Sequence[Rule]) -> tuple[str, ...]:
    return RuleList(tuple(_segment_rule(rule, 0) for rule in rules)).measures()
