"""Points for the report: some of the sample on the two features that separate segments best."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from segpipe.core.arrays import Floats, Indices
from segpipe.core.report import AxisScatter
from segpipe.discovery.naming import SegmentEvidence
from segpipe.model.preprocessing import FeatureScale, scale_matrix

_N_POINTS = 400


def draw_scatter(evidence: SegmentEvidence, scales: Sequence[FeatureScale]) -> AxisScatter:
    """At most 400 customers, each as likely as in the population, on the measures' own units."""
    evidence = _in_segments(evidence, scales)
    best = _most_separating_pair(evidence, scales)
    rows = _systematic_rows(evidence.weights)
    shown = [_filled(evidence, scales[index])[rows] for index in best]
    x, y = (shown[0], shown[1]) if len(shown) > 1 else (shown[0], np.zeros(len(rows)))
    points = tuple(
        (float(a), float(b), int(label))
        for a, b, label in zip(x, y, evidence.labels[rows], strict=True)
    )
    second = scales[best[1]].measure if len(best) > 1 else None
    return AxisScatter(scales[best[0]].measure, second, points)


def _in_segments(evidence: SegmentEvidence, scales: Sequence[FeatureScale]) -> SegmentEvidence:
    """The customers for whom some rule holds; the others are in a state."""
    mine = evidence.labels >= 0
    columns = {scale.measure: evidence.columns[scale.measure][mine] for scale in scales}
    weights, labels = evidence.weights[mine], evidence.labels[mine]
    return SegmentEvidence(columns, weights, labels, evidence.n_segments)


def _most_separating_pair(
    evidence: SegmentEvidence, scales: Sequence[FeatureScale]
) -> tuple[int, ...]:
    """The two features on which the two nearest segments are farthest apart; the one there is."""
    if len(scales) == 1:
        return (0,)
    values = scale_matrix(evidence.columns, scales)
    k = evidence.n_segments
    totals = np.bincount(evidence.labels, evidence.weights, minlength=k)
    sums = [np.bincount(evidence.labels, evidence.weights * v, minlength=k) for v in values.T]
    means = (np.array(sums) / np.maximum(totals, np.finfo(float).tiny)).T[totals > 0]
    near, far = np.triu_indices(len(means), 1)
    squares = np.square(means[near] - means[far])  # (pairs of segments, features)
    pairs = combinations(range(len(scales)), 2)
    # Their nearest two first, then all of them, for several pairs may leave the nearest alike.
    return max(
        pairs,
        key=lambda p: (
            round(squares[:, p].sum(axis=1).min(initial=np.inf), 9),
            round(squares[:, p].sum(), 9),
        ),
    )


def _systematic_rows(weights: Floats) -> Indices:
    """Rows at even steps through the cumulated weights, each at most once."""
    if len(weights) <= _N_POINTS:
        return np.arange(len(weights))
    ends = np.cumsum(weights)
    steps = (np.arange(_N_POINTS) + 0.5) * ends[-1] / _N_POINTS
    return np.unique(np.searchsorted(ends, steps))


def _filled(evidence: SegmentEvidence, scale: FeatureScale) -> Floats:
    values = evidence.columns[scale.measure]
    return np.where(np.isnan(values), scale.fill, values)
