"""Names by rule: a list of rules of which the first that holds gives the segment.

Takes columns of measures, raw and derived, NaN where missing; gives segments and strengths. Tiers
are rules, too: cuts along the main measure. Batch and real time use the same operations, all by
element, so that one customer has the bits that they have among others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from segpipe.axes import Condition
from segpipe.core.arrays import Flags, Floats, Labels

Columns = Mapping[str, Floats]
_COMPARISONS = {
    "at_least": np.greater_equal,
    "above": np.greater,
    "below": np.less,
    "at_most": np.less_equal,
}


@dataclass(frozen=True)
class Ladder:
    """Tiers along one measure: tier i holds figures from cut i-1 on and below cut i."""

    measure: str
    fill: float  # figure of customers who have none: the weighted median of the eligible
    cuts: tuple[float, ...]  # k-1, rising, in the measure's unit
    cut_ranks: tuple[float, ...]  # share of the eligible below each cut
    ranks: tuple[tuple[float, float], ...]  # figure → share of the eligible below it, both rising

    def filled(self, columns: Columns) -> Floats:
        """The main measure without gaps, shape (n,)."""
        values = columns[self.measure]
        return np.where(np.isnan(values), self.fill, values)

    def rank(self, values: Floats) -> Floats:
        """Share of the eligible customers below each figure, by interpolation; shape (n,)."""
        figures, shares = np.array(self.ranks).T
        found: Floats = np.interp(values, figures, shares)
        return found

    def strength(self, values: Floats, tier: int) -> Floats:
        """How far inside the tier each figure lies, 0 at a cut to 1; shape (n,).

        The distance to the nearest cut by rank, over the greatest that is possible in the tier.
        """
        ranks = self.rank(values)
        ends = self.cut_ranks
        ways = []
        if tier > 0:
            ways.append(ranks - ends[tier - 1])
        if tier < len(self.cuts):
            ways.append(ends[tier] - ranks)
        if not ways:
            return np.ones(len(values))
        low = ends[tier - 1] if tier > 0 else 0.0
        high = ends[tier] if tier < len(self.cuts) else 1.0
        most = (high - low) / len(ways)
        if most <= 0:
            return np.zeros(len(values))
        found: Floats = np.clip(np.minimum.reduce(ways) / most, 0.0, 1.0)
        return found


@dataclass(frozen=True)
class SegmentRule:
    """When a customer is in a segment, if no rule before it holds."""

    segment: int  # index in the axis's segments
    any_of: tuple[tuple[Condition, ...], ...]  # each a conjunction; empty: everybody who is left
    chance: str | None = None  # measure whose figure is the strength
    is_complement: bool = False  # the strength is 1 less that
    tier: int | None = None  # of the ladder; the strength is by rank


@dataclass(frozen=True)
class RuleList:
    """The rules of one axis, in the order in which they are asked."""

    rules: tuple[SegmentRule, ...]
    ladder: Ladder | None = None

    def measures(self) -> tuple[str, ...]:
        """Measures that the rules look at, each once."""
        named = [self.ladder.measure] if self.ladder else []
        for rule in self.rules:
            named += [condition.measure for part in rule.any_of for condition in part]
            named += [rule.chance] if rule.chance else []
        return tuple(dict.fromkeys(named))

    def filled(self, columns: Columns) -> Columns:
        """The columns with the main measure without gaps."""
        if self.ladder is None:
            return columns
        return {**columns, self.ladder.measure: self.ladder.filled(columns)}

    def firing(self, columns: Columns) -> Labels:
        """Index of the first rule that holds of each customer, -1 where none does; shape (n,).

        columns are `filled`.
        """
        n_rows = len(next(iter(columns.values())))
        found = np.full(n_rows, -1, dtype=np.intp)
        for index, rule in reversed(list(enumerate(self.rules))):
            found[holds(rule.any_of, columns, n_rows)] = index
        return found

    def assign(self, columns: Columns) -> tuple[Labels, Floats]:
        """Segment, -1 where no rule holds, and strength 0 to 1, both of shape (n,)."""
        columns = self.filled(columns)
        firing = self.firing(columns)
        labels = np.full(len(firing), -1, dtype=np.intp)
        strengths = np.ones(len(firing))
        for index, rule in enumerate(self.rules):
            own = firing == index
            if own.any():
                labels[own] = rule.segment
                mine = {name: columns[name][own] for name in self.measures()}
                strengths[own] = self._strength(rule, mine, int(own.sum()))
        return labels, strengths

    def document(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def _strength(self, rule: SegmentRule, columns: Columns, n_rows: int) -> Floats:
        if rule.tier is not None and self.ladder:
            return self.ladder.strength(columns[self.ladder.measure], rule.tier)
        if rule.chance is None:
            return np.ones(n_rows)
        chance = columns[rule.chance]
        found: Floats = np.clip(1.0 - chance if rule.is_complement else chance, 0.0, 1.0)
        return np.where(np.isnan(found), 1.0, found)


def holds(any_of: Sequence[Sequence[Condition]], columns: Columns, n_rows: int) -> Flags:
    """True for customers who meet all conditions of one alternative, shape (n_rows,)."""
    if not any_of:
        return np.ones(n_rows, np.bool_)
    found = np.zeros(n_rows, np.bool_)
    for conditions in any_of:
        found |= meets(conditions, columns, n_rows)
    return found


def meets(conditions: Iterable[Condition], columns: Columns, n_rows: int) -> Flags:
    """True for customers who meet every condition; one without the figure does not."""
    found = np.ones(n_rows, np.bool_)
    for condition in conditions:
        found &= _COMPARISONS[condition.side](columns[condition.measure], condition.bound)
    return found


def are_known(conditions: Iterable[Condition], columns: Columns, n_rows: int) -> Flags:
    """True for customers who have all figures that the conditions are about, shape (n_rows,)."""
    found = np.ones(n_rows, np.bool_)
    for condition in conditions:
        found &= ~np.isnan(columns[condition.measure])
    return found


def rule_list_of(document: Mapping[str, Any]) -> RuleList:
    """The rules of a document; KeyError, TypeError or ValueError where it has none."""
    ladder = document["ladder"]
    if ladder is not None:
        ladder = Ladder(
            ladder["measure"],
            ladder["fill"],
            tuple(ladder["cuts"]),
            tuple(ladder["cut_ranks"]),
            tuple((figure, share) for figure, share in ladder["ranks"]),
        )
        _check_ladder(ladder)
    found = RuleList(tuple(_rule(rule) for rule in document["rules"]), ladder)
    _check_rules(found)
    return found


def conditions_of(document: Iterable[Mapping[str, Any]]) -> tuple[Condition, ...]:
    """The conditions of a document; ValueError where a bound is no number."""
    found = tuple(Condition(part["measure"], part["side"], part["bound"]) for part in document)
    for condition in found:
        if condition.side not in _COMPARISONS or not math.isfinite(condition.bound):
            raise ValueError(f"{condition} is no bound")
    return found


def _rule(document: Mapping[str, Any]) -> SegmentRule:
    any_of = tuple(conditions_of(part) for part in document["any_of"])
    return SegmentRule(**{**document, "any_of": any_of})


def _check_rules(found: RuleList) -> None:
    if not found.rules:
        raise ValueError("there is no rule")
    n_tiers = len(found.ladder.cuts) + 1 if found.ladder else 0
    for rule in found.rules:
        if not is_index(rule.tier, n_tiers) and rule.tier is not None:
            raise ValueError(f"tier {rule.tier!r} is not one of {n_tiers}")


def is_index(value: object, size: int) -> bool:
    """Whether the value is the place of one of `size` parts; true and false are no numbers."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < size


def _check_ladder(ladder: Ladder) -> None:
    figures = (
        ladder.fill,
        *ladder.cuts,
        *ladder.cut_ranks,
        *(figure for pair in ladder.ranks for figure in pair),
    )
    if not ladder.ranks or not all(map(math.isfinite, figures)):
        raise ValueError("a ladder is not made of numbers")
    if len(ladder.cut_ranks) != len(ladder.cuts):
        raise ValueError("a cut has no rank")
    if list(ladder.cuts) != sorted(set(ladder.cuts)):
        raise ValueError("the cuts are not rising numbers")
    if list(ladder.cut_ranks) != sorted(ladder.cut_ranks):
        raise ValueError("the ranks of the cuts fall")
    if not all(0 <= rank <= 1 for rank in ladder.cut_ranks):
        raise ValueError("the rank of a cut is not within 0 and 1")
    figures, shares = zip(*ladder.ranks, strict=True)
    if list(figures) != sorted(set(figures)) or list(shares) != sorted(shares):
        raise ValueError("the ranks of a ladder do not rise")
