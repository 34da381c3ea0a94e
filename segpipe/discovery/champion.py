"""Champion and challenger: whether the current segments of an axis stay, or are replaced and why.

Takes the current axis on today's sample, and what the trial of the axis found; gives a cause, or
none. Some causes must be found in two runs in a row: the first leaves the cause pending.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np

from segpipe.axes import Axis, Feature, Rule, Tier
from segpipe.clustering.centroids import CentroidPartition
from segpipe.clustering.silhouette import silhouette_scores
from segpipe.clustering.valley import is_separate
from segpipe.core import decisions
from segpipe.core.arrays import Flags, Floats, Labels
from segpipe.core.report import AgreementInfo
from segpipe.core.settings import ClusterSettings
from segpipe.core.text import percent
from segpipe.core.verdicts import GROUPS, K_MEANS, RULES, TIERS, UNAVAILABLE
from segpipe.discovery.groups import Groups, share_meeting
from segpipe.discovery.naming import SegmentEvidence, claim_holds
from segpipe.discovery.segments import evidence_shares, labels_of
from segpipe.discovery.trial import Trial
from segpipe.model.derived import derive, inputs_of
from segpipe.model.document import AxisModel, measures_of
from segpipe.model.preprocessing import eligible_rows, scale_matrix
from segpipe.model.priors import SCORES

_MAX_DRIFT = 0.25  # population stability index of tier shares, from which cuts are renewed
_DRIFT_FLOOR = 0.002  # share of an empty tier, so that the index is finite
_EMPTY_SHARE = 0.01
_STILL_HOLDS = 0.7  # share of a segment's customers who must meet a name that it has
_BETTER_BY = 0.05  # of silhouette
_BETTER_IN, _N_HALVES = 8, 10  # random halves
_FORCED = (  # causes that leave no current segments to stay with, or are the user's wish
    decisions.ASKED,
    decisions.EARLIER_VERSION,
    decisions.INPUTS,
    decisions.METHOD,
    decisions.DIFFER,
)
_WORDS = ("question", "description", "meaning")  # of a record; they change no segment


@dataclass(frozen=True)
class CurrentAxis:
    """The current axis on the customers of today's sample who are eligible for it."""

    model: AxisModel
    columns: Mapping[str, Floats]  # raw measures, and the axis's own by its priors; (n,)
    evidence: SegmentEvidence

    @property
    def shares(self) -> Floats:
        """Share of the eligible in each segment today, shape (k,)."""
        return evidence_shares(self.evidence)


@dataclass(frozen=True)
class Verdict:
    """What becomes of the current axis; no cause: it stays."""

    cause: str | None
    text: str = ""  # the figures, a clause
    pending: str | None = None


KEEP = Verdict(None)


def current_axis(
    model: AxisModel | None, columns: Mapping[str, Floats], weights: Floats
) -> CurrentAxis | None:
    """The current axis on the sample's raw columns (n,); None where it cannot be applied."""
    if model is None or not model.segments:
        return None
    conditions = [condition for segment in model.segments for condition in segment.holds]
    names = [*measures_of([model]), *(condition.measure for condition in conditions)]
    if any(name not in columns for name in inputs_of(names)):
        return None
    own = {**columns, **derive(columns, names, model.priors)}
    eligible = eligible_rows(own, model.eligibility)
    if not eligible.any():
        return None
    own = {name: values[eligible] for name, values in own.items()}
    labels = labels_of(model, own)
    evidence = SegmentEvidence(own, weights[eligible], labels, len(model.segments))
    return CurrentAxis(model, own, evidence)


def find_cause(
    axis: Axis,
    model: AxisModel,
    current: CurrentAxis | None,
    inputs: tuple[frozenset[str], frozenset[str]],
    settings: ClusterSettings,
    *,
    is_asked: bool,
) -> Verdict:
    """Causes that do not depend on what the trial found; `inputs` are the former and today's."""
    then, now = inputs
    checks: tuple[tuple[bool, Verdict], ...] = (
        (is_asked, Verdict(decisions.ASKED)),
        (not model.definition, Verdict(decisions.EARLIER_VERSION)),
        (
            _live(axis, then, model.verdict) != _live(axis, now, model.verdict),
            Verdict(decisions.INPUTS, _changed(axis, then, now)),
        ),
        (
            model.definition != definition_of(axis, settings.method, model.verdict),
            Verdict(decisions.METHOD),
        ),
        (model.verdict == UNAVAILABLE, Verdict(decisions.DIFFER)),
    )
    found = next((verdict for is_so, verdict in checks if is_so), None)
    if found is not None or current is None:
        return found or KEEP
    return _drift(current) if model.verdict in (TIERS, RULES) else _emptied(current)


def _changed(axis: Axis, then: frozenset[str], now: frozenset[str]) -> str:
    """Which inputs of the axis came and went."""
    parts: list[Feature | Tier | Rule] = [*axis.main, *axis.features, *axis.tiers, *axis.rules]
    own = {need for part in parts for need in (*part.needs, *part.unless)}
    own |= {need for rule in axis.eligibility for need in rule.needs}
    gone, come = sorted(own & (then - now)), sorted(own & (now - then))
    found = [f"gone: {', '.join(gone)}"] if gone else []
    found += [f"come: {', '.join(come)}"] if come else []
    return "; ".join(found)


def _emptied(current: CurrentAxis) -> Verdict:
    """Groups of which one has all but emptied, or whose name holds no more."""
    shares = current.shares
    if shares.min() < _EMPTY_SHARE:
        name = current.model.segments[int(shares.argmin())].name
        return Verdict(decisions.EMPTY, f"{name} has {percent(float(shares.min()))}")
    found = _claim(current)
    return _drift(current) if found is KEEP and current.model.verdict == K_MEANS else found


def find_cause_of_trial(
    model: AxisModel,
    current: CurrentAxis | None,
    trial: Trial,
    groups: Groups | str | None,
    as_of: date,
    previous_as_of: date,
    seed: int,
) -> Verdict:
    """Causes that the trial finds; they count where the previous run found them, too."""
    found = KEEP
    if model.verdict in (TIERS, RULES) and isinstance(groups, Groups):
        found = Verdict(decisions.NEW_GROUPS, f"valley {groups.valley:.2f}")
    elif model.verdict in (GROUPS, K_MEANS) and current is not None:
        found = _of_groups(model, trial, groups, seed)
    if found.cause is None:
        return found
    if model.pending == found.cause and as_of > previous_as_of:
        return found
    return Verdict(None, found.text, pending=found.cause)


def is_unsettled(
    agreement: AgreementInfo | None, verdict: Verdict, settings: ClusterSettings
) -> bool:
    """Whether sample and population disagree on segments that nothing forces to be replaced."""
    is_forced = verdict.cause in _FORCED
    if is_forced or agreement is None or agreement.sample_size_wanted is None:
        return False  # tiers are cut where everybody has the breaks
    return agreement.share < settings.min_agreement


def _of_groups(
    model: AxisModel,
    trial: Trial,
    groups: Groups | str | None,
    seed: int,
) -> Verdict:
    valley = trial.valley_of(len(model.segments))
    if model.verdict == GROUPS and valley is not None and not is_separate(valley, is_current=True):
        return Verdict(decisions.NOT_SEPARATE, f"valley {valley:.2f}")
    is_k_means = groups is None  # no names of its own, or not asked for
    challenger = trial.chosen.partition if is_k_means and trial.chosen else None
    if isinstance(groups, Groups):
        challenger = groups.partition
    if challenger is None or not isinstance(model.partition, CentroidPartition):
        return KEEP
    scales = groups.scales if isinstance(groups, Groups) else trial.scales
    points = scale_matrix(trial.columns, scales)
    new = challenger.assign(points)
    old = _labels_on(model, trial)
    if old is None or old.max() == old.min():
        return KEEP
    gain = _gain(points, trial.weights, new, old)
    if gain <= _BETTER_BY:
        return KEEP
    n_better = _n_halves_better(points, trial.weights, new, old, seed)
    if n_better < _BETTER_IN:
        return KEEP
    return Verdict(decisions.BETTER, f"silhouette higher by {gain:.2f}")


def _labels_on(model: AxisModel, trial: Trial) -> Labels | None:
    """Segments of the trial's customers by the current axis, with its own priors."""
    names = measures_of([model])
    if any(name not in trial.columns for name in inputs_of(names)):
        return None
    own = derive(trial.columns, names, model.priors)
    return labels_of(model, own)


def _gain(points: Floats, weights: Floats, new: Labels, old: Labels) -> float:
    after, before = silhouette_scores(points, weights, [new, old])
    return after - before


def _n_halves_better(points: Floats, weights: Floats, new: Labels, old: Labels, seed: int) -> int:
    """Of ten random halves, those in which the challenger's silhouette is clearly higher."""
    n_better = 0
    for split in range(_N_HALVES):
        half = np.sort(np.random.RandomState([seed, split]).permutation(len(points))[::2])
        if len(np.unique(new[half])) < 2 or len(np.unique(old[half])) < 2:
            continue
        n_better += _gain(points[half], weights[half], new[half], old[half]) > _BETTER_BY
    return n_better


def _drift(current: CurrentAxis) -> Verdict:
    """Cuts are renewed where too many customers have come to other tiers since they were made."""
    model = current.model
    uses_scores = model.rules is not None and any(name in SCORES for name in model.rules.measures())
    if (model.verdict == RULES and not uses_scores) or not model.made_shares:
        return KEEP
    then = np.maximum(np.array(model.made_shares), _DRIFT_FLOOR)
    now = np.maximum(current.shares, _DRIFT_FLOOR)
    index = float(((now - then) * np.log(now / then)).sum())
    if index <= _MAX_DRIFT:
        return KEEP
    return Verdict(decisions.DRIFT, f"stability index {index:.2f} since {model.made_on}")


def _claim(current: CurrentAxis) -> Verdict:
    """A name that holds no more for enough of its customers; of k-means ones, for their middle."""
    evidence = current.evidence
    for index, segment in enumerate(current.model.segments):
        if segment.claims:
            if not all(claim_holds(claim, index, evidence) for claim in segment.claims):
                return Verdict(decisions.CLAIM, f"{segment.name} is no longer true of its middle")
            continue
        mine: Flags = evidence.labels == index
        share = share_meeting(segment.holds, current.columns, evidence.weights, mine)
        if share < _STILL_HOLDS:
            return Verdict(decisions.CLAIM, f"{segment.name} is true of {percent(share)}")
    return KEEP


def definition_of(axis: Axis, method: str, verdict: str) -> str:
    """Digest of all that decides how the axis is divided under this verdict, without its words."""
    plain = asdict(axis)
    names = ["eligibility", "otherwise"]
    if verdict in (TIERS, RULES):
        names += ["main", "tiers", "rules", "cuts"]
        method = "tiers" if method == "auto" else method  # without groups the two are the same
    elif axis.has_vocabulary and method != "kmeans":
        names += ["main", "tiers", "rules", "features"]
    else:
        names += ["features", "prototypes", "min_segments", "n_segments", "clusterer"]
        method = "kmeans"
    decisive = {name: plain[name] for name in names}
    text = json.dumps([method, _without_words(decisive)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_words(part: Any) -> Any:  # noqa: ANN401 - plain values of any shape
    if isinstance(part, dict):
        return {key: _without_words(value) for key, value in part.items() if key not in _WORDS}
    if isinstance(part, Sequence) and not isinstance(part, str):
        return [_without_words(value) for value in part]
    return part


def _live(axis: Axis, inputs: frozenset[str], verdict: str) -> tuple[object, ...]:
    """What of an axis these inputs can feed, as far as it decides under this verdict."""
    rules = tuple(rule for rule in axis.eligibility if inputs.issuperset(rule.needs))
    by_rules = (axis.live_main(inputs), axis.live_tiers(inputs), axis.live_rules(inputs), rules)
    return by_rules if verdict in (TIERS, RULES) else (*by_rules, axis.live_features(inputs))
