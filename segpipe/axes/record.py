"""What an axis is: one record of plain data.

The stages read these records. An axis from a user's file is the same record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transform = Literal["identity", "log", "signed_log"]


@dataclass(frozen=True)
class Measure:
    """A figure of each customer: what it means, in which unit."""

    name: str
    label: str  # as a marketer would say it
    unit: str  # days, hours, share, amount, count, ratio, change, log ratio, 1 to 5
    definition: str
    phrase: str  # what a customer does, with the figure at {}; see axes/phrases.py
    format: str = "number"  # how the figure is written; see axes/figures.py
    is_derived: bool = False  # from other measures and the shop's priors; see model/derived.py


@dataclass(frozen=True)
class Feature:
    """A measure as an axis uses it, given all inputs of `needs` and none of `unless`."""

    measure: str
    transform: Transform = "identity"
    needs: tuple[str, ...] = ()  # of schema.INPUTS
    unless: tuple[str, ...] = ()


@dataclass(frozen=True)
class Eligibility:
    """Who is eligible: measure >= at_least; other customers are in the named `state`."""

    measure: str
    at_least: float
    state: str
    needs: tuple[str, ...] = ()  # the rule applies only with these inputs


@dataclass(frozen=True)
class Claim:
    """What a name says: the segment's median of `measure` lies on one side of a bound.

    The bound is the eligible population's `quantile`, or a fixed `value`.
    """

    measure: str
    side: Literal["above", "below"]
    quantile: float | None = None
    value: float | None = None


@dataclass(frozen=True)
class Prototype:
    """A name and the typical position of its segment, in standard deviations of the measures."""

    name: str
    description: str
    position: dict[str, float]
    claims: tuple[Claim, ...] = ()
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


@dataclass(frozen=True)
class Axis:
    """One question about customers, and what is needed to answer it."""

    name: str
    question: str
    group: Literal["marketing", "support"]
    features: tuple[Feature, ...]
    prototypes: tuple[Prototype, ...]
    eligibility: tuple[Eligibility, ...] = ()  # the first that fails gives the state
    only_with: tuple[str, ...] = ()  # the axis exists only with these inputs
    min_segments: int = 2  # fewer only where no finer partition is eligible
    n_segments: int | None = None  # fixed; None: chosen by silhouette
    clusterer: Literal["kmeans", "cuts"] = "kmeans"  # cuts: tiers of the first feature

    def live_features(self, inputs: frozenset[str]) -> tuple[Feature, ...]:
        """Features that can be computed from these inputs."""
        return tuple(f for f in self.features if _is_live(f, inputs))

    def live_prototypes(self, inputs: frozenset[str]) -> tuple[Prototype, ...]:
        """Names whose claims can be checked with these inputs."""
        return tuple(p for p in self.prototypes if _is_live(p, inputs))

    def missing_inputs(self, inputs: frozenset[str]) -> tuple[str, ...]:
        """Missing inputs that some feature needs, in the order of the features."""
        needed = dict.fromkeys(need for feature in self.features for need in feature.needs)
        return tuple(need for need in needed if need not in inputs)


def _is_live(part: Feature | Prototype, inputs: frozenset[str]) -> bool:
    return inputs.issuperset(part.needs) and inputs.isdisjoint(part.unless)
