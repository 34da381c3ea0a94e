"""Segments of a division: with permanent ids, typical figures and a description.

Takes how an axis divides its customers and the sample; gives the segments of its model. A name has
one id within store and axis, for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np

from segpipe.axes import MEASURES
from segpipe.core.arrays import Floats, Labels
from segpipe.discovery.groups import Named
from segpipe.discovery.naming import (
    SegmentEvidence,
    compare_medians,
    describe_segment,
    join_phrases,
)
from segpipe.discovery.refit import Population
from segpipe.model.document import AxisModel, Segment
from segpipe.model.preprocessing import scale_matrix


@dataclass(frozen=True)
class PriorRun:
    """What an axis may lean on beside its sample; None where there is none."""

    population: Population | None = None
    previous: AxisModel | None = None  # of the store's current run
    known_ids: Mapping[str, int] = field(default_factory=dict)  # name → id, of all earlier runs

    def next_id(self, segments: Sequence[Segment] = ()) -> int:
        """The first id that no segment has ever had, these included."""
        known = self.previous.next_segment_id if self.previous else 1
        given = [*self.known_ids.values(), *(segment.segment_id for segment in segments)]
        return max(known, max(given, default=0) + 1)


FIRST_RUN = PriorRun()


def permanent_ids(
    names: Sequence[str], before: PriorRun, heirs: Mapping[int, Segment] | None = None
) -> list[int]:
    """An id a name: a segment that is given an old one's name is that one.

    Else it has the id of the segment that it continues, while nobody took that; else the id that
    its name had in an earlier run, likewise; else a new one.
    """
    old = before.previous.segments if before.previous else ()
    by_name = {segment.name: segment.segment_id for segment in old}
    ids = [by_name.get(name, 0) for name in names]
    heir_ids = {index: segment.segment_id for index, segment in (heirs or {}).items()}
    known = before.known_ids
    earlier = {i: known[name] for i, name in enumerate(names) if name in known}
    for offered in (heir_ids, earlier):
        for index, segment_id in sorted(offered.items()):
            if not ids[index] and segment_id not in ids:
                ids[index] = segment_id
    new_ids = count(before.next_id())
    return [segment_id or next(new_ids) for segment_id in ids]


def labels_of(axis: AxisModel, columns: Mapping[str, Floats]) -> Labels:
    """Segment of each eligible customer by the axis, -1 where no rule holds; shape (n,).

    columns has the axis's measures, raw and derived by its own priors.
    """
    if axis.rules:
        return axis.rules.assign(columns)[0]
    assert axis.partition  # noqa: S101 - the axis has segments
    return axis.partition.assign(scale_matrix(columns, axis.scales))


def make_segments(
    names: Sequence[Named], ids: Sequence[int], evidence: SegmentEvidence, shown: Sequence[str]
) -> tuple[Segment, ...]:
    """Segments with the typical figures of `shown` measures, those that tell most first."""
    shares = evidence_shares(evidence)
    medians = {measure: evidence.medians(measure) for measure in shown}
    return tuple(
        Segment(
            segment_id=ids[index],
            name=named.name,
            meaning=named.meaning,
            claims=(),
            description=describe_segment(
                named.meaning, _figures(index, _tellers(named, shown), evidence)
            ),
            medians={m: float(v[index]) for m, v in medians.items() if not np.isnan(v[index])},
            sample_share=float(shares[index]),
            holds=named.holds,
        )
        for index, named in enumerate(names)
    )


def _tellers(named: Named, shown: Sequence[str]) -> list[str]:
    """Measures that describe a segment: what its name is about first."""
    claimed = (condition.measure for condition in named.holds)
    return list(dict.fromkeys([*claimed, *shown]))


def refreshed(
    segments: Sequence[Segment], evidence: SegmentEvidence, shown: Sequence[str]
) -> tuple[Segment, ...]:
    """The same segments with today's figures."""
    names = [Named(segment.name, segment.meaning, segment.holds) for segment in segments]
    fresh = make_segments(names, [segment.segment_id for segment in segments], evidence, shown)
    return tuple(replace(new, claims=old.claims) for old, new in zip(segments, fresh, strict=True))


def evidence_shares(evidence: SegmentEvidence) -> Floats:
    """Share of each segment's customers among the eligible, by weight; shape (k,).

    Without the last digits, which depend on the order of the customers.
    """
    mine = evidence.labels >= 0
    sums = np.bincount(evidence.labels[mine], evidence.weights[mine], minlength=evidence.n_segments)
    shares: Floats = np.round(sums / evidence.weights.sum(), 12)
    return shares


def _figures(segment: int, shown: Sequence[str], evidence: SegmentEvidence) -> str:
    """Two figures of the segment's median customer against the shop's median."""
    phrases = []
    for name in shown[:2]:
        own, usual = float(evidence.medians(name)[segment]), evidence.quantile(name, 0.5)
        if not (np.isnan(own) or np.isnan(usual)):
            phrases.append(compare_medians(MEASURES[name], own, usual))
    return join_phrases(phrases)
