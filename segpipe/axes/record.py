"""What an axis is: one record of plain data.

The stages read these records. An axis from a user's file is the same record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Transform = Literal["identity", "log", "signed_log"]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)


def transform_of(name: str) -> Transform:
    """The transform of this name; KeyError where there is none."""
    return {str(known): known for known in TRANSFORMS}[name]


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


Side = Literal["at_least", "above", "below", "at_most"]


@dataclass(frozen=True)
class Learnt:
    """A bound that a run learns from everybody eligible, and keeps with the current axis."""

    quantile: float  # of the measure, by customers
    least: float | None = None  # the bound is this at least
    least_medians: float | None = None  # likewise, as a multiple of the measure's median
    among: str | None = None  # only of customers whose figure of this measure is above
    among_above: float = 0.0


@dataclass(frozen=True)
class Condition:
    """A bound on one measure; a customer without the figure does not meet it."""

    measure: str
    side: Side
    bound: float = 0.0
    learnt: Learnt | None = None  # the bound, in place of `bound`; a model has the figure


@dataclass(frozen=True)
class Eligibility:
    """Who has behaviour to judge: measure >= at_least; the others are in the named `state`."""

    measure: str
    at_least: float
    state: str
    needs: tuple[str, ...] = ()  # the rule applies only with these inputs
    only: tuple[Condition, ...] = ()  # the state is only for customers who meet these, too


@dataclass(frozen=True)
class Rule:
    """A name by rule: customers who meet every condition of one of the alternatives.

    Of several rules the first that holds gives the name.
    """

    name: str
    meaning: str  # what such customers do, as a verb phrase
    any_of: tuple[tuple[Condition, ...], ...]  # empty: everybody who is left
    chance: str | None = None  # measure whose figure is the strength; None: 1, a plain fact
    is_complement: bool = False  # the strength is 1 less the chance
    claim: tuple[Condition, ...] = ()  # what the name says of the customer's own figures
    within: str | None = None  # only of the customers of this tier, before it has them
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """A name for eligible customers of whom too little is known, given these inputs."""

    name: str
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tier:
    """A step of a ladder."""

    name: str
    meaning: str  # what such customers do, as a verb phrase
    top: float  # share of customers up to the end of the tier, as the name suggests
    at_least: float | None = None  # the name would be false below this figure
    below: float | None = None  # and from this figure on
    own_cut: Learnt | None = None  # where the tier begins; the others are divided without it
    also: tuple[Condition, ...] = ()  # whoever does not meet these has the tier below
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


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
    main: tuple[Feature, ...] = ()  # the measure that answers the question: the first live one
    tiers: tuple[Tier, ...] = ()  # names along the main measure, from low to high
    rules: tuple[Rule, ...] = ()  # before the tiers; without tiers, the rules of the axis
    otherwise: tuple[State, ...] = ()  # of customers for whom no rule holds: the first live one
    cuts: Literal["breaks", "quantiles"] = "breaks"  # how the tiers are divided
    has_groups: bool = True  # False: never separate groups, but tiers, or stages by definition

    def live_main(self, inputs: frozenset[str]) -> Feature | None:
        """The main measure that these inputs can feed; None without one."""
        return next((feature for feature in self.main if _is_live(feature, inputs)), None)

    def live_tiers(self, inputs: frozenset[str]) -> tuple[Tier, ...]:
        """Tiers whose names make sense with these inputs."""
        return tuple(tier for tier in self.tiers if _is_live(tier, inputs))

    def live_rules(self, inputs: frozenset[str]) -> tuple[Rule, ...]:
        """Rules that can be asked with these inputs."""
        return tuple(rule for rule in self.rules if _is_live(rule, inputs))

    def live_otherwise(self, inputs: frozenset[str]) -> str | None:
        """State of customers for whom no rule holds, with these inputs; None without one."""
        return next((state.name for state in self.otherwise if _is_live(state, inputs)), None)

    @property
    def has_vocabulary(self) -> bool:
        """Whether it has names of its own for tiers or rules; else k-means segments are named."""
        return bool(self.tiers or self.rules)

    def live_features(self, inputs: frozenset[str]) -> tuple[Feature, ...]:
        """Features that can be computed from these inputs."""
        return tuple(f for f in self.features if _is_live(f, inputs))

    def live_prototypes(self, inputs: frozenset[str]) -> tuple[Prototype, ...]:
        """Names whose claims can be checked with these inputs."""
        return tuple(p for p in self.prototypes if _is_live(p, inputs))

    def missing_inputs(self, inputs: frozenset[str]) -> tuple[str, ...]:
        """Missing inputs that some feature needs, in the order of the features."""
        features = (*self.main, *self.features)
        needed = dict.fromkeys(need for feature in features for need in feature.needs)
        return tuple(need for need in needed if need not in inputs)


def _is_live(part: Feature | Prototype | Rule | State | Tier, inputs: frozenset[str]) -> bool:
    return inputs.issuperset(part.needs) and inputs.isdisjoint(part.unless)
