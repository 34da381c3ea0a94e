"""The model: all axes and the reference figures in one plain JSON document.

Takes what discovery learnt; gives a document that batch and real time assign from. Its bytes
depend on input, settings and seed alone, so its hash tells whether two runs learnt the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

from segpipe.axes import Claim, Condition, Eligibility, Measure
from segpipe.axes.channel_names import with_channels
from segpipe.axes.measures import MEASURES
from segpipe.clustering.base import Partition
from segpipe.clustering.centroids import CentroidPartition
from segpipe.clustering.registry import read_partition
from segpipe.core.errors import InputError
from segpipe.core.report import CandidateInfo
from segpipe.core.schema import Reference
from segpipe.model.derived import inputs_of
from segpipe.model.described import described_measures, find_measure
from segpipe.model.outlook import Outlook, outlook_of
from segpipe.model.preprocessing import FeatureScale
from segpipe.model.priors import Priors, priors_of
from segpipe.model.rules import RuleList, conditions_of, is_index, rule_list_of

UNAVAILABLE = "unavailable"  # the state of an axis whose input is missing
FORMAT = 4  # of the document; raised when an older segpipe could not read it
_READABLE = (2, 3, 4)
_UNDESCRIBED = 2  # the format that says nothing of its measures
_AXIS_WORDS = (
    "reason",
    "pending",
    "tried",
)  # what is said of an axis, and of a segment; see `Model.hash`
_WORDS = ("meaning", "description")


@dataclass(frozen=True)
class Segment:
    """A part of one axis's partition with the name that holds for it."""

    segment_id: int  # permanent within store and axis, from 1
    name: str
    meaning: str  # of the name, in words; empty where it is composed of figures
    claims: tuple[Claim, ...]  # what the name says, which must hold in every run that keeps it
    description: str
    medians: dict[str, float]  # measure → weighted median of its customers, in the measure's unit
    sample_share: float  # of the eligible population, by weight
    # What the name says of a customer's own figures; empty where it says nothing of one customer.
    holds: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class AxisModel:
    """How one axis answers for any customer."""

    name: str
    group: str
    verdict: str
    reason: str | None
    silhouette: float | None
    eligibility: tuple[Eligibility, ...]
    scales: tuple[FeatureScale, ...]
    segments: tuple[Segment, ...]  # of the partition, in its order
    default_state: str  # unavailable, with strength 0, or where no rule holds
    next_segment_id: int = 1  # the first that no segment of this store and axis has ever had
    partition: Partition | None = None  # by nearest centroid, or a clusterer's own way
    rules: RuleList | None = None  # in place of a partition; without both all are in the default
    priors: Priors | None = None  # on which its derived measures lean; None: it has none
    made_on: date | None = None  # observation date on which its segments were made
    made_shares: tuple[float, ...] = ()  # of the eligible in each segment on that date
    definition: str = ""  # digest of the axis's record and method; empty: of an earlier version
    tried: tuple[CandidateInfo, ...] = ()  # every K of the k-means that runs on every axis
    pending: str | None = None  # cause of a replacement that the next run must find again

    def vocabulary(self) -> tuple[str, ...]:
        """Every name that this axis can give: segments first, then states."""
        names = [segment.name for segment in self.segments]
        states = [rule.state for rule in self.eligibility]
        if self.has_default:
            states.append(self.default_state)
        return tuple(dict.fromkeys([*names, *states]))

    @property
    def has_default(self) -> bool:
        """Whether an eligible customer may be in no segment."""
        if self.rules:
            return bool(self.rules.rules[-1].any_of)
        return self.partition is None

    def judged(self) -> tuple[str, ...]:
        """Measures, raw and derived, by which the eligible are divided into segments."""
        if self.rules:
            return self.rules.measures()
        return tuple(scale.measure for scale in self.scales)


@dataclass(frozen=True)
class Model:
    """One run's knowledge: settings that matter, reference figures and the axes in order."""

    seed: int
    inputs: tuple[str, ...]
    timezone: str
    reference: Reference
    axes: tuple[AxisModel, ...]
    outlook: Outlook | None = None  # None: made by an earlier version of segpipe
    # What the document that this was read from says of its measures, which another version made.
    described: Mapping[str, Measure] = field(default_factory=dict, compare=False, repr=False)

    def measure(self, name: str) -> Measure:
        """Label, unit, phrase and format of a measure, also of one that this version lacks.

        With the names of the shop's biggest channels.
        """
        found = find_measure(self.described, name)
        return with_channels(found, self.reference.biggest_channels)

    def document(self) -> dict[str, Any]:
        """The model as plain values."""
        names = sorted({*measures_of(self.axes), *_claimed(self.axes)})
        measures = {name: asdict(self.measure(name)) for name in names}
        return {"format": FORMAT, **self._learnt(), "measures": measures}

    def _learnt(self) -> dict[str, Any]:
        """Plain values without the words of the measures."""
        reference = {**asdict(self.reference), "as_of": self.reference.as_of.isoformat()}
        return {
            "seed": self.seed,
            "inputs": self.inputs,
            "timezone": self.timezone,
            "reference": reference,
            "priors": [asdict(priors) for priors in priors_of_axes(self.axes)],
            "axes": [_plain_axis(axis, priors_of_axes(self.axes)) for axis in self.axes],
            **({"outlook": asdict(self.outlook)} if self.outlook else {}),
        }

    def to_json(self) -> str:
        """Canonical text: the same model gives the same bytes."""
        return _canonical(self.document())

    def hash(self) -> str:
        """SHA-256, in hex, of what was learnt.

        Without words: neither a new format nor a better sentence makes another model.
        """
        learnt = self._learnt()
        learnt.pop("outlook", None)  # no segment depends on it
        for axis in learnt["axes"]:
            for part, words in ((axis, _AXIS_WORDS), *((s, _WORDS) for s in axis["segments"])):
                for name in words:
                    del part[name]
        return hashlib.sha256(_canonical(learnt).encode()).hexdigest()


def read_model(path: Path) -> Model:
    """The model of a file written by `write_model`; InputError where it is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"The model {path} cannot be read ({error.strerror}); name a file from --model-out."
        raise InputError(msg) from error
    except ValueError as error:
        msg = f"The model {path} is not JSON ({error}); name a file from --model-out."
        raise InputError(msg) from error
    return model_of(document, str(path))


def model_of(document: Any, origin: str = "document") -> Model:  # noqa: ANN401 - JSON of any shape
    """The model of a parsed document; InputError where the document is none."""
    found = document.get("format") if isinstance(document, dict) else None
    if found not in _READABLE:
        readable = " or ".join(map(str, _READABLE))
        msg = f"The model {origin} has format {found!r}; expected {readable}: run discovery again."
        raise InputError(msg)
    try:
        return _model(document)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        msg = f"The model {origin} is damaged ({error!r}); run discovery again."
        raise InputError(msg) from error


def write_model(model: Model, path: Path) -> None:
    """Write the canonical text; InputError where the file cannot be written."""
    try:
        path.write_text(model.to_json() + "\n", encoding="utf-8")
    except OSError as error:
        msg = f"The model cannot be written to {path} ({error.strerror}); name another file."
        raise InputError(msg) from error


def _model(document: dict[str, Any]) -> Model:
    reference = dict(document["reference"])
    reference["as_of"] = date.fromisoformat(reference["as_of"])
    reference["biggest_channels"] = tuple(reference["biggest_channels"])
    priors = [priors_of(part) for part in document.get("priors", ())]
    model = Model(
        seed=document["seed"],
        inputs=tuple(document["inputs"]),
        timezone=document["timezone"],
        reference=Reference(**reference),
        axes=tuple(_axis(axis, priors) for axis in document["axes"]),
        outlook=outlook_of(document["outlook"]) if "outlook" in document else None,
        described=described_measures(document),
    )
    if document["format"] != _UNDESCRIBED:
        _check_measures(model)
    return model


def _canonical(document: dict[str, Any]) -> str:
    return json.dumps(
        document, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )


def priors_of_axes(axes: Sequence[AxisModel]) -> list[Priors]:
    """The priors of the axes, each once; an axis that was kept may have older ones than others."""
    found: list[Priors] = []
    for axis in axes:
        if axis.priors is not None and axis.priors not in found:
            found.append(axis.priors)
    return found


def _plain_axis(axis: AxisModel, priors: Sequence[Priors]) -> dict[str, Any]:
    parts = {part.name: getattr(axis, part.name) for part in fields(AxisModel)}
    for name in ("eligibility", "scales", "segments", "tried"):
        parts[name] = [asdict(part) for part in parts[name]]
    parts["partition"] = axis.partition.document() if axis.partition else None
    parts["rules"] = axis.rules.document() if axis.rules else None
    parts["priors"] = priors.index(axis.priors) if axis.priors is not None else None
    parts["made_on"] = axis.made_on.isoformat() if axis.made_on else None
    return parts


def _axis(values: dict[str, Any], priors: Sequence[Priors]) -> AxisModel:
    values = _with_partition(values)
    parts = {part.name: values[part.name] for part in fields(AxisModel) if part.name in values}
    parts["eligibility"] = tuple(eligibility_of(rule) for rule in parts["eligibility"])
    parts["scales"] = tuple(FeatureScale(**scale) for scale in parts["scales"])
    parts["segments"] = tuple(_segment(segment) for segment in parts["segments"])
    if parts["partition"] is not None:
        parts["partition"] = read_partition(parts["partition"], len(parts["scales"]))
    if parts.get("rules") is not None:
        parts["rules"] = rule_list_of(parts["rules"])
    if parts.get("priors") is not None:
        if not is_index(parts["priors"], len(priors)):
            raise ValueError(f"there are no priors {parts['priors']!r}")
        parts["priors"] = priors[parts["priors"]]
    if parts.get("made_on") is not None:
        parts["made_on"] = date.fromisoformat(parts["made_on"])
    parts["made_shares"] = tuple(parts.get("made_shares", ()))
    parts["tried"] = tuple(CandidateInfo(**tried) for tried in parts.get("tried", ()))
    axis = AxisModel(**parts)
    _check_segments(axis)
    _check_numbers(axis)
    return axis


def eligibility_of(values: Mapping[str, Any]) -> Eligibility:
    """The rule of eligibility of a document."""
    only = conditions_of(values.get("only", ()))
    return Eligibility(**{**values, "needs": tuple(values["needs"]), "only": only})


def _with_partition(values: dict[str, Any]) -> dict[str, Any]:
    """The axis as format 3 has it; in format 2 each segment had a centroid of its own."""
    if "partition" in values:
        return values
    segments = [dict(segment) for segment in values["segments"]]
    centroids = [segment.pop("centroid") for segment in segments]
    partition = {"kind": CentroidPartition.kind, "centroids": centroids} if segments else None
    return {**values, "segments": segments, "partition": partition}


def _segment(values: dict[str, Any]) -> Segment:
    claims = tuple(Claim(**claim) for claim in values["claims"])
    return Segment(**{**values, "claims": claims, "holds": conditions_of(values.get("holds", ()))})


def _check_segments(axis: AxisModel) -> None:
    """A document that somebody edited must not assign nonsense; ValueError where it would."""
    n_names = len(axis.segments)
    if len({segment.name for segment in axis.segments}) != n_names:
        raise ValueError(f"{axis.name}: two segments have the same name")
    if axis.rules:
        if not all(is_index(rule.segment, n_names) for rule in axis.rules.rules):
            raise ValueError(f"{axis.name}: a rule has no segment")
    elif n_names != (n_segments := axis.partition.n_segments if axis.partition else 0):
        raise ValueError(f"{axis.name}: {n_names} names for {n_segments} segments")
    if len(axis.made_shares) not in (0, n_names):
        raise ValueError(f"{axis.name}: {len(axis.made_shares)} shares for {n_names} segments")


def _check_numbers(axis: AxisModel) -> None:
    if not all(0 <= share < math.inf for share in axis.made_shares):
        raise ValueError(f"{axis.name}: the shares of its segments are not made of numbers")
    if not all(math.isfinite(rule.at_least) for rule in axis.eligibility):
        raise ValueError(f"{axis.name}: a bound of eligibility is no number")
    for scale in axis.scales:
        bounds = (scale.fill, scale.low, scale.high, scale.mean)
        if not (all(map(math.isfinite, bounds)) and 0 < scale.deviation < math.inf):
            raise ValueError(f"{axis.name}: scale of {scale.measure} is not made of numbers")


def _check_measures(model: Model) -> None:
    """ValueError for a measure of which nobody can say what it is.

    A raw one of another version is described by the document. A derived one that this version does
    not make could not be made at all.
    """
    for name in (*measures_of(model.axes), *sorted(_claimed(model.axes))):
        measure = MEASURES.get(name) or model.described.get(name)
        if measure is None or (measure.is_derived and name not in MEASURES):
            raise ValueError(f"{name!r} is no measure")


def measures_of(axes: Sequence[AxisModel]) -> tuple[str, ...]:
    """Measures that some of the axes look at, raw and derived, each once."""
    named: list[str] = []
    for axis in axes:
        named += [scale.measure for scale in axis.scales]
        named += axis.rules.measures() if axis.rules else ()
        for rule in axis.eligibility:
            named += [rule.measure, *(condition.measure for condition in rule.only)]
    return tuple(dict.fromkeys(named))


def raw_measures_of(axes: Sequence[AxisModel]) -> tuple[str, ...]:
    """Measures of customer_features from which the axes' own are made, each once."""
    return inputs_of(measures_of(axes))


def _claimed(axes: Sequence[AxisModel]) -> set[str]:
    segments = [segment for axis in axes for segment in axis.segments]
    claimed = {claim.measure for segment in segments for claim in segment.claims}
    return claimed | {condition.measure for segment in segments for condition in segment.holds}
