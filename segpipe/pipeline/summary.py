"""What a run reports of its axes: to the database, in the report and on the page.

Takes the model, how it was discovered and the counts; gives the records that are stored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from segpipe.axes.guidance import describe_state, guidance_for
from segpipe.core.plain import plain_values
from segpipe.core.report import AxisInfo, OutlookInfo
from segpipe.model.assign import Tally
from segpipe.model.document import Model
from segpipe.model.outlook import NO_OUTLOOK
from segpipe.runs import SegmentDefinition

if TYPE_CHECKING:
    from segpipe.discovery.discover import Discovery


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


def discovered_axes(model: Model, discovered: Sequence[Discovery]) -> tuple[AxisInfo, ...]:
    """One record an axis, in the model's order, as it was discovered: nobody is counted yet."""
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
                events=discovery.events if discovery else (),
            )
        )
    return tuple(infos)


def axis_reports_with_counts(
    infos: Sequence[AxisInfo], model: Model, tally: Tally
) -> tuple[AxisInfo, ...]:
    """The same records with the counts of assignment; shares are of everybody, largest first."""
    counted = []
    for info, axis in zip(infos, model.axes, strict=True):
        by_size = sorted(zip(-tally.customers[axis.name], axis.vocabulary(), strict=True))
        shares = {name: float(-n / tally.n_customers) for n, name in by_size if n}
        n_filled = tally.n_filled.get(axis.name, {})
        counted.append(dataclasses.replace(info, shares=shares, n_filled=n_filled))
    return tuple(counted)


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
        return OutlookInfo(is_published=False, is_provisional=False, reason=NO_OUTLOOK)
    found = OutlookInfo(
        is_published=outlook.churn is not None,
        is_provisional=outlook.is_provisional,
        reason=outlook.reason,
    )
    if outlook.check is None:
        return found
    check = dataclasses.asdict(outlook.check)
    return dataclasses.replace(found, n_checked=check.pop("n_customers"), **check)
