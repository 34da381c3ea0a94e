"""The explanation of a customer's place on one axis, as records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segpipe.axes.record import Side
from segpipe.model.counterfactual import Counterfactual


@dataclass(frozen=True)
class Figure:
    """One figure of the customer, and how much it speaks for the segment."""

    measure: str
    label: str
    unit: str
    value: float | None  # None: unknown, and the shop's median stands in
    shop_median: float | None  # of the axis's eligible customers; None where rules decide
    segment_median: float | None  # None where nobody has the figure
    runner_up_median: float | None
    # Squared deviations nearer to the segment than to the runner-up, < 0: against it; 0 of rules.
    weight: float


@dataclass(frozen=True)
class RunnerUp:
    """The next nearest segment."""

    segment: str
    membership: float  # fuzzy, 0 to 1, as strength is


@dataclass(frozen=True)
class Asked:
    """What a rule or a name asks of one figure, and what the customer has."""

    measure: str
    label: str
    unit: str
    value: float | None  # None: unknown
    side: Side
    bound: float
    is_met: bool


@dataclass(frozen=True)
class RuleAnswer:
    """A rule, and how the customer stands to what it asks."""

    segment: str
    asked: tuple[Asked, ...]  # of one alternative; empty: everybody for whom no other rule holds


@dataclass(frozen=True)
class TierPlace:
    """Where the customer stands on a ladder."""

    measure: str
    value: float | None  # None: unknown, and the shop's median stands in
    at_least: float | None  # where the tier begins; None: the lowest
    below: float | None  # where the next one begins; None: the highest
    rank: float  # share of the eligible below the figure


@dataclass(frozen=True)
class AxisExplanation:
    """One axis: where the customer is, and why."""

    axis: str
    kind: Literal["segment", "state", "no answer"]
    name: str
    strength: float  # as published, to four decimals
    meaning: str = ""  # of a segment's name; empty where it is composed of figures
    reason: str | None = None  # for a state, or for no answer
    ends_with: str | None = None  # what would end a state
    otherwise: str | None = None  # with which figure the state would be another one
    runner_up: RunnerUp | None = None
    figures: tuple[Figure, ...] = ()  # by weight, or as the rule asks them
    rule: RuleAnswer | None = None  # that gave the segment
    nearly: tuple[RuleAnswer, ...] = ()  # rules before it that miss one figure
    tier: TierPlace | None = None
    named_by: tuple[Asked, ...] = ()  # what the name of a group says of a customer's own figures
    flip: Counterfactual | None = None  # None: no single figure leads to another segment
