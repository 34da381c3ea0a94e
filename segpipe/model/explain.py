"""Why a customer is where they are, from their own figures and the model document alone.

Takes a model and one customer's measures; gives an AxisExplanation an axis, as records and, by
`explanation_lines`, in words. The segment and its strength are those of assignment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from segpipe.axes import Eligibility, Measure
from segpipe.axes.figures import describe_value, format_exact, format_value, phrase_for
from segpipe.clustering.base import Partition
from segpipe.core.arrays import Floats
from segpipe.core.errors import InputError
from segpipe.core.schema import OUTLOOK_METRICS
from segpipe.core.suggestions import did_you_mean
from segpipe.model.assign import Tally, assign_axis
from segpipe.model.counterfactual import Counterfactual, nearest_counterfactual
from segpipe.model.document import AxisModel, Model, Segment
from segpipe.model.outlook import HORIZON_DAYS, NO_OUTLOOK, OUTLOOK_MEASURES, outlook_metrics
from segpipe.model.preprocessing import FeatureScale, scale_matrix

MeasureOf = Callable[[str], Measure]
_NOTABLE = 0.1  # of all that speaks for the segment
_SHOWN_FOR = 3
_SHOWN_AGAINST = 2


@dataclass(frozen=True)
class Figure:
    """One figure of the customer, and how much it speaks for the segment."""

    measure: str
    label: str
    unit: str
    value: float | None  # None: unknown, and the shop's median stands in
    shop_median: float  # of the axis's eligible customers
    segment_median: float | None  # None where nobody has the figure
    runner_up_median: float | None
    weight: float  # squared deviations nearer to the segment than to the runner-up; < 0: against it


@dataclass(frozen=True)
class RunnerUp:
    """The next nearest segment."""

    segment: str
    membership: float  # fuzzy, 0 to 1, as strength is


@dataclass(frozen=True)
class AxisExplanation:
    """One axis: where the customer is, and why."""

    axis: str
    kind: Literal["segment", "state", "no answer"]
    name: str
    strength: float
    meaning: str = ""  # of a segment's name; empty where it is composed of figures
    reason: str | None = None  # for a state, or for no answer
    ends_with: str | None = None  # what would end a state
    runner_up: RunnerUp | None = None
    figures: tuple[Figure, ...] = ()  # by weight
    flip: Counterfactual | None = None  # None: no single figure leads to another segment


def explain(
    model: Model, measures: Mapping[str, float | None], axes: Sequence[str] | None = None
) -> tuple[AxisExplanation, ...]:
    """Explanations of the named axes, or of all, in the model's order; a missing figure is None.

    Raises InputError for an axis that the model does not have, with the names that are near.
    """
    known = [axis.name for axis in model.axes]
    for name in axes or ():
        if name not in known:
            raise InputError(f"There is no axis {name!r}. {did_you_mean(name, known)}")
    wanted = known if axes is None else axes
    return tuple(
        _explain_axis(axis, measures, model.measure) for axis in model.axes if axis.name in wanted
    )


def explanation_lines(explanation: AxisExplanation, measure_of: MeasureOf) -> list[str]:
    """The explanation in plain words, a line a thought; the first is the head.

    `measure_of` is that of the model which was explained.
    """
    if explanation.kind != "segment":
        ends = f": {explanation.ends_with} would end this" if explanation.ends_with else ""
        head = f"{explanation.axis}: {explanation.name}"
        return [head, f"{explanation.reason}{ends}"] if explanation.reason else [head]
    runner_up = explanation.runner_up
    next_one = f"; next {runner_up.segment}, {runner_up.membership:.2f}" if runner_up else ""
    lines = [
        f"{explanation.axis}: {explanation.name} (strength {explanation.strength:.2f}{next_one})"
    ]
    if explanation.meaning:
        lines.append(f"such customers {explanation.meaning}")
    enough = _NOTABLE * sum(figure.weight for figure in explanation.figures if figure.weight > 0)
    speaking = [f for f in explanation.figures if abs(f.weight) >= enough and f.weight]
    in_favour = [figure for figure in speaking if figure.weight > 0][:_SHOWN_FOR]
    against = [figure for figure in reversed(speaking) if figure.weight < 0][:_SHOWN_AGAINST]
    lines += [f"for it: {_compared(figure, explanation, measure_of)}" for figure in in_favour]
    lines += [f"against it: {_compared(figure, explanation, measure_of)}" for figure in against]
    return [*lines, _counterfactual_text(explanation, measure_of)]


def explain_outlook(
    model: Model, measures: Mapping[str, float | None]
) -> dict[str, float | str | None]:
    """Churn risk and expected value of the customer, and what customers like this one do."""
    needed = {name: measures.get(name) for name in OUTLOOK_MEASURES}
    if model.outlook is None:
        return _no_outlook(NO_OUTLOOK)
    if missing := [name for name, value in needed.items() if value is None]:
        return _no_outlook(f"the run kept no {', '.join(missing)} of the customer")
    columns = {name: np.array([_number(value)]) for name, value in needed.items()}
    found = {k: float(v[0]) for k, v in outlook_metrics(model.outlook, columns).items()}
    risk, value = (found[name] for name in OUTLOOK_METRICS)
    if math.isnan(risk):
        return _no_outlook(model.outlook.reason)
    habits = " and ".join(
        describe_value(float(columns[name][0]), model.measure(name))
        for name in ("recency_days", "n_occasions")
    )
    text = (
        f"churn risk {risk:.2f} of 1: a customer who {habits} does not order in the next"
        f" {HORIZON_DAYS} days in {100 * risk:.0f} of 100 cases; expected value {value:,.2f}"
    )
    return {**found, "text": text}


def _no_outlook(reason: str | None) -> dict[str, float | str | None]:
    return {**dict.fromkeys(OUTLOOK_METRICS), "text": f"no churn risk: {reason}"}


def _explain_axis(
    axis: AxisModel, measures: Mapping[str, float | None], measure_of: MeasureOf
) -> AxisExplanation:
    needed = [scale.measure for scale in axis.scales] + [rule.measure for rule in axis.eligibility]
    columns = {measure: np.array([_number(measures.get(measure))]) for measure in needed}
    codes, strengths = assign_axis(axis, columns, 1, Tally())
    name, strength = axis.vocabulary()[codes[0]], float(strengths[0])
    if axis.partition and codes[0] < len(axis.segments):
        return _explain_segment(axis, axis.partition, strength, columns, measure_of)
    for rule in axis.eligibility:
        value = float(columns[rule.measure][0])
        if not value >= rule.at_least:
            reason, ends_with = _shortfall(rule, value, measure_of(rule.measure))
            return AxisExplanation(
                axis.name, "state", name, strength, reason=reason, ends_with=ends_with
            )
    reason = axis.reason or axis.verdict
    return AxisExplanation(axis.name, "no answer", name, strength, reason=reason)


def _explain_segment(
    axis: AxisModel,
    partition: Partition,
    strength: float,
    columns: Mapping[str, Floats],
    measure_of: MeasureOf,
) -> AxisExplanation:
    standing = partition.standing(scale_matrix(columns, axis.scales)[0])
    has_other = standing.runner_up is not None
    segment = axis.segments[standing.own]
    runner_up = segment if standing.runner_up is None else axis.segments[standing.runner_up]
    figures = [
        _figure(axis.scales[feature], columns, segment, runner_up, weight, measure_of)
        for feature, weight in sorted(enumerate(standing.weights.tolist()), key=lambda f: -f[1])
    ]
    return AxisExplanation(
        axis=axis.name,
        kind="segment",
        name=segment.name,
        strength=strength,
        meaning=segment.meaning,
        runner_up=RunnerUp(runner_up.name, standing.runner_up_strength) if has_other else None,
        figures=tuple(figures),
        flip=nearest_counterfactual(axis, columns, measure_of),
    )


def _figure(
    scale: FeatureScale,
    columns: Mapping[str, Floats],
    segment: Segment,
    runner_up: Segment,
    weight: float,
    measure_of: MeasureOf,
) -> Figure:
    measure = measure_of(scale.measure)
    value = float(columns[scale.measure][0])
    return Figure(
        measure=measure.name,
        label=measure.label,
        unit=measure.unit,
        value=None if math.isnan(value) else value,
        shop_median=scale.fill,
        segment_median=segment.medians.get(measure.name),
        runner_up_median=runner_up.medians.get(measure.name),
        weight=weight,
    )


def _shortfall(rule: Eligibility, value: float, measure: Measure) -> tuple[str, str]:
    """What the customer has and what is needed; what would end the state."""
    needed = format_exact(rule.at_least, measure)
    if measure.unit != "count" or math.isnan(value):
        has = f"{measure.label}: {format_value(value, measure)}, and {needed} or more is needed"
        return has, f"{measure.label} of {needed} or more"
    verb = "is" if rule.at_least == 1 else "are"
    missing = rule.at_least - value
    more = f"{missing:,.0f} more{phrase_for(missing, measure).partition('{}')[2]}"
    return f"{describe_value(value, measure)}, and {needed} {verb} needed", more


def _compared(figure: Figure, explanation: AxisExplanation, measure_of: MeasureOf) -> str:
    measure = measure_of(figure.measure)
    medians = [("shop median", figure.shop_median), (explanation.name, figure.segment_median)]
    if explanation.runner_up:
        medians.append((explanation.runner_up.segment, figure.runner_up_median))
    others = ", ".join(f"{who} {format_value(m, measure)}" for who, m in medians if m is not None)
    if figure.value is None:
        return f"{figure.label}: unknown, the shop median stands in ({others})"
    return f"{describe_value(figure.value, measure)} ({others})"


def _counterfactual_text(explanation: AxisExplanation, measure_of: MeasureOf) -> str:
    flip = explanation.flip
    if flip is None:
        return "no single figure, changed alone, would lead to another segment"
    measure = measure_of(flip.measure)
    own = next(figure.value for figure in explanation.figures if figure.measure == flip.measure)
    now = "unknown" if own is None else format_value(own, measure)
    less = "fewer" if measure.unit in ("count", "days", "hours") else "less"
    bound = f"{format_exact(flip.value, measure)} or {'more' if flip.is_rise else less}"
    return f"would be {flip.segment} with {measure.label}: {bound} (now {now}), all else as it is"


def _number(value: float | None) -> float:
    return math.nan if value is None else value
