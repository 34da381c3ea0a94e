"""Discovery: the weighted sample → one AxisModel an axis.

Takes the sample, the axes, and where they are at hand the population and the store's previous
model; gives the models with what was tried on the way. Axes are independent and run side by side,
each on one thread.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
from threadpoolctl import threadpool_limits

from segpipe.axes import Axis, Eligibility, Prototype
from segpipe.clustering.base import Partition
from segpipe.clustering.choose_k import PreviousPartition, choose_partition
from segpipe.clustering.registry import CLUSTERERS
from segpipe.core.arrays import Floats
from segpipe.core.report import AgreementInfo, AxisScatter, CandidateInfo, SegmentEvent
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.identity import find_events, find_overlap, label_by, match_segments
from segpipe.discovery.naming import (
    SegmentEvidence,
    SegmentName,
    claim_holds,
    describe_figures,
    describe_segment,
    name_segments,
)
from segpipe.discovery.refit import Population, refit
from segpipe.discovery.sampling import Sample
from segpipe.discovery.scatter import draw_scatter
from segpipe.model.document import UNAVAILABLE, AxisModel, Model, Segment, measures_of
from segpipe.model.preprocessing import FeatureScale, eligible_rows, fit_scales, scale_matrix

NO_STRUCTURE = "no_structure"


@dataclass(frozen=True)
class Discovery:
    """One axis's model, and how the report says it came about."""

    model: AxisModel
    candidates: tuple[CandidateInfo, ...] = ()
    dropped_features: tuple[str, ...] = ()
    choice: str | None = None
    agreement: AgreementInfo | None = None
    events: tuple[SegmentEvent, ...] = ()
    scatter: AxisScatter | None = None


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


def discover(
    sample: Sample,
    axes: Sequence[Axis],
    inputs: frozenset[str],
    settings: ClusterSettings,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
    *,
    population: Population | None = None,
    previous: Model | None = None,
    known_ids: Mapping[str, Mapping[str, int]] | None = None,
) -> list[Discovery]:
    """Discover every axis, in the order given.

    With `population` the centroids are refitted on everybody and the agreement is measured; with
    `previous` segments keep their ids and names; with `known_ids`, of every axis the names and ids
    that were ever given, a name that comes back has its id again.
    """
    columns = {
        name: column.to_numpy().astype(np.float64)
        for name, column in zip(
            sample.customers.column_names, sample.customers.columns, strict=True
        )
        if name != "customer_id"
    }
    former = {axis.name: axis for axis in previous.axes} if previous else {}

    def one(axis: Axis) -> Discovery:
        before = PriorRun(population, former.get(axis.name), (known_ids or {}).get(axis.name, {}))
        found = discover_axis(axis, columns, sample.weights, inputs, settings, seed, before)
        progress(axis.name)
        return found

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(one, axes))


def discover_axis(
    axis: Axis,
    columns: Mapping[str, Floats],
    weights: Floats,
    inputs: frozenset[str],
    settings: ClusterSettings,
    seed: int,
    before: PriorRun = PriorRun(),
) -> Discovery:
    """Discover one axis on the customers who are eligible for it."""
    clusterer = CLUSTERERS[axis.clusterer]
    features = axis.live_features(inputs)[: clusterer.n_features]
    if not features:
        missing = " or ".join(axis.missing_inputs(inputs))
        return _unavailable(axis, f"no {missing} in the input", before)
    rules = tuple(rule for rule in axis.eligibility if inputs.issuperset(rule.needs))
    eligible = eligible_rows(columns, rules)
    if not eligible.any():
        return _unavailable(axis, f"everybody is {rules[0].state}", before, rules)
    own = {name: values[eligible] for name, values in columns.items()}
    own_weights = weights[eligible]
    scales, dropped = fit_scales(own, own_weights, features)
    if not scales:
        return _unavailable(axis, "no feature varies", before, rules, dropped)
    axis_seed = zlib.crc32(f"{seed}:{axis.name}".encode())
    points = scale_matrix(own, scales)
    previous = _previous_partition(before.previous, own)
    bounds = (axis.min_segments, previous, axis.n_segments)
    chosen = choose_partition(points, own_weights, settings, axis_seed, *bounds, clusterer)
    model = AxisModel(
        name=axis.name,
        group=axis.group,
        verdict=chosen.verdict,
        reason=chosen.reason,
        silhouette=chosen.silhouette,
        eligibility=rules,
        scales=scales,
        segments=(),
        default_state=NO_STRUCTURE,
        next_segment_id=before.next_id(),
    )
    found = Discovery(model, chosen.candidates, dropped, chosen.choice)
    if chosen.partition is None:
        events = find_events(before.previous, (), None) if before.previous else ()
        return replace(found, events=events)
    partition, agreement = chosen.partition, None
    if before.population:
        refitted, agreement = refit(
            before.population, rules, features, scales, partition, settings, axis_seed
        )
        partition = refitted if settings.refine else partition
    evidence = SegmentEvidence(own, own_weights, partition.assign(points), partition.n_segments)
    named = replace(found, agreement=agreement, scatter=draw_scatter(evidence, scales))
    return _with_segments(
        named, partition, evidence, axis.live_prototypes(inputs), before, previous
    )


def _previous_partition(
    previous: AxisModel | None, columns: Mapping[str, Floats]
) -> PreviousPartition | None:
    """The previous run's segments on today's figures; None where one of their measures is gone."""
    if previous is None or not previous.segments:
        return None
    needed = measures_of([previous])
    if any(name not in columns or np.isnan(columns[name]).all() for name in needed):
        return None
    return PreviousPartition(len(previous.segments), label_by(previous, columns))


def _unavailable(
    axis: Axis,
    reason: str,
    before: PriorRun,
    rules: tuple[Eligibility, ...] = (),
    dropped: tuple[str, ...] = (),
) -> Discovery:
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
    )
    events = find_events(before.previous, (), None) if before.previous else ()
    return Discovery(model, (), dropped, events=events)


def _with_segments(
    found: Discovery,
    partition: Partition,
    evidence: SegmentEvidence,
    prototypes: Sequence[Prototype],
    before: PriorRun,
    previous_partition: PreviousPartition | None,
) -> Discovery:
    """With segments of permanent ids; those that go on keep their names while these are true."""
    scales, previous, positions = found.model.scales, before.previous, partition.positions
    overlap, heirs = None, dict[int, Segment]()
    if previous and previous_partition:
        overlap = find_overlap(
            evidence.labels,
            len(positions),
            previous_partition.labels,
            previous_partition.n_segments,
            evidence.weights,
        )
        is_true = np.array(
            [
                [_is_true(old, i, evidence) for old in previous.segments]
                for i in range(len(positions))
            ]
        )
        heirs = match_segments(previous, scales, positions, overlap, is_true)
    kept = {
        index: SegmentName(segment.name, segment.meaning, segment.claims)
        for index, segment in heirs.items()
        if _is_true(segment, index, evidence)
    }
    names = name_segments(prototypes, scales, positions, evidence, kept)
    ids = _permanent_ids(names, heirs, before)
    segments = _segments(scales, positions, evidence, names, ids)
    model = replace(
        found.model,
        segments=segments,
        partition=partition,
        next_segment_id=before.next_id(segments),
    )
    events = find_events(previous, segments, overlap) if previous else ()
    return replace(found, model=model, events=events)


def _permanent_ids(
    names: Sequence[SegmentName], heirs: Mapping[int, Segment], before: PriorRun
) -> list[int]:
    """A name has one id: a segment that is given an old one's name is that one.

    Else it has the id of the segment that it continues, while nobody took that; else the id that
    its name had in an earlier run, likewise; else a new one.
    """
    old = before.previous.segments if before.previous else ()
    by_name = {segment.name: segment.segment_id for segment in old}
    ids = [by_name.get(named.name, 0) for named in names]
    heir_ids = {index: segment.segment_id for index, segment in heirs.items()}
    known = before.known_ids
    earlier = {i: known[named.name] for i, named in enumerate(names) if named.name in known}
    for offered in (heir_ids, earlier):
        for index, segment_id in sorted(offered.items()):
            if not ids[index] and segment_id not in ids:
                ids[index] = segment_id
    new_ids = count(before.next_id())
    return [segment_id or next(new_ids) for segment_id in ids]


def _is_true(old: Segment, index: int, evidence: SegmentEvidence) -> bool:
    """Whether what the old name says holds of the new segment."""
    return all(claim_holds(claim, index, evidence) for claim in old.claims)


def _segments(
    scales: tuple[FeatureScale, ...],
    positions: Floats,
    evidence: SegmentEvidence,
    names: Sequence[SegmentName],
    ids: Sequence[int],
) -> tuple[Segment, ...]:
    k = evidence.n_segments
    shares = np.bincount(evidence.labels, evidence.weights, minlength=k) / evidence.weights.sum()
    medians = {scale.measure: evidence.medians(scale.measure) for scale in scales}
    return tuple(
        Segment(
            segment_id=ids[index],
            name=names[index].name,
            meaning=names[index].meaning,
            claims=names[index].claims,
            description=describe_segment(
                names[index].meaning,
                describe_figures(index, position, scales, evidence, names[index].claims),
            ),
            medians={m: float(v[index]) for m, v in medians.items() if not np.isnan(v[index])},
            sample_share=float(shares[index]),
        )
        for index, position in enumerate(positions)
    )
