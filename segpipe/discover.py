"""Discovery: the weighted sample → one AxisModel an axis.

Takes the sample, the axes and the inputs that are there; gives the models with the candidates
that were tried. Axes are independent and run side by side, each on one thread.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.axes import Axis, Eligibility
from segpipe.cluster import Partition, choose_partition
from segpipe.config import ClusterSettings
from segpipe.model import AxisModel, Segment
from segpipe.name import Evidence, SegmentName, figures, name_segments
from segpipe.nearest import nearest
from segpipe.report import CandidateInfo
from segpipe.sample import Sample
from segpipe.scale import FeatureScale, fit_scales, scale_matrix

Floats = npt.NDArray[np.float64]
UNAVAILABLE = "unavailable"
NO_STRUCTURE = "no_structure"


@dataclass(frozen=True)
class Discovery:
    """One axis's model, and what the report tells of how it came about."""

    model: AxisModel
    candidates: tuple[CandidateInfo, ...] = ()
    dropped_features: tuple[str, ...] = ()


def discover(
    sample: Sample,
    axes: Sequence[Axis],
    inputs: frozenset[str],
    settings: ClusterSettings,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Discovery]:
    """Discover every axis, in the order given."""
    columns = {
        name: column.to_numpy().astype(np.float64)
        for name, column in zip(
            sample.customers.column_names, sample.customers.columns, strict=True
        )
        if name != "customer_id"
    }

    def one(axis: Axis) -> Discovery:
        found = discover_axis(axis, columns, sample.weights, inputs, settings, seed)
        progress(axis.name)
        return found

    with (
        threadpool_limits(1),
        ThreadPoolExecutor(os.cpu_count(), initializer=_limit_own_threads) as threads,
    ):
        return list(threads.map(one, axes))


def _limit_own_threads() -> None:
    """One thread a k-means: OpenMP's limit holds only for the thread that sets it."""
    threadpool_limits(1, user_api="openmp")


def discover_axis(
    axis: Axis,
    columns: Mapping[str, Floats],
    weights: Floats,
    inputs: frozenset[str],
    settings: ClusterSettings,
    seed: int,
) -> Discovery:
    """Discover one axis on the customers who are eligible for it."""
    features = axis.live_features(inputs)
    if not features:
        missing = " or ".join(axis.missing_inputs(inputs))
        return _unavailable(axis, f"no {missing} in the input")
    rules = tuple(rule for rule in axis.eligibility if inputs.issuperset(rule.needs))
    eligible = eligible_rows(columns, rules)
    if not eligible.any():
        return _unavailable(axis, f"everybody is {rules[0].state}", rules)
    own = {name: values[eligible] for name, values in columns.items()}
    own_weights = weights[eligible]
    scales, dropped = fit_scales(own, own_weights, features)
    if not scales:
        return _unavailable(axis, "no feature varies", rules, dropped)
    points = scale_matrix(own, scales)
    axis_seed = zlib.crc32(f"{seed}:{axis.name}".encode())
    partition = choose_partition(points, own_weights, settings, axis_seed, axis.min_segments)
    segments = _segments(axis, inputs, scales, points, own, own_weights, partition)
    model = AxisModel(
        name=axis.name,
        group=axis.group,
        verdict=partition.verdict,
        reason=partition.reason,
        silhouette=partition.silhouette,
        eligibility=rules,
        scales=scales,
        segments=segments,
        default_state=NO_STRUCTURE,
        next_segment_id=len(segments) + 1,
    )
    return Discovery(model, partition.candidates, dropped)


def eligible_rows(
    columns: Mapping[str, Floats], rules: Sequence[Eligibility]
) -> npt.NDArray[np.bool_]:
    """True for customers whom every rule admits; shape (n,)."""
    n_rows = len(next(iter(columns.values())))
    eligible = np.ones(n_rows, dtype=np.bool_)
    for rule in rules:
        eligible &= columns[rule.measure] >= rule.at_least  # missing admits nobody
    return eligible


def _unavailable(
    axis: Axis,
    reason: str,
    rules: tuple[Eligibility, ...] = (),
    dropped: tuple[str, ...] = (),
) -> Discovery:
    model = AxisModel(axis.name, axis.group, UNAVAILABLE, reason, None, rules, (), (), UNAVAILABLE)
    return Discovery(model, (), dropped)


def _described(named: SegmentName, told: str) -> str:
    return f"{named.meaning}: {told}" if named.meaning else told


def _segments(
    axis: Axis,
    inputs: frozenset[str],
    scales: tuple[FeatureScale, ...],
    points: Floats,
    columns: Mapping[str, Floats],
    weights: Floats,
    partition: Partition,
) -> tuple[Segment, ...]:
    if partition.centroids is None:
        return ()
    k = len(partition.centroids)
    labels = nearest(points, partition.centroids)
    evidence = Evidence(columns, weights, labels, k)
    names = name_segments(axis.live_prototypes(inputs), scales, partition.centroids, evidence)
    shares = np.bincount(labels, weights=weights, minlength=k) / weights.sum()
    medians = {scale.measure: evidence.medians(scale.measure) for scale in scales}
    return tuple(
        Segment(
            segment_id=index + 1,
            name=names[index].name,
            meaning=names[index].meaning,
            claims=names[index].claims,
            description=_described(names[index], figures(index, centroid, scales, evidence)),
            centroid=tuple(float(value) for value in centroid),
            medians={m: float(v[index]) for m, v in medians.items() if not np.isnan(v[index])},
            sample_share=float(shares[index]),
        )
        for index, centroid in enumerate(partition.centroids)
    )
