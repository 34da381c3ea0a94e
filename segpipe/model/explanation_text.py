"""The explanation of one axis in plain words, a line a thought."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from segpipe.axes import Measure
from segpipe.axes.figures import bound_text, describe_value, format_value, next_step
from segpipe.core.text import strength_text
from segpipe.model.counterfactual import Counterfactual
from segpipe.model.explanation import Asked, AxisExplanation, Figure, TierPlace

MeasureOf = Callable[[str], Measure]
_NOTABLE = 0.1  # of all that speaks for the segment
_SHOWN_FOR = 3
_SHOWN_AGAINST = 2


def explanation_lines(explanation: AxisExplanation, measure_of: MeasureOf) -> list[str]:
    """The explanation in plain words; the first line is the head.

    `measure_of` is that of the model which was explained.
    """
    if explanation.kind != "segment":
        return list(_state_lines(explanation, measure_of))
    runner_up = explanation.runner_up
    sure = f"strength {strength_text(explanation.strength)}"
    if runner_up:
        sure += f"; next {runner_up.segment}, {strength_text(runner_up.membership)}"
    lines = [f"{explanation.axis}: {explanation.name} ({sure})"]
    if explanation.meaning:
        lines.append(f"such customers {explanation.meaning}")
    if explanation.rule:
        lines += _rule_lines(explanation, measure_of)
    else:
        lines += _group_lines(explanation, measure_of)
    return [*lines, _flip_text(explanation.flip, measure_of)]


def _state_lines(explanation: AxisExplanation, measure_of: MeasureOf) -> Iterator[str]:
    ends = f": {explanation.ends_with} would end this" if explanation.ends_with else ""
    yield f"{explanation.axis}: {explanation.name}"
    if explanation.reason:
        yield f"{explanation.reason}{ends}"
    if explanation.otherwise:
        yield explanation.otherwise
    yield from _nearly_lines(explanation, measure_of)
    if explanation.flip:
        yield _flip_text(explanation.flip, measure_of)


def _rule_lines(explanation: AxisExplanation, measure_of: MeasureOf) -> Iterator[str]:
    tier, rule = explanation.tier, explanation.rule
    if tier:
        measure = measure_of(tier.measure)
        yield f"{_stated(tier.value, measure)}; {_tier_text(tier, measure)}"
        if tier.value is not None:
            yield f"a higher figure than {tier.rank:.0%} of customers have"
    asked = [one for one in rule.asked if not tier or one.measure != tier.measure] if rule else []
    for one in asked:
        yield f"for it: {_asked_text(one, measure_of)}"
    if not (tier or asked):
        yield "for it: no other rule of the axis holds"
    yield from _nearly_lines(explanation, measure_of)


def _nearly_lines(explanation: AxisExplanation, measure_of: MeasureOf) -> Iterator[str]:
    for rule in explanation.nearly:
        short = next(one for one in rule.asked if not one.is_met)
        yield f"not {rule.segment}: {_asked_text(short, measure_of)}"


def _asked_text(asked: Asked, measure_of: MeasureOf) -> str:
    measure = measure_of(asked.measure)
    bound = bound_text(asked.side, asked.bound, measure)
    return f"{_stated(asked.value, measure)} ({bound} is asked)"


def _stated(value: float | None, measure: Measure) -> str:
    if value is None:
        return f"{measure.label}: unknown, the shop median stands in"
    return describe_value(value, measure)


def _tier_text(tier: TierPlace, measure: Measure) -> str:
    # A customer is in the tier from the first figure on that is displayed as at or above the cut.
    end = tier.below
    if end is not None and tier.value is not None and tier.value >= end:
        end = None  # the next tier asks for more than its cut
    ends = [
        None if cut is None else _plain_figure(next_step(cut, measure, is_rise=True), measure)
        for cut in (tier.at_least, end)
    ]
    if ends[0] is None:
        return "everybody is in this tier" if ends[1] is None else f"the tier is below {ends[1]}"
    if ends[1] is None:
        return f"the tier begins at {ends[0]}"
    return f"the tier is from {ends[0]} to below {ends[1]}"


def _plain_figure(value: float, measure: Measure) -> str:
    return bound_text("at_least", value, measure).removesuffix(" or more")


def _group_lines(explanation: AxisExplanation, measure_of: MeasureOf) -> Iterator[str]:
    enough = _NOTABLE * sum(figure.weight for figure in explanation.figures if figure.weight > 0)
    speaking = [f for f in explanation.figures if abs(f.weight) >= enough and f.weight]
    in_favour = [figure for figure in speaking if figure.weight > 0][:_SHOWN_FOR]
    against = [figure for figure in reversed(speaking) if figure.weight < 0][:_SHOWN_AGAINST]
    for figure in in_favour:
        yield f"for it: {_compared(figure, explanation, measure_of)}"
    for figure in against:
        yield f"against it: {_compared(figure, explanation, measure_of)}"
    for asked in (one for one in explanation.named_by if one.value is not None):
        agrees = "as its name says" if asked.is_met else "unlike most of the segment"
        yield f"{agrees}: {_asked_text(asked, measure_of)}"


def _compared(figure: Figure, explanation: AxisExplanation, measure_of: MeasureOf) -> str:
    measure = measure_of(figure.measure)
    medians = [("shop median", figure.shop_median), (explanation.name, figure.segment_median)]
    if explanation.runner_up:
        medians.append((explanation.runner_up.segment, figure.runner_up_median))
    others = ", ".join(f"{who} {format_value(m, measure)}" for who, m in medians if m is not None)
    if figure.value is None:
        return f"{figure.label}: unknown, the shop median stands in ({others})"
    return f"{describe_value(figure.value, measure)} ({others})"


def _flip_text(flip: Counterfactual | None, measure_of: MeasureOf) -> str:
    if flip is None:
        return "no single figure, changed alone, would lead to another segment"
    change = _change_text(flip.value, flip.now, measure_of(flip.measure), is_rise=flip.is_rise)
    along = [
        _change_text(one.value, one.now, measure_of(one.measure), is_rise=one.value > one.now)
        for one in flip.along
    ]
    with_it = f", and so {' and '.join(along)}" if along else ""
    return f"would be {flip.segment} with {change}{with_it}, all else as it is"


def _change_text(value: float, now: float | None, measure: Measure, *, is_rise: bool) -> str:
    had = "unknown" if now is None else format_value(now, measure)
    bound = bound_text("at_least" if is_rise else "at_most", value, measure)
    return f"{measure.label}: {bound} (now {had})"
