"""Why a customer is where they are, from their own figures and the model document alone.

Takes a model and one customer's measures; gives an AxisExplanation an axis, which
`explanation_text` puts into words. The segment and its strength are those of assignment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from segpipe.axes import Condition, Eligibility, Measure
from segpipe.axes.figures import (
    bound_text,
    describe_value,
    format_exact,
    format_value,
    next_step,
    phrase_for,
)
from segpipe.clustering.base import Partition
from segpipe.core.arrays import Floats
from segpipe.core.errors import InputError
from segpipe.core.schema import OUTLOOK_METRICS
from segpipe.core.suggestions import did_you_mean
from segpipe.model.assign import Tally, as_published, assign_axis
from segpipe.model.counterfactual import nearest_counterfactual
from segpipe.model.derived import derive, inputs_of
from segpipe.model.document import AxisModel, Model, Segment, measures_of
from segpipe.model.explain_rules import asked_of, explain_rules
from segpipe.model.explanation import AxisExplanation, Figure, RunnerUp
from segpipe.model.outlook import HORIZON_DAYS, NO_OUTLOOK, OUTLOOK_MEASURES, outlook_metrics
from segpipe.model.preprocessing import FeatureScale, failed_rules, scale_matrix
from segpipe.model.rules import RuleList

MeasureOf = Callable[[str], Measure]


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
    if (
        math.isnan(risk)
        and math.isnan(value)
        and model.outlook.reason == model.outlook.value_reason
    ):
        return _no_outlook(model.outlook.reason)
    habits = " and ".join(
        describe_value(float(columns[name][0]), model.measure(name))
        for name in ("recency_days", "n_occasions")
    )
    text = (
        f"churn risk {risk:.2f} of 1: a customer who {habits} does not order in the next"
        f" {HORIZON_DAYS} days in {100 * risk:.0f} of 100 cases"
    )
    text = f"no churn risk: {model.outlook.reason}" if math.isnan(risk) else text
    expected = f"expected value {value:,.2f}"
    expected = f"no expected value: {model.outlook.value_reason}" if math.isnan(value) else expected
    known = {name: None if math.isnan(figure) else figure for name, figure in found.items()}
    return {**known, "text": f"{text}; {expected}"}


def _no_outlook(reason: str | None) -> dict[str, float | str | None]:
    return {
        **dict.fromkeys(OUTLOOK_METRICS),
        "text": f"no churn risk and no expected value: {reason}",
    }


def _explain_axis(
    axis: AxisModel, measures: Mapping[str, float | None], measure_of: MeasureOf
) -> AxisExplanation:
    claimed = [condition.measure for segment in axis.segments for condition in segment.holds]
    names = inputs_of([*measures_of([axis]), *claimed])
    columns = {name: np.array([_number(measures.get(name))]) for name in names}
    codes, strengths = assign_axis(axis, columns, 1, Tally())
    name, strength = axis.vocabulary()[codes[0]], float(as_published(strengths)[0])
    if axis.partition and codes[0] < len(axis.segments):
        return _explain_group(axis, axis.partition, strength, columns, measure_of)
    asked = derive(columns, measures_of([axis]), axis.priors)
    failed = int(failed_rules(asked, axis.eligibility, 1)[0])
    if failed >= 0:
        return _explain_state(axis, axis.eligibility[failed], columns, measure_of)
    if axis.rules:
        return _explain_rules(axis, axis.rules, (name, strength), columns, measure_of)
    reason = axis.reason or axis.verdict
    return AxisExplanation(axis.name, "no answer", name, strength, reason=reason)


def _explain_rules(
    axis: AxisModel,
    rules: RuleList,
    found: tuple[str, float],
    columns: Mapping[str, Floats],
    measure_of: MeasureOf,
) -> AxisExplanation:
    """The rule or tier that gave the name and strength `found`, or the state where none holds."""
    name, strength = found
    meanings = {segment.name: segment.meaning for segment in axis.segments}
    parts = explain_rules(axis, rules, columns, measure_of)
    has_rule = "rule" in parts
    return AxisExplanation(
        axis=axis.name,
        kind="segment" if has_rule else "state",
        name=name,
        strength=strength,
        meaning=meanings[name] if has_rule else "",
        reason=None if has_rule else "no rule of the axis holds",
        flip=nearest_counterfactual(axis, columns, measure_of),
        **parts,
    )


def _explain_state(
    axis: AxisModel, rule: Eligibility, columns: Mapping[str, Floats], measure_of: MeasureOf
) -> AxisExplanation:
    """What is missing for a segment, and with which figure the state would be another one."""
    names = [rule.measure, *(condition.measure for condition in rule.only)]
    own = derive(columns, names, axis.priors)
    reason, ends_with = _shortfall(rule, float(own[rule.measure][0]), measure_of(rule.measure))
    others = [_other_state(axis, rule, one, columns, measure_of) for one in rule.only]
    return AxisExplanation(
        axis.name,
        "state",
        rule.state,
        1.0,
        reason=reason,
        ends_with=ends_with,
        otherwise=next((text for text in others if text), None),
    )


def _other_state(
    axis: AxisModel,
    rule: Eligibility,
    condition: Condition,
    columns: Mapping[str, Floats],
    measure_of: MeasureOf,
) -> str | None:
    """The state that the customer would have beyond a bound of this one: with 3 or more orders."""
    measure = measure_of(condition.measure)
    if condition.measure not in columns:  # derived: no single figure to change
        return None
    is_rise = condition.side in ("below", "at_most")
    skipped = int(condition.side in ("at_most", "at_least"))
    beyond = next_step(condition.bound, measure, is_rise=is_rise, skipped=skipped)
    changed = {**columns, condition.measure: np.array([beyond])}
    name = axis.vocabulary()[assign_axis(axis, changed, 1, Tally())[0][0]]
    if name == rule.state:
        return None
    bound = bound_text("at_least" if is_rise else "at_most", beyond, measure)
    now = describe_value(float(columns[condition.measure][0]), measure)
    return f"{now}; would be {name} with {measure.label}: {bound}"


def _explain_group(
    axis: AxisModel,
    partition: Partition,
    strength: float,
    columns: Mapping[str, Floats],
    measure_of: MeasureOf,
) -> AxisExplanation:
    own = derive(columns, [scale.measure for scale in axis.scales], axis.priors)
    standing = partition.standing(scale_matrix(own, axis.scales)[0])
    has_other = standing.runner_up is not None
    segment = axis.segments[standing.own]
    runner_up = segment if standing.runner_up is None else axis.segments[standing.runner_up]
    figures = [
        _figure(axis.scales[feature], own, segment, runner_up, weight, measure_of)
        for feature, weight in sorted(enumerate(standing.weights.tolist()), key=lambda f: -f[1])
    ]
    return AxisExplanation(
        axis=axis.name,
        kind="segment",
        name=segment.name,
        strength=strength,
        meaning=segment.meaning,
        runner_up=_runner_up(runner_up, standing.runner_up_strength) if has_other else None,
        figures=tuple(figures),
        named_by=asked_of(
            segment.holds,
            derive(columns, [condition.measure for condition in segment.holds], axis.priors),
            measure_of,
        ),
        flip=nearest_counterfactual(axis, columns, measure_of),
    )


def _runner_up(segment: Segment, strength: float) -> RunnerUp:
    return RunnerUp(segment.name, float(as_published(np.array(strength))))


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


def _number(value: float | None) -> float:
    return math.nan if value is None else value
