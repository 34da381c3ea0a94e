"""Names that hold: prototypes matched to positions, one to one.

Takes an axis's prototypes, its segments' places and its customers' measures; gives a name and a
description a segment. A prototype whose claims fail is out; a segment that none fits is named by
its two strongest deviations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np

from segpipe.axes import MEASURES, Claim, Feature, Measure, Prototype
from segpipe.axes.figures import describe_value, format_value
from segpipe.clustering.assignment_problem import min_cost_assignment
from segpipe.core.arrays import Floats, Labels
from segpipe.model.preprocessing import FeatureScale, fit_scales, scale_matrix, weighted_quantile

_FAR = 2.0  # deviations beyond this are as good as this
_FORBIDDEN = 1e6
_SAME = "like the shop median"


@dataclass(frozen=True)
class SegmentName:
    """What a segment is called and why."""

    name: str
    meaning: str  # in words; empty where the name is composed
    claims: tuple[Claim, ...]  # what the name says, true of the segment


@dataclass(frozen=True)
class SegmentEvidence:
    """The eligible customers of one axis: raw measures, weights, labels 0..k-1; each (n,)."""

    columns: Mapping[str, Floats]
    weights: Floats
    labels: Labels
    n_segments: int
    _medians: dict[str, Floats] = field(default_factory=dict, repr=False, compare=False)
    _quantiles: dict[tuple[str, float], float] = field(
        default_factory=dict, repr=False, compare=False
    )

    def medians(self, measure: str) -> Floats:
        """Weighted median of the measure in each segment, NaN where nobody has it; shape (k,)."""
        if measure not in self._medians:
            self._medians[measure] = self._find_medians(measure)
        return self._medians[measure]

    def _find_medians(self, measure: str) -> Floats:
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
        if (measure, share) not in self._quantiles:
            self._quantiles[measure, share] = self._find_quantile(measure, share)
        return self._quantiles[measure, share]

    def _find_quantile(self, measure: str, share: float) -> float:
        values = self.columns[measure]
        known = ~np.isnan(values)
        if not known.any():
            return float("nan")
        return weighted_quantile(values[known], self.weights[known], share)

    def rank(self, measure: str, value: float) -> float:
        """Weighted share of eligible customers below the value, and half of those at it.

        NaN, which is on no side of any bound, where the value is missing or nobody differs.
        """
        values = self.columns[measure]
        known = ~np.isnan(values)
        mine, weights = values[known], self.weights[known]
        if np.isnan(value) or (mine == value).all():
            return float("nan")
        below = weights[mine < value].sum() + weights[mine == value].sum() / 2
        return float(below / weights.sum())

    def places(self, measure: str) -> Floats:
        """Mean of the standardised measure in each segment, 0 where it is constant; shape (k,)."""
        scales, _ = fit_scales(self.columns, self.weights, (Feature(measure),))
        if not scales:
            return np.zeros(self.n_segments)
        values = scale_matrix(self.columns, scales)[:, 0]
        totals = np.bincount(self.labels, weights=self.weights, minlength=self.n_segments)
        sums = np.bincount(self.labels, self.weights * values, minlength=self.n_segments)
        return np.divide(sums, totals, out=np.zeros(self.n_segments), where=totals > 0)


def name_segments(
    prototypes: Sequence[Prototype],
    scales: Sequence[FeatureScale],
    positions: Floats,
    evidence: SegmentEvidence,
    kept: Mapping[int, SegmentName] | None = None,
) -> list[SegmentName]:
    """A unique name a position (k, d); positions are standardised in the order of `scales`.

    `kept` has the names that segments bring from an earlier run; they are not given again.
    """
    kept = kept or {}
    taken = {name.name for name in kept.values()}
    free = [prototype for prototype in prototypes if prototype.name not in taken]
    matched = _match(free, scales, positions, evidence, frozenset(kept))
    taken |= {prototype.name for prototype in matched.values()}
    named = []
    for segment, position in enumerate(positions):
        prototype = matched.get(segment)
        if segment in kept:
            named.append(kept[segment])
            continue
        if prototype:
            name, claims, meaning = prototype.name, prototype.claims, prototype.description
        else:
            name, claims = _composed(segment, position, scales, evidence, taken)
            meaning = ""
        taken.add(name)
        named.append(SegmentName(name, meaning, claims))
    return named


def claim_holds(claim: Claim, segment: int, evidence: SegmentEvidence) -> bool:
    """Whether the segment's median lies on the claimed side of the bound.

    Against a quantile it is the median's middle rank that counts, so that a value which many
    share does not hide the segment that has it.
    """
    median = float(evidence.medians(claim.measure)[segment])
    if claim.value is not None:
        place, bound = median, claim.value
    else:
        place = evidence.rank(claim.measure, median)
        bound = 0.5 if claim.quantile is None else claim.quantile
    return place > bound if claim.side == "above" else place < bound


def _match(
    prototypes: Sequence[Prototype],
    scales: Sequence[FeatureScale],
    positions: Floats,
    evidence: SegmentEvidence,
    kept: frozenset[int],
) -> dict[int, Prototype]:
    """Segment → prototype, as many as claims allow, at the least total distance; kept ones none."""
    if not prototypes:
        return {}
    places = _places(prototypes, scales, positions, evidence)
    cost = np.full((len(positions), len(prototypes)), _FORBIDDEN)
    for column, prototype in enumerate(prototypes):
        measures = [m for m in prototype.position if not np.isnan(places[m]).any()]
        for segment in range(len(positions)):
            if segment in kept:
                continue
            if all(claim_holds(claim, segment, evidence) for claim in prototype.claims):
                gaps = [places[m][segment] - prototype.position[m] for m in measures]
                # Squared: a convex cost keeps the names of a ladder in the ladder's order.
                cost[segment, column] = float(np.mean(np.square(gaps))) if gaps else _FAR
    return {
        segment: prototypes[column]
        for segment, column in min_cost_assignment(cost)
        if cost[segment, column] < _FORBIDDEN
    }


def _places(
    prototypes: Sequence[Prototype],
    scales: Sequence[FeatureScale],
    positions: Floats,
    evidence: SegmentEvidence,
) -> dict[str, Floats]:
    """Each measure in a prototype's position → where the segments lie on it, in deviations."""
    features = {scale.measure: positions[:, index] for index, scale in enumerate(scales)}
    spoken = dict.fromkeys(measure for p in prototypes for measure in p.position)
    places = {m: features[m] if m in features else evidence.places(m) for m in spoken}
    return {measure: np.clip(place, -_FAR, _FAR) for measure, place in places.items()}


def _composed(
    segment: int,
    position: Floats,
    scales: Sequence[FeatureScale],
    evidence: SegmentEvidence,
    taken: set[str],
) -> tuple[str, tuple[Claim, ...]]:
    """A name from the strongest deviations: two, or more until nobody else has it; its claims.

    Words stand in the order of the features, so that their strength does not change the name.
    """
    order = [int(index) for index in np.argsort(-np.abs(position), kind="stable")]
    true = [i for i in order if _is_true(segment, position[i], scales[i].measure, evidence)]
    order = true or order
    words = _words([scale.measure for scale in scales])
    parts = [
        f"{'high' if z > 0 else 'low'}_{word}" for z, word in zip(position, words, strict=True)
    ]
    for count in range(min(2, len(order)), len(order) + 1):
        name = "_".join(parts[index] for index in sorted(order[:count]))
        if name not in taken:
            break
    else:
        name = next(f"{name}_{n}" for n in range(2, len(taken) + 3) if f"{name}_{n}" not in taken)
    return name, tuple(
        Claim(scales[i].measure, "above" if position[i] > 0 else "below", quantile=0.5)
        for i in sorted(set(order[:count]) & set(true))
    )


def _is_true(segment: int, deviation: float, measure: str, evidence: SegmentEvidence) -> bool:
    """Whether the segment's median too lies on the side that its mean deviates to."""
    rank = evidence.rank(measure, float(evidence.medians(measure)[segment]))
    return rank > 0.5 if deviation > 0 else rank < 0.5


def _words(measures: Sequence[str]) -> list[str]:
    """The measures without the ending that only names their unit (weekend_order_share is weekend).

    Whole where two would be the same word.
    """
    bare = [_bare(measure) for measure in measures]
    return [
        word if bare.count(word) == 1 else measure
        for word, measure in zip(bare, measures, strict=True)
    ]


def _bare(measure: str) -> str:
    word = measure.removeprefix("expected_").removeprefix("n_")
    for ending in ("_order_share", "_line_share", "_amount_share", "_share", "_days"):
        word = word.removesuffix(ending)
    return word


def describe_figures(
    segment: int,
    position: Floats,
    scales: Sequence[FeatureScale],
    evidence: SegmentEvidence,
    claims: Sequence[Claim] = (),
) -> str:
    """Two figures of the segment's median customer against the shop's median.

    First what the name claims, then the most telling: what differs from the shop to the eye, and
    on the side that the position deviates to, by the strength of the deviation. Empty where nobody
    of the segment has any.
    """
    claimed = list(dict.fromkeys(claim.measure for claim in claims))[:1]
    deviations = {scale.measure: float(z) for scale, z in zip(scales, position, strict=True)}
    names = sorted(deviations, key=lambda name: -abs(deviations[name]))
    ranked: list[tuple[int, str]] = []
    for name in dict.fromkeys([*claimed, *names]):
        own = float(evidence.medians(name)[segment])
        usual = evidence.quantile(name, 0.5)
        if not (np.isnan(own) or np.isnan(usual)):
            phrase = compare_medians(MEASURES[name], own, usual)
            is_telling = name in claimed or (
                _SAME not in phrase and (own - usual) * deviations[name] > 0
            )
            ranked.append((0 if is_telling else 1, phrase))
    return join_phrases([phrase for _, phrase in sorted(ranked, key=itemgetter(0))[:2]])


def describe_segment(meaning: str, figures_text: str) -> str:
    """The description of a segment, a sentence: what its name means, then its figures."""
    if not figures_text:
        sentence = meaning or "no figure of these customers is known"
    elif meaning:
        sentence = f"{meaning}: the typical one {figures_text}"
    else:
        sentence = f"the typical customer {figures_text}"
    return f"{sentence[:1].upper()}{sentence[1:]}."


def join_phrases(phrases: Sequence[str]) -> str:
    """Phrases in one, the verb of the first said once; empty without any."""
    first, *more = phrases or [""]
    verb = first.split(" ", maxsplit=1)[0]
    return " and ".join([first, *(phrase.removeprefix(f"{verb} ") for phrase in more)])


def compare_medians(measure: Measure, own: float, usual: float) -> str:
    """What the median customer does, and the shop's median beside it."""
    shops = format_value(usual, measure)
    beside = _SAME if format_value(own, measure) == shops else f"shop median {shops}"
    return f"{describe_value(own, measure)} ({beside})"
