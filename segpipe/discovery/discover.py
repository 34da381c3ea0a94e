"""Discovery: the weighted sample → one AxisModel an axis.

Takes the sample, the axes, and where they are at hand the population and the store's current
model; gives the models, what was tried on the way, and what was decided about the current ones.
Axes are independent and run side by side, each on one thread.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from threadpoolctl import threadpool_limits

from segpipe.axes import MEASURES, Axis, Feature, Rule, Tier
from segpipe.axes.own_figures import own_figure
from segpipe.clustering.registry import CLUSTERERS
from segpipe.core import decisions
from segpipe.core.arrays import Floats
from segpipe.core.report import (
    AgreementInfo,
    AxisDecision,
    AxisScatter,
    CandidateInfo,
    SegmentEvent,
)
from segpipe.core.settings import ClusterSettings
from segpipe.core.text import percent_floor
from segpipe.core.verdicts import GROUPS, K_MEANS
from segpipe.discovery import champion
from segpipe.discovery.champion import CurrentAxis, Verdict
from segpipe.discovery.divide import (
    AxisCustomers,
    Division,
    divide_by_groups,
    divide_by_rules,
    divide_by_tiers,
)
from segpipe.discovery.groups import Groups, find_groups
from segpipe.discovery.identity import find_events
from segpipe.discovery.k_means_axis import divide_by_k_means, name_k_means
from segpipe.discovery.naming import SegmentEvidence
from segpipe.discovery.priors import estimate_priors
from segpipe.discovery.redundancy import without_smallest_channel
from segpipe.discovery.refit import Population
from segpipe.discovery.sampling import Sample
from segpipe.discovery.scatter import draw_scatter
from segpipe.discovery.segments import (
    FIRST_RUN,
    PriorRun,
    evidence_shares,
    labels_of,
    make_segments,
    permanent_ids,
    refreshed,
)
from segpipe.discovery.trial import Trial, try_k_means, with_valleys
from segpipe.model.derived import DERIVED_MEASURES, customers_differ, derive
from segpipe.model.document import UNAVAILABLE, AxisModel, Model
from segpipe.model.preprocessing import eligible_rows
from segpipe.model.priors import Priors
from segpipe.model.rules import RuleList


@dataclass(frozen=True)
class Discovery:
    """One axis's model, and how the report says it came about."""

    model: AxisModel
    decision: AxisDecision
    candidates: tuple[CandidateInfo, ...] = ()
    dropped_features: tuple[str, ...] = ()
    choice: str | None = None  # why that K is the best
    best_k: int | None = None
    best_silhouette: float | None = None
    valley: float | None = None
    agreement: AgreementInfo | None = None
    events: tuple[SegmentEvent, ...] = ()
    scatter: AxisScatter | None = None


@dataclass(frozen=True)
class Shop:
    """What all axes of a run share."""

    columns: Mapping[str, Floats]  # raw measures of the sample, and derived ones by its priors
    weights: Floats
    inputs: frozenset[str]
    priors: Priors
    settings: ClusterSettings
    seed: int
    as_of: date
    former_inputs: frozenset[str] = frozenset()
    former_as_of: date = date.min
    rediscover: tuple[str, ...] | None = None  # axes to replace; () for all, None for none

    def is_asked(self, axis: str) -> bool:
        """Whether the user asked to replace the axis's segments."""
        return self.rediscover is not None and (not self.rediscover or axis in self.rediscover)


@dataclass(frozen=True)
class _Parts:
    """What of an axis these inputs can feed."""

    main: Feature | None
    tiers: tuple[Tier, ...]
    rules: tuple[Rule, ...]
    features: tuple[Feature, ...]


def discover(
    sample: Sample,
    axes: Sequence[Axis],
    inputs: frozenset[str],
    settings: ClusterSettings,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
    *,
    as_of: date,
    population: Population | None = None,
    previous: Model | None = None,
    known_ids: Mapping[str, Mapping[str, int]] | None = None,
    rediscover: tuple[str, ...] | None = None,
) -> list[Discovery]:
    """Discover every axis, in the order given.

    With `population` segments are refitted on everybody and the agreement is measured. The axes of
    the `previous` model stay, unless there is a cause to replace them; with `known_ids`, of every
    axis the names and ids that were ever given, a name that comes back has its id again.
    """
    raw = {
        name: column.to_numpy().astype(np.float64)
        for name, column in zip(
            sample.customers.column_names, sample.customers.columns, strict=True
        )
        if name != "customer_id"
    }
    priors = estimate_priors(raw, sample.weights, inputs)
    former = {axis.name: axis for axis in previous.axes} if previous else {}
    shop = Shop(
        columns={**raw, **derive(raw, DERIVED_MEASURES, priors)},
        weights=sample.weights,
        inputs=inputs,
        priors=priors,
        settings=settings,
        seed=seed,
        as_of=as_of,
        former_inputs=frozenset(previous.inputs) if previous else frozenset(),
        former_as_of=previous.reference.as_of if previous else date.min,
        rediscover=rediscover,
    )

    def one(axis: Axis) -> Discovery:
        before = PriorRun(population, former.get(axis.name), (known_ids or {}).get(axis.name, {}))
        found = discover_axis(axis, shop, before)
        progress(axis.name)
        return found

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(one, axes))


def discover_axis(axis: Axis, shop: Shop, before: PriorRun = FIRST_RUN) -> Discovery:
    """Try one axis on the customers who are eligible for it, and decide what is published."""
    previous = before.previous
    verdict = champion.KEEP
    current = champion.current_axis(previous, shop.columns, shop.weights)
    parts = _live_parts(axis, shop)
    customers = _eligible(axis, parts, shop, before)
    if previous is not None:
        verdict = champion.find_cause(
            axis,
            previous,
            current,
            (shop.former_inputs, shop.inputs),
            shop.settings,
            is_asked=shop.is_asked(axis.name),
        )
    if isinstance(customers, str):
        return _without_customers(axis, customers, shop, before, current, verdict)
    seed = zlib.crc32(f"{shop.seed}:{axis.name}".encode())
    trial = customers.trial
    groups = _groups(axis, parts, trial, shop, seed)
    if previous is not None and verdict.cause is None:
        verdict = champion.find_cause_of_trial(
            previous, current, trial, groups, shop.as_of, shop.former_as_of, seed
        )
    if previous is not None and verdict.cause is None and current is not None:
        return _kept(axis, trial, shop, before, current, verdict)
    division = _divide(axis, parts, customers, shop, seed, groups, verdict)
    if isinstance(division, str):
        return _without_customers(axis, division, shop, before, current, verdict, customers)
    if current is not None and champion.is_unsettled(division.agreement, verdict, shop.settings):
        return _held_back(axis, trial, shop, before, current, verdict, division)
    return _published(axis, division, customers, shop, before, verdict, groups)


def _held_back(
    axis: Axis,
    trial: Trial,
    shop: Shop,
    before: PriorRun,
    current: CurrentAxis,
    verdict: Verdict,
    division: Division,
) -> Discovery:
    """The current segments, since those that would replace them depend on the sample."""
    assert division.agreement  # noqa: S101 - it was found too low
    found = _kept(axis, trial, shop, before, current, Verdict(None, pending=verdict.cause))
    text = f"{verdict.cause}; they agree on {percent_floor(division.agreement.share)} of customers"
    decision = AxisDecision(decisions.HELD_BACK, decisions.AGREEMENT, text, verdict.cause)
    return replace(found, decision=decision, agreement=division.agreement)


def _live_parts(axis: Axis, shop: Shop) -> _Parts:
    inputs = shop.inputs
    n_features = CLUSTERERS[axis.clusterer].n_features
    features = [
        feature
        for feature in axis.live_features(inputs)
        if customers_differ(feature.measure, shop.priors)
    ]
    return _Parts(
        axis.live_main(inputs),
        axis.live_tiers(inputs),
        axis.live_rules(inputs),
        tuple(features[:n_features]),
    )


def _eligible(axis: Axis, parts: _Parts, shop: Shop, before: PriorRun) -> AxisCustomers | str:
    """Who can be divided, with the trial of k-means; else why nobody can."""
    if not _is_fed(axis, parts, shop):
        return f"no {' or '.join(axis.missing_inputs(shop.inputs))} in the input"
    rules = tuple(rule for rule in axis.eligibility if shop.inputs.issuperset(rule.needs))
    eligible = eligible_rows(shop.columns, rules)
    if not eligible.any():
        return f"everybody is {rules[0].state}"
    if alike := _alike(axis, parts, shop):
        return alike
    own = {name: values[eligible] for name, values in shop.columns.items()}
    trial = try_k_means(
        without_smallest_channel(parts.features, own, shop.weights[eligible]),
        own,
        shop.weights[eligible],
        shop.settings,
        zlib.crc32(f"{shop.seed}:{axis.name}".encode()),
        CLUSTERERS[axis.clusterer],
        min_segments=axis.min_segments,
        n_segments=axis.n_segments,
        current=before.previous,
    )
    kept = len(before.previous.segments) if before.previous else None
    trial = with_valleys(trial, zlib.crc32(f"{shop.seed}:{axis.name}".encode()), kept)
    return AxisCustomers(rules, trial, shop.priors, before.population)


def _is_fed(axis: Axis, parts: _Parts, shop: Shop) -> bool:
    """Whether the inputs are there."""
    if axis.tiers:
        return parts.main is not None
    return bool(parts.rules if axis.rules else axis.live_features(shop.inputs))


def _alike(axis: Axis, parts: _Parts, shop: Shop) -> str | None:
    """Why the axis says nothing of the eligible, though it is fed; None where it does."""
    if axis.tiers:
        asked = [parts.main.measure] if parts.main else []
    elif axis.rules:
        plain = [rule for rule in parts.rules if not rule.chance]
        asked = [] if plain else [rule.chance for rule in parts.rules if rule.chance]
    else:
        asked = [feature.measure for feature in axis.live_features(shop.inputs)]
    if asked and not any(customers_differ(name, shop.priors) for name in asked):
        label = f"in {MEASURES[own_figure(asked[0])].label}" if axis.tiers else "in it"
        return f"customers do not differ {label} beyond chance"
    return None


def _groups(axis: Axis, parts: _Parts, trial: Trial, shop: Shop, seed: int) -> Groups | str | None:
    """Separate groups under the axis's own names; None where they are not asked."""
    if shop.settings.method != "auto" or not axis.has_vocabulary:
        return None
    if not axis.has_groups:
        return "stages by definition"
    return find_groups(trial, parts.main, parts.tiers, parts.rules, shop.settings, seed)


def _divide(
    axis: Axis,
    parts: _Parts,
    customers: AxisCustomers,
    shop: Shop,
    seed: int,
    groups: Groups | str | None,
    verdict: Verdict,
) -> Division | str:
    """The way that is published."""
    settings = shop.settings
    if settings.method == "kmeans" or not axis.has_vocabulary:
        return divide_by_k_means(customers, settings, seed)
    is_renewal = verdict.cause in (decisions.DRIFT, decisions.NOT_SEPARATE)
    if isinstance(groups, Groups) and not is_renewal:
        return divide_by_groups(groups, customers, settings, seed)
    if parts.main and parts.tiers:
        return divide_by_tiers(
            axis, parts.main, parts.tiers, parts.rules, customers, settings, seed
        )
    return divide_by_rules(parts.rules, customers)


def _published(
    axis: Axis,
    division: Division,
    customers: AxisCustomers,
    shop: Shop,
    before: PriorRun,
    verdict: Verdict,
    groups: Groups | str | None,
) -> Discovery:
    """New segments: the axis's first ones, or in place of the current ones."""
    trial = customers.trial
    model = AxisModel(
        name=axis.name,
        group=axis.group,
        verdict=division.verdict,
        reason=division.reason or (groups if isinstance(groups, str) else None),
        silhouette=division.silhouette,
        eligibility=customers.rules,
        scales=division.scales,
        segments=(),
        default_state=axis.live_otherwise(shop.inputs) or UNAVAILABLE,
        next_segment_id=before.next_id(),
        partition=division.partition,
        rules=division.rules,
        priors=shop.priors,
        made_on=shop.as_of,
        definition=champion.definition_of(axis, shop.settings.method),
    )
    labels = labels_of(model, trial.columns)
    n_segments = division.partition.n_segments if division.partition else len(division.names)
    evidence = SegmentEvidence(trial.columns, trial.weights, labels, n_segments)
    events: tuple[SegmentEvent, ...] = ()
    if division.names:
        ids = permanent_ids([named.name for named in division.names], before)
        shown = shown_measures(axis, division.rules, shop.inputs)
        segments = make_segments(division.names, ids, evidence, shown)
        if before.previous:
            events = find_events(before.previous, segments, None)
    else:
        assert division.partition  # noqa: S101 - k-means segments
        named = name_k_means(
            division.partition,
            division.scales,
            axis.live_prototypes(shop.inputs),
            evidence,
            before,
        )
        segments, events = named.segments, named.events
    model = replace(
        model,
        segments=segments,
        next_segment_id=before.next_id(segments),
        made_shares=tuple(evidence_shares(evidence).tolist()),
    )
    return _discovery(model, _decision(before, verdict), trial, evidence, division, events)


def _kept(
    axis: Axis,
    trial: Trial,
    shop: Shop,
    before: PriorRun,
    current: CurrentAxis,
    verdict: Verdict,
) -> Discovery:
    """The current segments with today's figures."""
    model, evidence = current.model, current.evidence
    if model.verdict in (GROUPS, K_MEANS) and any(segment.claims for segment in model.segments):
        assert model.partition  # noqa: S101 - k-means segments
        prototypes = axis.live_prototypes(shop.inputs)
        named = name_k_means(model.partition, model.scales, prototypes, evidence, before)
        segments, events = named.segments, named.events
    else:
        shown = shown_measures(axis, model.rules, shop.inputs)
        segments = refreshed(model.segments, evidence, shown)
        events = tuple(
            SegmentEvent("kept", segment.name, segment.segment_id, overlap=1.0)
            for segment in segments
        )
    model = replace(champion.kept(model, verdict.pending), segments=segments)
    return _discovery(model, _decision(before, verdict), trial, evidence, None, events)


def _without_customers(
    axis: Axis,
    reason: str,
    shop: Shop,
    before: PriorRun,
    current: CurrentAxis | None,
    verdict: Verdict,
    customers: AxisCustomers | None = None,
) -> Discovery:
    """Nobody can be divided today: the current segments stay if they can, else unavailable."""
    can_stay = verdict.cause is None or verdict.cause == decisions.DIFFER
    if current is not None and can_stay:
        return _kept(axis, _no_trial(current), shop, before, current, Verdict(None, reason))
    rules = customers.rules if customers else ()
    if not rules:
        rules = tuple(rule for rule in axis.eligibility if shop.inputs.issuperset(rule.needs))
        rules = rules if reason.startswith("everybody is") else ()
    model = AxisModel(
        axis.name,
        axis.group,
        UNAVAILABLE,
        reason,
        None,
        rules,
        (),
        (),
        UNAVAILABLE,
        before.next_id(),
        priors=shop.priors,
        made_on=shop.as_of,
        definition=champion.definition_of(axis, shop.settings.method),
    )
    events = find_events(before.previous, (), None) if before.previous else ()
    was_unavailable = before.previous is not None and not before.previous.segments
    found = champion.KEEP if was_unavailable else verdict
    trial = customers.trial if customers else None
    dropped = trial.dropped if trial else ()
    candidates = trial.candidates if trial else ()
    return Discovery(model, _decision(before, found), candidates, dropped, events=events)


def _no_trial(current: CurrentAxis) -> Trial:
    """Of an axis on which nothing could be tried today."""
    evidence = current.evidence
    points = np.zeros((len(evidence.weights), 0))
    return Trial(evidence.columns, evidence.weights, (), points, None, ())


def _decision(before: PriorRun, verdict: Verdict) -> AxisDecision:
    if before.previous is None:
        return AxisDecision(decisions.NEW)
    if verdict.cause is None:
        return AxisDecision(decisions.KEPT, None, verdict.text, verdict.pending)
    return AxisDecision(decisions.REPLACED, verdict.cause, verdict.text)


def _discovery(
    model: AxisModel,
    decision: AxisDecision,
    trial: Trial,
    evidence: SegmentEvidence,
    division: Division | None,
    events: tuple[SegmentEvent, ...],
) -> Discovery:
    chosen = trial.chosen
    best = max(trial.candidates, key=lambda c: (c.passed_over is None, c.silhouette), default=None)
    if chosen and chosen.partition:
        k = chosen.partition.n_segments
        best = next((c for c in trial.candidates if c.n_clusters == k), best)
    scatter = None
    scales = model.scales or trial.scales
    has_all = all(scale.measure in evidence.columns for scale in scales)
    if scales and has_all and (evidence.labels >= 0).any():
        scatter = draw_scatter(evidence, scales)
    return Discovery(
        model,
        decision,
        trial.candidates,
        trial.dropped,
        chosen.choice if chosen else None,
        best.n_clusters if best else None,
        best.silhouette if best else None,
        min(trial.valleys.least) if trial.valleys else None,
        division.agreement if division else None,
        events,
        scatter,
    )


def shown_measures(axis: Axis, rules: RuleList | None, inputs: frozenset[str]) -> tuple[str, ...]:
    """Measures whose typical figures describe a segment: customers' own ones, tellers first."""
    named: list[str] = []
    main = axis.live_main(inputs)
    if main:
        named.append(own_figure(main.measure))
    for rule in axis.live_rules(inputs):
        named += [condition.measure for condition in rule.claim]
    named += [own_figure(feature.measure) for feature in axis.live_features(inputs)]
    if rules and rules.ladder:
        named.append(rules.ladder.measure)
    return tuple(dict.fromkeys(named))
