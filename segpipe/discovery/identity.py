"""Segments across runs: which of the previous run's is which of this one's.

Takes an axis of the previous model and the new partition on the new sample; gives the matches and
the events. Transitions of clusters are classified as in MONIC (Spiliopoulou et al., 2006).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segpipe.clustering.assignment_problem import max_score_assignment
from segpipe.clustering.distances import nearness
from segpipe.core.arrays import Flags, Floats, Labels
from segpipe.core.report import SegmentEvent
from segpipe.model.document import AxisModel, Segment
from segpipe.model.preprocessing import FeatureScale, eligible_rows, scale_matrix

_MIN_SIMILARITY = 0.5
_TRUE_NAME = 0.2  # added, so that of two heirs alike the one goes on of which the name is true
_MAJORITY = 0.5  # of a segment's customers that make another its heir or its origin
_NOTABLE = 0.25  # of them that make it worth a mention


@dataclass(frozen=True)
class Overlap:
    """Weight of the sampled customers by new and old segment, shape (k_new, k_old)."""

    common: Floats
    n_new: Floats  # (k_new,), of those eligible now, whether or not they were
    n_old: Floats  # (k_old,)

    @property
    def jaccard(self) -> Floats:
        """Customers in both over customers in either, by the two models on the same figures."""
        either = self.n_new[:, None] + self.n_old[None, :] - self.common
        return np.divide(self.common, either, out=np.zeros_like(either), where=either > 0)


def label_by(axis: AxisModel, columns: Mapping[str, Floats]) -> Labels:
    """Segment of each customer by the axis's model, -1 in a state; columns and labels (n,)."""
    eligible = eligible_rows(columns, axis.eligibility)
    labels = np.full(len(eligible), -1, dtype=np.intp)
    if eligible.any() and axis.partition:
        own = {scale.measure: columns[scale.measure][eligible] for scale in axis.scales}
        labels[eligible] = axis.partition.assign(scale_matrix(own, axis.scales))
    return labels


def find_overlap(
    labels: Labels, n_segments: int, old_labels: Labels, n_old: int, weights: Floats
) -> Overlap:
    """How the old model divides the sample's customers, against the new one.

    labels, old_labels and weights (n,) of the whole sample; labels are -1 in a state.
    """
    now, then = labels >= 0, old_labels >= 0
    both = now & then
    cells = labels[both] * n_old + old_labels[both]
    common = _weight_by(cells, weights[both], n_segments * n_old)
    return Overlap(
        common.reshape(n_segments, n_old),
        _weight_by(labels[now], weights[now], n_segments),
        _weight_by(old_labels[then], weights[then], n_old),
    )


def match_segments(
    old: AxisModel,
    scales: Sequence[FeatureScale],
    positions: Floats,
    overlap: Overlap,
    is_true: Flags,
) -> dict[int, Segment]:
    """New index → the old segment that it continues, one to one; the rest are new.

    The assignment with the greatest total similarity: half of it the customers in common, half
    of it nearness of their positions (k_new, d) in the new standard deviations. `is_true` (k_new,
    k_old) says where the old name would still hold.
    """
    similarity = (overlap.jaccard + _nearness(old, scales, positions)) / 2
    is_allowed = (overlap.common > 0) & (similarity >= _MIN_SIMILARITY)
    score = np.where(is_allowed, similarity + _TRUE_NAME * is_true, 0.0)
    return {
        new: old.segments[previous]
        for new, previous in max_score_assignment(score)
        if is_allowed[new, previous]
    }


def find_events(
    old: AxisModel, segments: Sequence[Segment], overlap: Overlap | None
) -> tuple[SegmentEvent, ...]:
    """What became of every segment of the previous run, and where the new ones came from.

    segments are the new ones with their permanent ids, in the overlap's order.
    """
    if overlap is None:
        overlap = Overlap(
            np.zeros((len(segments), len(old.segments))),
            np.ones(len(segments)),
            np.ones(len(old.segments)),
        )
    known = {segment.segment_id: index for index, segment in enumerate(old.segments)}
    present = {segment.segment_id for segment in segments}
    events = []
    for index, segment in enumerate(segments):
        if segment.segment_id in known:
            before = known[segment.segment_id]
            was = old.segments[before].name
            kind, others = ("kept", ()) if was == segment.name else ("renamed", (was,))
            share = float(overlap.jaccard[index, before])
            event = SegmentEvent(kind, segment.name, segment.segment_id, others, share)
        else:
            shares = _share_of(overlap.common[index], overlap.n_new[index])
            event = _changed(segment, ("split", "born"), shares, old.segments)
        events.append(event)
    for index, segment in enumerate(old.segments):
        if segment.segment_id not in present:
            shares = _share_of(overlap.common[:, index], overlap.n_old[index])
            events.append(_changed(segment, ("merged", "died"), shares, segments))
    return tuple(events)


def _weight_by(groups: Labels, weights: Floats, n_groups: int) -> Floats:
    return np.bincount(groups, weights, minlength=n_groups).astype(np.float64)


def _share_of(common: Floats, whole: float) -> Floats:
    return common / whole if whole > 0 else common


def _changed(
    segment: Segment, kinds: tuple[str, str], shares: Floats, others: Sequence[Segment]
) -> SegmentEvent:
    """The first kind where most of its customers are, or were, in one other; else the second."""
    largest = float(shares.max(initial=0.0))
    kind, at_least = (kinds[0], _MAJORITY) if largest >= _MAJORITY else (kinds[1], _NOTABLE)
    named = tuple(o.name for o, share in zip(others, shares, strict=True) if share >= at_least)
    return SegmentEvent(kind, segment.name, segment.segment_id, named, largest)


def _nearness(old: AxisModel, scales: Sequence[FeatureScale], positions: Floats) -> Floats:
    """How near the segments are to the old ones on the features of both, 0 to 1; (k, k_old).

    Old positions are brought from their own standard deviations into the new ones.
    """
    before = {scale.measure: (index, scale) for index, scale in enumerate(old.scales)}
    shared = [
        (index, scale, *before[scale.measure])
        for index, scale in enumerate(scales)
        if scale.measure in before and before[scale.measure][1].transform == scale.transform
    ]
    if not shared or old.partition is None:
        return np.zeros((len(positions), len(old.segments)))
    moved = [
        (old.partition.positions[:, there] * then.deviation + then.mean - now.mean) / now.deviation
        for _, now, there, then in shared
    ]
    return nearness(positions[:, [index for index, *_ in shared]], np.array(moved).T)
