"""Scaling: measures → comparable numbers, with figures fitted on the weighted sample.

Takes columns of measures (NaN: missing) and weights; gives a FeatureScale a feature and matrices.
The same FeatureScale serves the sample, the batches and one customer in real time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segpipe.axes import Eligibility, Feature
from segpipe.core.arrays import Flags, Floats, Labels
from segpipe.model.rules import meets

WINSOR_TAIL = 0.01  # of the eligible population, at each end


@dataclass(frozen=True)
class FeatureScale:
    """How one measure becomes a standardised feature: fill, transform, clip, centre, divide."""

    measure: str
    transform: str
    fill: float  # weighted median of the measure, given to those where it is missing
    low: float  # bounds of the transformed measure
    high: float
    mean: float  # weighted, of the clipped measure
    deviation: float


def fit_scales(
    columns: Mapping[str, Floats], weights: Floats, features: Sequence[Feature]
) -> tuple[tuple[FeatureScale, ...], tuple[str, ...]]:
    """Scales of the features that vary, and the names of those that do not (or are all missing)."""
    scales, dropped = [], []
    for feature in features:
        scale = _fit(feature, columns[feature.measure], weights)
        if scale is None:
            dropped.append(feature.measure)
        else:
            scales.append(scale)
    return tuple(scales), tuple(dropped)


def scale_matrix(columns: Mapping[str, Floats], scales: Sequence[FeatureScale]) -> Floats:
    """Standardised features, shape (n_customers, n_features); no NaN."""
    raw = np.array([columns[scale.measure] for scale in scales], dtype=np.float64)
    return np.ascontiguousarray(Scaling.of(scales).apply(raw).T)


@dataclass(frozen=True)
class Scaling:
    """Several FeatureScales as arrays of shape (n_features, 1), so that all are applied at once."""

    fill: Floats
    low: Floats
    high: Floats
    mean: Floats
    deviation: Floats
    transforms: tuple[tuple[str, list[int]], ...]  # and the features that have them

    @classmethod
    def of(cls, scales: Sequence[FeatureScale]) -> Scaling:
        """Of these, in their order; there may be none."""
        figures = [(s.fill, s.low, s.high, s.mean, s.deviation) for s in scales]
        transforms = {
            name: [index for index, scale in enumerate(scales) if scale.transform == name]
            for name in dict.fromkeys(scale.transform for scale in scales)
        }
        fill, low, high, mean, deviation = np.array(figures).reshape(-1, 5).T[..., None]
        return cls(fill, low, high, mean, deviation, tuple(transforms.items()))

    def apply(self, raw: Floats) -> Floats:
        """Standardised features, shape (n_features, n_customers), in place of the measures."""
        np.copyto(raw, self.fill, where=np.isnan(raw))
        for name, features in self.transforms:
            if name != "identity":
                raw[features] = transformed(raw[features], name)
        # In place, for there may be millions; of one customer np.clip costs ten times as much.
        np.minimum(np.maximum(raw, self.low, out=raw), self.high, out=raw)
        np.subtract(raw, self.mean, out=raw)
        return np.divide(raw, self.deviation, out=raw)


def transformed(values: Floats, transform: str) -> Floats:
    """Values on the scale that the feature asks for; `log` is log(1 + x) of x >= 0."""
    if transform == "identity":
        return values
    if transform == "log":
        return np.log1p(np.maximum(values, 0.0))
    return np.sign(values) * np.log1p(np.abs(values))


def weighted_quantile(values: Floats, weights: Floats, share: float) -> float:
    """The smallest value at which the cumulative weight reaches `share` of the whole."""
    return weighted_quantiles(values, weights, (share,))[0]


def weighted_quantiles(values: Floats, weights: Floats, shares: Sequence[float]) -> list[float]:
    """`weighted_quantile` for each of several shares."""
    order = np.argsort(values)
    cumulative = weights[order].cumsum()
    reached = np.searchsorted(cumulative / cumulative[-1], shares)
    return [float(values[order[place]]) for place in reached.clip(max=len(order) - 1)]


def _fit(feature: Feature, raw: Floats, weights: Floats) -> FeatureScale | None:
    known = ~np.isnan(raw)
    if not known.any():
        return None
    fill = weighted_quantile(raw[known], weights[known], 0.5)
    values = transformed(np.where(known, raw, fill), feature.transform)
    low, high = weighted_quantiles(values, weights, (WINSOR_TAIL, 1 - WINSOR_TAIL))
    # Summed by value: in another order of the customers the last bit would be another one.
    order = np.lexsort((weights, values))
    clipped, weights = np.clip(values[order], low, high), weights[order]
    mean = float(np.average(clipped, weights=weights))
    deviation = float(np.sqrt(np.average((clipped - mean) ** 2, weights=weights)))
    if deviation <= 1e-9 * max(1.0, abs(mean)):
        return None
    return FeatureScale(feature.measure, feature.transform, fill, low, high, mean, deviation)


def eligible_rows(columns: Mapping[str, Floats], rules: Sequence[Eligibility]) -> Flags:
    """True for customers whom every rule admits; shape (n,)."""
    n_rows = len(next(iter(columns.values())))
    return failed_rules(columns, rules, n_rows) < 0


def failed_rules(
    columns: Mapping[str, Floats], rules: Sequence[Eligibility], n_rows: int
) -> Labels:
    """Index of the first rule that excludes each customer, -1 for the eligible; shape (n_rows,)."""
    failed = np.full(n_rows, -1, dtype=np.intp)
    for index, rule in reversed(list(enumerate(rules))):
        is_short = ~(columns[rule.measure] >= rule.at_least)  # missing: excluded
        failed[is_short & meets(rule.only, columns, n_rows)] = index
    return failed
