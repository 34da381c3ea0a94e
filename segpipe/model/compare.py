"""From one run's segments to the next one's: which are the same, and which can be scored again.

Takes the previous model and the new one; gives names side by side, and the previous model's axes
that hold on the new measures. Who moved, and why, is counted in `publishing.transitions`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from segpipe.axes.measures import MEASURES
from segpipe.axes.needs import NEEDS
from segpipe.core.report import SegmentEvent
from segpipe.core.schema import Reference
from segpipe.model.document import AxisModel, Model, raw_measures_of
from segpipe.model.priors import CHANNEL_RANKS

_OF_REFERENCE = frozenset(  # measures that lean on the shop's reference figures
    (
        "price_position",
        "price_spread",
        "recency_over_expected_gap",
        *(f"channel_{rank}_share" for rank in CHANNEL_RANKS),
        *(f"n_channel_{rank}_orders" for rank in CHANNEL_RANKS),
    )
)


def same_segments(old: AxisModel, new: AxisModel) -> dict[str, str | None]:
    """Every name of the old axis → what the same is called now, None where it is no more.

    A segment is the same by its permanent id, whatever its name; a state by its name.
    """
    names = {segment.segment_id: segment.name for segment in new.segments}
    states = new.vocabulary()[len(new.segments) :]
    same = {segment.name: names.get(segment.segment_id) for segment in old.segments}
    for state in old.vocabulary()[len(old.segments) :]:
        same[state] = state if state in states else None
    return same


def same_names(old: Model | None, new: Model) -> dict[str, dict[str, str | None]]:
    """`same_segments` of every axis that both models have; nothing without an old one."""
    before = {axis.name: axis for axis in old.axes} if old else {}
    return {
        axis.name: same_segments(before[axis.name], axis)
        for axis in new.axes
        if axis.name in before
    }


def kept_axes(old: Model | None, new: Model) -> frozenset[str]:
    """Axes that divide customers in both models by the very same figures, whatever they are called.

    Nobody moves on them because of the model.
    """
    if old is None or _without_date(old) != _without_date(new):
        return frozenset()
    before = {axis.name: axis for axis in old.axes}
    return frozenset(
        axis.name
        for axis in new.axes
        if axis.name in before and _division(before[axis.name]) == _division(axis)
    )


def _without_date(model: Model) -> Reference:
    return replace(model.reference, as_of=date.min)


def _division(axis: AxisModel) -> tuple[object, ...]:
    return (
        [segment.segment_id for segment in axis.segments],
        axis.partition.document() if axis.partition else None,
        axis.rules,
        axis.eligibility,
        axis.scales,
        axis.priors,
        axis.default_state,
    )


def events_by_name(old: AxisModel | None, new: AxisModel) -> tuple[SegmentEvent, ...]:
    """What became of the segments where the new axis is of a given model; nothing without an old.

    Its ids may be those of another store, so that a segment is the same by its name.
    """
    if old is None:
        return ()
    former, present = ({s.name for s in axis.segments} for axis in (old, new))
    kinds = [("kept" if s.name in former else "born", s) for s in new.segments]
    kinds += [("died", s) for s in old.segments if s.name not in present]
    return tuple(SegmentEvent(kind, s.name, s.segment_id) for kind, s in kinds)


def uses_reference(axis: AxisModel) -> bool:
    """Whether a customer's place on the axis depends on the model's reference figures."""
    return not _OF_REFERENCE.isdisjoint(raw_measures_of([axis]))


def rescored_axes(previous: Model | None, model: Model) -> tuple[AxisModel, ...]:
    """Axes of the previous model that can be applied to what the new one is applied to.

    Without those that the new model lacks, those that look at an input which is gone: its measures
    are empty now, and would put everybody at the median; and those of another version that look at
    a measure which this one does not compute; and those that look at usual prices or the biggest
    channels, where these were learnt again: today's measures are made with the new ones.
    """
    if previous is None:
        return ()
    names = {axis.name for axis in model.axes}
    has_same_reference = _without_date(previous) == _without_date(model)
    return tuple(
        axis
        for axis in previous.axes
        if axis.name in names
        and (has_same_reference or not uses_reference(axis))
        and all(
            measure in MEASURES and NEEDS.get(measure) in (None, *model.inputs)
            for measure in raw_measures_of([axis])
        )
    )
