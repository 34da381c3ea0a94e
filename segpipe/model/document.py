"""The model: all axes and the reference figures in one plain JSON document.

Takes what discovery learnt; gives a document that batch and real time assign from. Its bytes
depend on input, settings and seed alone, so its hash tells whether two runs learnt the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from segpipe.axes import Claim, Eligibility
from segpipe.core.errors import InputError
from segpipe.features import Reference
from segpipe.model.preprocessing import FeatureScale

UNAVAILABLE = "unavailable"  # the state of an axis whose input is not told
FORMAT = 2  # of the document; raised when an older segpipe could not read it


@dataclass(frozen=True)
class Segment:
    """A cluster of one axis with the name that holds for it."""

    segment_id: int  # permanent within store and axis, from 1
    name: str
    meaning: str  # of the name, in words; empty where it is composed of figures
    claims: tuple[Claim, ...]  # what the name says, which must hold in every run that keeps it
    description: str
    centroid: tuple[float, ...]  # in standardised features, in the order of the axis's scales
    medians: dict[str, float]  # measure → weighted median of its customers, in the measure's unit
    sample_share: float  # of the eligible population, by weight


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
    segments: tuple[Segment, ...]  # empty: every eligible customer is in `default_state`
    default_state: str  # unavailable or no_structure, with strength 0
    next_segment_id: int = 1  # the first that no segment of this store and axis has ever had

    def vocabulary(self) -> tuple[str, ...]:
        """Every name that this axis can give: segments first, then states."""
        names = [segment.name for segment in self.segments]
        states = [rule.state for rule in self.eligibility]
        return tuple(dict.fromkeys([*names, *states, self.default_state]))


@dataclass(frozen=True)
class Model:
    """One run's knowledge: settings that matter, reference figures and the axes in order."""

    seed: int
    inputs: tuple[str, ...]
    timezone: str
    reference: Reference
    axes: tuple[AxisModel, ...]

    def document(self) -> dict[str, Any]:
        """The model as plain values."""
        plain = asdict(self)
        plain["reference"]["as_of"] = self.reference.as_of.isoformat()
        return {"format": FORMAT, **plain}

    def to_json(self) -> str:
        """Canonical text: the same model gives the same bytes."""
        return json.dumps(
            self.document(),
            sort_keys=True,
            ensure_ascii=False,
            separators=(",", ":"),
            allow_nan=False,
        )

    def hash(self) -> str:
        """SHA-256 of the canonical text, in hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


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
    if found != FORMAT:
        msg = f"The model {origin} has format {found!r}; expected {FORMAT}: run discovery again."
        raise InputError(msg)
    try:
        return _model(document)
    except (KeyError, TypeError, ValueError) as error:
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
    return Model(
        seed=document["seed"],
        inputs=tuple(document["inputs"]),
        timezone=document["timezone"],
        reference=Reference(**reference),
        axes=tuple(_axis(axis) for axis in document["axes"]),
    )


def _axis(values: dict[str, Any]) -> AxisModel:
    parts = {field.name: values[field.name] for field in fields(AxisModel)}
    rules = ({**rule, "needs": tuple(rule["needs"])} for rule in parts["eligibility"])
    parts["eligibility"] = tuple(Eligibility(**rule) for rule in rules)
    parts["scales"] = tuple(FeatureScale(**scale) for scale in parts["scales"])
    parts["segments"] = tuple(_segment(segment) for segment in parts["segments"])
    axis = AxisModel(**parts)
    _check_numbers(axis)
    return axis


def _segment(values: dict[str, Any]) -> Segment:
    claims = tuple(Claim(**claim) for claim in values["claims"])
    return Segment(**{**values, "centroid": tuple(values["centroid"]), "claims": claims})


def _check_numbers(axis: AxisModel) -> None:
    """A document that somebody edited must not assign nonsense; ValueError where it would."""
    n_features = len(axis.scales)
    for segment in axis.segments:
        if len(segment.centroid) != n_features or not all(map(math.isfinite, segment.centroid)):
            raise ValueError(f"{axis.name}: {segment.name!r} is not at {n_features} numbers")
    for scale in axis.scales:
        bounds = (scale.fill, scale.low, scale.high, scale.mean)
        if not (all(map(math.isfinite, bounds)) and 0 < scale.deviation < math.inf):
            raise ValueError(f"{axis.name}: scale of {scale.measure} is not made of numbers")
