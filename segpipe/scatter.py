"""Points for the report: some customers of the sample on the two features that tell most apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segpipe.name import Evidence
from segpipe.report import AxisScatter
from segpipe.scale import FeatureScale, scale_matrix

Floats = npt.NDArray[np.float64]
_N_POINTS = 400


def draw_scatter(evidence: Evidence, scales: Sequence[FeatureScale]) -> AxisScatter:
    """At most 400 customers, each as likely as in the population, on the measures' own units."""
    best = _telling_features(evidence, scales)[:2]
    rows = _systematic_rows(evidence.weights)
    shown = [_filled(evidence, scales[index])[rows] for index in best]
    x, y = (shown[0], shown[1]) if len(shown) > 1 else (shown[0], np.zeros(len(rows)))
    points = tuple(
        (float(a), float(b), int(label))
        for a, b, label in zip(x, y, evidence.labels[rows], strict=True)
    )
    second = scales[best[1]].measure if len(best) > 1 else None
    return AxisScatter(scales[best[0]].measure, second, points)


def _telling_features(evidence: Evidence, scales: Sequence[FeatureScale]) -> list[int]:
    """Features by the share of their variance that lies between the segments, largest first."""
    values = scale_matrix(evidence.columns, scales)
    weights, labels, k = evidence.weights, evidence.labels, evidence.n_segments
    totals = np.bincount(labels, weights, minlength=k)
    between = []
    for column in values.T:
        mean = np.average(column, weights=weights)
        sums = np.bincount(labels, weights * column, minlength=k)
        means = np.divide(sums, totals, out=np.full(k, mean), where=totals > 0)
        spread = np.average((column - mean) ** 2, weights=weights)
        between.append(float(totals @ (means - mean) ** 2 / totals.sum() / spread))
    return [int(index) for index in np.argsort(-np.array(between), kind="stable")]


def _systematic_rows(weights: Floats) -> npt.NDArray[np.intp]:
    """Rows at even steps through the cumulated weights, each at most once."""
    if len(weights) <= _N_POINTS:
        return np.arange(len(weights))
    ends = np.cumsum(weights)
    steps = (np.arange(_N_POINTS) + 0.5) * ends[-1] / _N_POINTS
    return np.unique(np.searchsorted(ends, steps))


def _filled(evidence: Evidence, scale: FeatureScale) -> Floats:
    values = evidence.columns[scale.measure]
    return np.where(np.isnan(values), scale.fill, values)
