"""K-means on every axis in every run: what was tried, whatever is published.

Takes the eligible customers of one axis; gives scales, sorted points and the partition of each K,
with silhouette and valley.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from segpipe.axes import MEASURES, Feature
from segpipe.axes.record import transform_of
from segpipe.clustering.base import Clusterer, Partition
from segpipe.clustering.centroids import CentroidPartition
from segpipe.clustering.choose_k import ChosenPartition, by_value, choose_partition
from segpipe.clustering.valley import KS, SPLITS, Valleys, find_valleys
from segpipe.core.arrays import Floats
from segpipe.core.report import CandidateInfo
from segpipe.core.settings import ClusterSettings
from segpipe.model.document import AxisModel
from segpipe.model.preprocessing import FeatureScale, fit_scales, scale_matrix


@dataclass(frozen=True)
class Trial:
    """K-means on one axis; rows are sorted by value, so that no id decides anything."""

    columns: Mapping[str, Floats]  # measures of the eligible, sorted
    weights: Floats
    scales: tuple[FeatureScale, ...]
    points: Floats  # (n, d); none without a feature that varies
    chosen: ChosenPartition | None  # None without a feature that varies
    dropped: tuple[str, ...]  # features that are the same for everybody, or differ by chance
    valleys: Valleys | None = None  # None where they were not asked

    @property
    def candidates(self) -> tuple[CandidateInfo, ...]:
        """Every K that was tried, with its valley where there is one."""
        if self.chosen is None:
            return ()
        least = dict(zip(self.valleys.ks, self.valleys.least, strict=True)) if self.valleys else {}
        return tuple(replace(c, valley=least.get(c.n_clusters)) for c in self.chosen.candidates)

    def valley_of(self, k: int) -> float | None:
        """The valley of this many segments; None where it was not asked."""
        if self.valleys is None or k not in self.valleys.ks:
            return None
        return self.valleys.least[self.valleys.ks.index(k)]

    def fit_of(self, k: int) -> tuple[Partition, CandidateInfo] | None:
        """The partition into k segments with its figures; None where it was not tried."""
        if self.chosen is None:
            return None
        pairs = zip(self.chosen.fits, self.chosen.candidates, strict=True)
        return next((pair for pair in pairs if pair[1].n_clusters == k), None)


def try_k_means(
    features: Sequence[Feature],
    columns: Mapping[str, Floats],
    weights: Floats,
    settings: ClusterSettings,
    seed: int,
    clusterer: Clusterer,
    *,
    min_segments: int,
    n_segments: int | None,
    current: AxisModel | None,
) -> Trial:
    """K-means with K by silhouette on the eligible customers, columns and weights (n,)."""
    scales, dropped = fit_scales(columns, weights, features)
    if not scales:
        return Trial(columns, weights, (), np.zeros((len(weights), 0)), None, dropped)
    points = scale_matrix(columns, scales)
    order = by_value(points, weights)
    points, weights = np.ascontiguousarray(points[order]), weights[order]
    columns = {name: values[order] for name, values in columns.items()}
    chosen = choose_partition(
        points,
        weights,
        settings,
        seed,
        min_segments,
        n_segments,
        clusterer,
        _start(current, scales) if current else None,
    )
    return Trial(columns, weights, scales, points, chosen, dropped)


def with_valleys(
    trial: Trial, seed: int, also: int | None = None, *, is_decisive: bool = True
) -> Trial:
    """The trial with the valley of each K, and of `also`, that many segments.

    One split is enough where nothing but the report depends on it.
    """
    if trial.chosen is None:
        return trial
    ks = sorted({*KS, also}) if also and also > 1 else KS
    points = _spread_counts(trial, seed)
    n_splits = SPLITS if is_decisive else 1
    return replace(trial, valleys=find_valleys(points, trial.weights, seed, ks, n_splits))


def _spread_counts(trial: Trial, seed: int) -> Floats:
    """The points with every count n anywhere between n and n + 1, shape (n, d).

    Else there would be a valley between any two counts, and no customer between them.
    """
    counts = [s for s in trial.scales if MEASURES[s.measure].unit == "count"]
    if not counts:
        return trial.points
    draw = np.random.RandomState(seed)
    columns = dict(trial.columns)
    for scale in counts:
        values = columns[scale.measure]
        filled = np.where(np.isnan(values), scale.fill, values)
        columns[scale.measure] = filled + draw.uniform(0.0, 1.0, len(values))
    features = [Feature(s.measure, transform_of(s.transform)) for s in trial.scales]
    scales, _ = fit_scales(columns, trial.weights, features)
    return scale_matrix(columns, scales)


def _start(current: AxisModel, scales: Sequence[FeatureScale]) -> CentroidPartition | None:
    """The current centroids in the new standard deviations; None where the features differ."""
    if not isinstance(current.partition, CentroidPartition):
        return None
    before = {(scale.measure, scale.transform): i for i, scale in enumerate(current.scales)}
    if set(before) != {(scale.measure, scale.transform) for scale in scales}:
        return None
    columns = []
    for scale in scales:
        place = before[scale.measure, scale.transform]
        then = current.scales[place]
        raw = current.partition.positions[:, place] * then.deviation + then.mean
        columns.append((raw - scale.mean) / scale.deviation)
    return CentroidPartition.of(np.array(columns).T)
