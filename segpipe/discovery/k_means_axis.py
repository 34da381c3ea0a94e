"""K-means segments as the published ones: of `--method kmeans`, and of axes without own names.

Takes the trial of an axis and the previous segments; gives a division whose segments keep their
names while these are true. A segment that no prototype fits is named by its strongest deviations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segpipe.axes import Claim, Condition, Prototype
from segpipe.axes.record import Side
from segpipe.clustering.base import Partition
from segpipe.clustering.valley import is_separate
from segpipe.core.arrays import Floats
from segpipe.core.report import SegmentEvent
from segpipe.core.settings import ClusterSettings
from segpipe.core.verdicts import GROUPS, K_MEANS
from segpipe.discovery.divide import AxisCustomers, Division
from segpipe.discovery.identity import find_events, find_overlap, label_by, match_segments
from segpipe.discovery.naming import (
    SegmentEvidence,
    SegmentName,
    claim_holds,
    describe_figures,
    describe_segment,
    name_segments,
)
from segpipe.discovery.segments import PriorRun, evidence_shares, permanent_ids
from segpipe.model.derived import derive, inputs_of
from segpipe.model.document import AxisModel, Segment, measures_of
from segpipe.model.preprocessing import FeatureScale


@dataclass(frozen=True)
class KMeansSegments:
    """Segments with ids and names, in the order of the partition."""

    segments: tuple[Segment, ...]
    events: tuple[SegmentEvent, ...]


def divide_by_k_means(
    customers: AxisCustomers, settings: ClusterSettings, seed: int
) -> Division | str:
    """K-means with K by silhouette, refitted on everybody; else why there is none."""
    trial = customers.trial
    if trial.chosen is None:
        return "all customers are alike"
    partition, reason = trial.chosen.partition, trial.chosen.choice
    silhouette = trial.chosen.silhouette
    if partition is None and trial.chosen.fits:
        pairs = zip(trial.chosen.fits, trial.chosen.candidates, strict=True)
        partition, best = max(pairs, key=lambda pair: round(pair[1].silhouette, 4))
        silhouette = best.silhouette
    if partition is None:
        return reason or "too few customers"
    partition, agreement = customers.refitted(partition, trial.scales, settings, seed)
    valley = trial.valley_of(partition.n_segments)
    is_grouped = valley is not None and is_separate(valley)
    return Division(
        GROUPS if is_grouped else K_MEANS,
        (),
        silhouette,
        reason,
        partition=partition,
        scales=trial.scales[: partition.positions.shape[1]],
        agreement=agreement,
    )


def name_k_means(
    partition: Partition,
    scales: tuple[FeatureScale, ...],
    prototypes: Sequence[Prototype],
    evidence: SegmentEvidence,
    before: PriorRun,
) -> KMeansSegments:
    """Segments of permanent ids; those that go on keep their names while these are true."""
    previous, positions = before.previous, partition.positions
    overlap, heirs = None, dict[int, Segment]()
    old_labels = _previous_labels(previous, evidence.columns)
    if previous and old_labels is not None:
        overlap = find_overlap(
            evidence.labels, len(positions), old_labels, len(previous.segments), evidence.weights
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
    ids = permanent_ids([named.name for named in names], before, heirs)
    segments = _segments(scales, positions, evidence, names, ids)
    events = find_events(previous, segments, overlap) if previous else ()
    return KMeansSegments(segments, events)


def _previous_labels(
    previous: AxisModel | None, columns: Mapping[str, Floats]
) -> np.typing.NDArray[np.intp] | None:
    """Segments by the previous axis; None where one of its measures is gone."""
    if previous is None or not previous.segments:
        return None
    names = measures_of([previous])
    raw = inputs_of(names)
    if any(name not in columns or np.isnan(columns[name]).all() for name in raw):
        return None
    return label_by(previous, {**columns, **derive(columns, names, previous.priors)})


def _is_true(old: Segment, index: int, evidence: SegmentEvidence) -> bool:
    """Whether what the old name says holds of the new segment."""
    return all(
        claim.measure in evidence.columns and claim_holds(claim, index, evidence)
        for claim in old.claims
    )


def _segments(
    scales: tuple[FeatureScale, ...],
    positions: Floats,
    evidence: SegmentEvidence,
    names: Sequence[SegmentName],
    ids: Sequence[int],
) -> tuple[Segment, ...]:
    shares = evidence_shares(evidence)
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
            holds=tuple(_condition(claim, evidence) for claim in names[index].claims),
        )
        for index, position in enumerate(positions)
    )


def _condition(claim: Claim, evidence: SegmentEvidence) -> Condition:
    """What a claim about a segment's median says of one customer."""
    bound = claim.value
    if bound is None:
        quantile = 0.5 if claim.quantile is None else claim.quantile
        bound = evidence.quantile(claim.measure, quantile)
        side: Side = "at_least" if claim.side == "above" else "at_most"
        return Condition(claim.measure, side, 0.0 if np.isnan(bound) else bound)
    return Condition(claim.measure, claim.side, bound)
