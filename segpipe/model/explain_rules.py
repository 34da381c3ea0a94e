"""Which rule or tier gave a customer's segment, by which figures, and which rules nearly held.

Takes an axis by rules and one customer's raw measures, shape (1,); gives the parts of an
AxisExplanation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from segpipe.axes import Condition, Measure
from segpipe.core.arrays import Floats
from segpipe.model.derived import derive
from segpipe.model.document import AxisModel
from segpipe.model.explanation import Asked, Figure, RuleAnswer, TierPlace
from segpipe.model.rules import Columns, Ladder, RuleList, SegmentRule, meets

MeasureOf = Callable[[str], Measure]
_NEARLY = 0.2  # of the bound; what is further away says little of the customer
_SHOWN_NEARLY = 2


def explain_rules(
    axis: AxisModel, rules: RuleList, columns: Mapping[str, Floats], measure_of: MeasureOf
) -> dict[str, Any]:
    """`rule`, `nearly`, `tier` and `figures` of a customer whom every eligibility admits.

    Where no rule holds, there are only those that nearly did.
    """
    known = derive(columns, rules.measures(), axis.priors)
    filled = rules.filled(known)
    place = int(rules.firing(filled)[0])
    before = rules.rules if place < 0 else rules.rules[:place]
    missed = sorted(_missed(axis, rules, before, filled, measure_of), key=lambda one: one[0])
    own = None if place < 0 else rules.rules[place]
    seen = {axis.segments[own.segment].name} if own else set()
    nearly = []
    for _, answer in missed:
        if answer.segment not in seen:
            seen.add(answer.segment)
            nearly.append(answer)
    found: dict[str, Any] = {"nearly": tuple(nearly[:_SHOWN_NEARLY])}
    if own is None:
        return found
    segment = axis.segments[own.segment]
    held = next((part for part in own.any_of if meets(part, filled, 1)[0]), ())
    names = [condition.measure for condition in held]
    if rules.ladder and own.tier is not None:
        found["tier"] = _tier(rules.ladder, own.tier, known, filled)
        names.insert(0, rules.ladder.measure)
    found["rule"] = RuleAnswer(segment.name, asked_of(held, known, measure_of))
    medians = {rules.ladder.measure: rules.ladder.fill} if rules.ladder else {}
    found["figures"] = tuple(
        Figure(
            measure=name,
            label=measure_of(name).label,
            unit=measure_of(name).unit,
            value=_known(known[name]),
            shop_median=medians.get(name),
            segment_median=segment.medians.get(name),
            runner_up_median=None,
            weight=0.0,
        )
        for name in dict.fromkeys(names)
    )
    return found


def asked_of(
    conditions: Sequence[Condition], columns: Columns, measure_of: MeasureOf
) -> tuple[Asked, ...]:
    """What each condition asks, and what the customer has."""
    return tuple(
        Asked(
            measure=condition.measure,
            label=measure_of(condition.measure).label,
            unit=measure_of(condition.measure).unit,
            value=_known(columns[condition.measure]),
            side=condition.side,
            bound=condition.bound,
            is_met=bool(meets([condition], columns, 1)[0]),
        )
        for condition in conditions
    )


def _missed(
    axis: AxisModel,
    rules: RuleList,
    before: Sequence[SegmentRule],
    columns: Columns,
    measure_of: MeasureOf,
) -> Iterator[tuple[float, RuleAnswer]]:
    """Rules that miss one figure by little, with the way to its bound.

    Of a tier only what it asks beside its cut, however far away: the cut is in `tier`.
    """
    main = rules.ladder.measure if rules.ladder else None
    for rule in before:
        for conditions in rule.any_of:
            asked = asked_of(conditions, columns, measure_of)
            short = [one for one in asked if not one.is_met]
            if len(short) != 1 or short[0].value is None:
                continue
            way = abs(short[0].value - short[0].bound) / max(abs(short[0].bound), 1e-9)
            is_shown = way <= _NEARLY if rule.tier is None else short[0].measure != main
            if is_shown:
                yield way, RuleAnswer(axis.segments[rule.segment].name, asked)


def _tier(ladder: Ladder, tier: int, known: Columns, filled: Columns) -> TierPlace:
    return TierPlace(
        measure=ladder.measure,
        value=_known(known[ladder.measure]),
        at_least=ladder.cuts[tier - 1] if tier else None,
        below=ladder.cuts[tier] if tier < len(ladder.cuts) else None,
        rank=float(np.clip(ladder.rank(filled[ladder.measure])[0], 0.0, 1.0)),
    )


def _known(values: Floats) -> float | None:
    value = float(values[0])
    return None if math.isnan(value) else value
