"""What a run reports of its axes: to the database, in the report and on the page.

Takes the model, how it was discovered and the counts; gives the records that are stored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from segpipe.axes.guidance import describe_state, guidance_for
from segpipe.core.plain import plain_values
from segpipe.core.report import AxisInfo, OutlookInfo
from segpipe.core.verdicts import RULES
from segpipe.model.assign import Tally
from segpipe.model.compare import events_by_name
from segpipe.model.document import Model
from segpipe.model.outlook import NO_OUTLOOK
from segpipe.pipeline.context import Counted
from segpipe.pipeline.decisions import held_axes
from segpipe.runs import SegmentDefinition

if TYPE_CHECKING:
    from segpipe.discovery.outcome import Discovery


def segment_definitions(model: Model) -> list[SegmentDefinition]:
    """Every segment, then every state, of every axis."""
    rows = []
    for axis in model.axes:
        rows += [
            SegmentDefinition(
                axis=axis.name,
                segment_id=segment.segment_id,
                segment=segment.name,
                kind="segment",
                description=segment.description,
                centroid=segment.medians,
                silhouette=axis.silhouette,
                guidance=guidance_for(axis.name, segment.name),
            )
            for segment in axis.segments
        ]
        states = axis.vocabulary()[len(axis.segments) :]
        rows += [
            SegmentDefinition(
                axis=axis.name,
                segment_id=-number,
                segment=state,
                kind="state",
                description=describe_state(
                    state, axis.eligibility, model.measure, None if axis.segments else axis.reason
                ),
                guidance=guidance_for(axis.name, state),
            )
            for number, state in enumerate(states, start=1)
        ]
    return rows


def discovered_axes(
    model: Model, discovered: Sequence[Discovery], previous: Model | None = None
) -> tuple[AxisInfo, ...]:
    """One record an axis, in the model's order, as it was discovered: nobody is counted yet.

    Axes of a given model, which nobody discovered, are compared with those of the previous one.
    """
    former = {axis.name: axis for axis in previous.axes} if previous else {}
    found = {discovery.model.name: discovery for discovery in discovered}
    infos = []
    for axis in model.axes:
        discovery = found.get(axis.name)
        infos.append(
            AxisInfo(
                name=axis.name,
                group=axis.group,
                verdict=axis.verdict,
                reason=axis.reason,
                n_clusters=len(axis.segments) or None,
                silhouette=axis.silhouette if axis.segments else None,
                candidates=discovery.candidates if discovery else (),
                dropped_features=discovery.dropped_features if discovery else (),
                choice=discovery.choice if discovery else None,
                agreement=discovery.agreement if discovery else None,
                events=discovery.events
                if discovery
                else events_by_name(former.get(axis.name), axis),
                decision=discovery.decision if discovery else None,
                best_k=discovery.best_k if discovery else None,
                best_silhouette=discovery.best_silhouette if discovery else None,
                valley=discovery.valley if discovery else None,
            )
        )
    return tuple(infos)


def axis_reports_with_counts(
    infos: Sequence[AxisInfo], model: Model, counted: Counted
) -> tuple[AxisInfo, ...]:
    """The same records with the counts of everybody and what was decided.

    Shares are of everybody: of kinds by rule the largest first, else in the axis's order, which is
    from low to high where there is one.
    """
    shares, values = counted.counts.shares(), counted.counts.value_shares()
    met = names_met(model, counted.tally, held_axes(counted.decisions))
    found = []
    for info, axis in zip(infos, model.axes, strict=True):
        own, own_values = shares.get(axis.name, {}), values.get(axis.name, {})
        names = sorted(own, key=axis.vocabulary().index)
        if info.verdict == RULES:
            names.sort(key=lambda name: (-own[name], name))
        found.append(
            dataclasses.replace(
                info,
                shares={name: own[name] for name in names},
                value_shares={name: own_values.get(name, 0.0) for name in names},
                n_filled=counted.tally.n_filled.get(axis.name, {}),
                holds_for={
                    segment.name: met[axis.name, segment.name]
                    for segment in axis.segments
                    if (axis.name, segment.name) in met
                },
                decision=counted.decisions.get(axis.name),
                n_empty=sum(not own.get(segment.name) for segment in axis.segments),
            )
        )
    return tuple(found)


def names_met(
    model: Model, tally: Tally, held: Collection[str] = ()
) -> dict[tuple[str, str], float]:
    """(axis, segment) → share of its customers who meet its name by their own figures.

    Without names that say nothing of one customer, and without axes that were held back, whose
    customers were not counted in the segments that they have.
    """
    return {
        (axis.name, segment.name): share
        for axis in model.axes
        if axis.name not in held
        for segment, share in zip(axis.segments, tally.holds_for(axis), strict=True)
        if share is not None
    }


def scatter_points(discovered: Sequence[Discovery]) -> dict[str, Any]:
    """Points of the axes that have segments, as the page and the ledger take them."""
    return {
        found.model.name: plain_values(dataclasses.asdict(found.scatter))
        for found in discovered
        if found.scatter
    }


def outlook_report(model: Model) -> OutlookInfo:
    """What the model says of the next 90 days, or why it says nothing."""
    outlook = model.outlook
    if outlook is None:
        return OutlookInfo(
            is_published=False,
            is_provisional=False,
            reason=NO_OUTLOOK,
            is_value_published=False,
            value_reason=NO_OUTLOOK,
        )
    found = OutlookInfo(
        is_published=outlook.churn is not None,
        is_provisional=outlook.is_provisional,
        reason=outlook.reason,
        is_value_published=outlook.value is not None,
        value_reason=outlook.value_reason,
    )
    if outlook.check is None:
        return found
    check = dataclasses.asdict(outlook.check)
    return dataclasses.replace(found, n_checked=check.pop("n_customers"), **check)
