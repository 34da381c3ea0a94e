"""The outcome of one axis: its model for this run, with what was tried and decided.

Takes a division, or the current segments; gives a Discovery.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from segpipe.axes import Axis
from segpipe.axes.own_figures import own_figure
from segpipe.core import decisions
from segpipe.core.report import (
    AgreementInfo,
    AxisDecision,
    AxisScatter,
    CandidateInfo,
    SegmentEvent,
)
from segpipe.core.text import percent_floor
from segpipe.discovery import champion
from segpipe.discovery.champion import CurrentAxis, Verdict
from segpipe.discovery.divide import (
    AxisCustomers,
    Division,
)
from segpipe.discovery.groups import Groups
from segpipe.discovery.identity import find_events
from segpipe.discovery.k_means_axis import name_k_means
from segpipe.discovery.naming import SegmentEvidence
from segpipe.discovery.scatter import draw_scatter
from segpipe.discovery.segments import (
    PriorRun,
    evidence_shares,
    labels_of,
    make_segments,
    permanent_ids,
    refreshed,
)
from segpipe.discovery.shop import Shop
from segpipe.discovery.trial import Trial
from segpipe.model.document import UNAVAILABLE, AxisModel


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


def published(
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
        reason=division.reason or _why_no_groups(groups, shop),
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
        definition=champion.definition_of(axis, shop.settings.method, division.verdict),
    )
    labels = labels_of(model, trial.columns)
    n_segments = division.partition.n_segments if division.partition else len(division.names)
    evidence = SegmentEvidence(trial.columns, trial.weights, labels, n_segments)
    events: tuple[SegmentEvent, ...] = ()
    if division.names:
        ids = permanent_ids([named.name for named in division.names], before)
        shown = shown_measures(axis, model, shop.inputs)
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


def _why_no_groups(groups: Groups | str | None, shop: Shop) -> str | None:
    """Why groups were not found, or not looked for; a clause."""
    if shop.settings.method == "tiers":
        return "as the settings ask (--method tiers)"
    return groups if isinstance(groups, str) else None


def keep(
    axis: Axis,
    trial: Trial,
    shop: Shop,
    before: PriorRun,
    current: CurrentAxis,
    verdict: Verdict,
) -> Discovery:
    """The current segments with today's figures."""
    model, evidence = current.model, current.evidence
    segments = refreshed(model.segments, evidence, shown_measures(axis, model, shop.inputs))
    events = tuple(
        SegmentEvent("kept", segment.name, segment.segment_id, overlap=1.0) for segment in segments
    )
    model = replace(model, segments=segments, pending=verdict.pending)
    return _discovery(model, _decision(before, verdict), trial, evidence, None, events)


def without_customers(
    axis: Axis,
    reason: str,
    shop: Shop,
    before: PriorRun,
    current: CurrentAxis | None,
    verdict: Verdict,
    customers: AxisCustomers | None = None,
) -> Discovery:
    """Nobody can be divided today: the current segments stay if they can, else unavailable."""
    can_stay = verdict.cause in (None, decisions.DIFFER, decisions.DRIFT)
    if current is not None and can_stay:
        return keep(axis, _no_trial(current), shop, before, current, Verdict(None, reason))
    if before.previous and before.previous.segments and verdict.cause is None:
        model = replace(before.previous, pending=None)  # nobody is eligible, and its cuts stay
        return Discovery(model, _decision(before, Verdict(None, reason)))
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
        definition=champion.definition_of(axis, shop.settings.method, UNAVAILABLE),
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
        replace(model, tried=trial.candidates),
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


def shown_measures(axis: Axis, model: AxisModel, inputs: frozenset[str]) -> tuple[str, ...]:
    """Measures whose typical figures describe a segment: customers' own ones, tellers first.

    Those by which the model divides come last, for they are what an explanation compares.
    """
    named: list[str] = []
    main = axis.live_main(inputs)
    if main:
        named.append(own_figure(main.measure))
    for rule in axis.live_rules(inputs):
        named += [condition.measure for condition in rule.claim]
    named += [own_figure(feature.measure) for feature in axis.live_features(inputs)]
    if model.rules and model.rules.ladder:
        named.append(model.rules.ladder.measure)
    named += [scale.measure for scale in model.scales]
    return tuple(dict.fromkeys(named))


def hold_back(
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
    found = keep(axis, trial, shop, before, current, Verdict(None, pending=verdict.cause))
    text = f"{verdict.cause}; they agree on {percent_floor(division.agreement.share)} of customers"
    decision = AxisDecision(decisions.HELD_BACK, decisions.AGREEMENT, text, verdict.cause)
    return replace(found, decision=decision, agreement=division.agreement)
