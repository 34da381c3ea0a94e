"""Names that hold: prototypes matched to centroids, one to one.

Takes an axis's prototypes, its segments' places and its customers' measures; gives a name and a
description a segment. A prototype whose claims fail is out; a segment that none fits is named by
its two strongest deviations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from segpipe.axes import MEASURES, Claim, Feature, Measure, Prototype
from segpipe.scale import FeatureScale, fit_scales, scale_matrix, weighted_quantile

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
_FAR = 2.0  # deviations beyond this are as good as this
_FORBIDDEN = 1e6


@dataclass(frozen=True)
class SegmentName:
    """What a segment is called and why."""

    name: str
    description: str


@dataclass(frozen=True)
class Evidence:
    """The eligible customers of one axis: raw measures, weights, labels 0..k-1; each (n,)."""

    columns: Mapping[str, Floats]
    weights: Floats
    labels: Labels
    n_segments: int

    def medians(self, measure: str) -> Floats:
        """Weighted median of the measure in each segment, NaN where nobody has it; shape (k,)."""
        values = self.columns[measure]
        known = ~np.isnan(values)
        medians = np.full(self.n_segments, np.nan)
        for segment in range(self.n_segments):
            mine = known & (self.labels == segment)
            if mine.any():
                medians[segment] = weighted_quantile(values[mine], self.weights[mine], 0.5)
        return medians

    def quantile(self, measure: str, share: float) -> float:
        """Weighted quantile of the measure over all eligible customers; NaN where nobody has it."""
        values = self.columns[measure]
        known = ~np.isnan(values)
        if not known.any():
            return float("nan")
        return weighted_quantile(values[known], self.weights[known], share)

    def places(self, measure: str) -> Floats:
        """Mean of the standardised measure in each segment, 0 where it is constant; shape (k,)."""
        scales, _ = fit_scales(self.columns, self.weights, (Feature(measure),))
        if not scales:
            return np.zeros(self.n_segments)
        values = scale_matrix(self.columns, scales)[:, 0]
        totals = np.bincount(self.labels, weights=self.weights, minlength=self.n_segments)
        sums = np.bincount(self.labels, self.weights * values, minlength=self.n_segments)
        places: Floats = sums / totals
        return places


def name_segments(
    prototypes: Sequence[Prototype],
    scales: Sequence[FeatureScale],
    centroids: Floats,
    evidence: Evidence,
) -> list[SegmentName]:
    """A unique name a centroid (k, d); centroids are standardised in the order of `scales`."""
    matched = _match(prototypes, scales, centroids, evidence)
    taken = {prototype.name for prototype in matched.values()}
    named = []
    for segment, centroid in enumerate(centroids):
        prototype = matched.get(segment)
        name = prototype.name if prototype else _composed(centroid, scales, taken)
        taken.add(name)
        told = f"{prototype.description}: " if prototype else ""
        named.append(SegmentName(name, told + _figures(segment, centroid, scales, evidence)))
    return named


def holds(claim: Claim, segment: int, evidence: Evidence) -> bool:
    """Whether the segment's median lies strictly on the claimed side of the bound."""
    bound = claim.value
    if bound is None:
        bound = evidence.quantile(claim.measure, 0.5 if claim.quantile is None else claim.quantile)
    median = evidence.medians(claim.measure)[segment]
    return bool(median > bound if claim.side == "above" else median < bound)


def _match(
    prototypes: Sequence[Prototype],
    scales: Sequence[FeatureScale],
    centroids: Floats,
    evidence: Evidence,
) -> dict[int, Prototype]:
    """Segment → prototype, as many as claims allow, at the least total distance."""
    if not prototypes:
        return {}
    places = _places(prototypes, scales, centroids, evidence)
    cost = np.full((len(centroids), len(prototypes)), _FORBIDDEN)
    for column, prototype in enumerate(prototypes):
        measures = [m for m in prototype.position if not np.isnan(places[m]).any()]
        for segment in range(len(centroids)):
            if all(holds(claim, segment, evidence) for claim in prototype.claims):
                gaps = [places[m][segment] - prototype.position[m] for m in measures]
                cost[segment, column] = float(np.sqrt(np.mean(np.square(gaps)))) if gaps else _FAR
    rows, columns = linear_sum_assignment(cost)
    return {
        int(segment): prototypes[column]
        for segment, column in zip(rows, columns, strict=True)
        if cost[segment, column] < _FORBIDDEN
    }


def _places(
    prototypes: Sequence[Prototype],
    scales: Sequence[FeatureScale],
    centroids: Floats,
    evidence: Evidence,
) -> dict[str, Floats]:
    """Each measure that a prototype speaks of → where the segments lie on it, in deviations."""
    features = {scale.measure: centroids[:, index] for index, scale in enumerate(scales)}
    spoken = dict.fromkeys(measure for p in prototypes for measure in p.position)
    places = {m: features[m] if m in features else evidence.places(m) for m in spoken}
    return {measure: np.clip(place, -_FAR, _FAR) for measure, place in places.items()}


def _composed(centroid: Floats, scales: Sequence[FeatureScale], taken: set[str]) -> str:
    """A name from the strongest deviations: two, or more until nobody else has it."""
    order = np.argsort(-np.abs(centroid), kind="stable")
    words = [f"{'high' if centroid[i] > 0 else 'low'}_{_word(scales[i].measure)}" for i in order]
    for count in range(min(2, len(words)), len(words) + 1):
        name = "_".join(words[:count])
        if name not in taken:
            return name
    number = next(n for n in range(2, len(taken) + 3) if f"{'_'.join(words)}_{n}" not in taken)
    return f"{'_'.join(words)}_{number}"


def _word(measure: str) -> str:
    """The measure without what only tells its unit: weekend_order_share is weekend."""
    bare = measure.removeprefix("n_")
    for ending in ("_order_share", "_line_share", "_amount_share", "_share", "_days"):
        bare = bare.removesuffix(ending)
    return bare


def _figures(
    segment: int, centroid: Floats, scales: Sequence[FeatureScale], evidence: Evidence
) -> str:
    """The two strongest deviations in the measures' own units, against all eligible customers."""
    order = np.argsort(-np.abs(centroid), kind="stable")[:2]
    told = []
    for index in order:
        measure = MEASURES[scales[index].measure]
        own = evidence.medians(measure.name)[segment]
        usual = evidence.quantile(measure.name, 0.5)
        told.append(f"{measure.label} {_told(own, measure)} (all: {_told(usual, measure)})")
    return ", ".join(told)


def _told(value: float, measure: Measure) -> str:
    """The figure in words of its unit."""
    if np.isnan(value):
        return "unknown"
    if measure.unit == "share":
        return f"{value:.0%}"
    if measure.unit == "log ratio":
        return f"{np.exp(value):.2f} times"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
