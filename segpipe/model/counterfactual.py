"""The smallest change of one figure that would put a customer into another segment.

Takes an axis of the model and one customer's raw measures; gives a Counterfactual that assignment
confirms. A partition says where its borders are along each raw feature; of rules, tiers and derived
features the raw measures behind them are tried one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from segpipe.axes import Measure
from segpipe.axes.figures import next_step
from segpipe.clustering.base import Partition
from segpipe.core.arrays import Codes, Flags, Floats
from segpipe.model.assign import Tally, assign_axis
from segpipe.model.derived import derive, inputs_of
from segpipe.model.document import UNAVAILABLE, AxisModel
from segpipe.model.preprocessing import scale_matrix
from segpipe.model.raw_steps import Steps, raw_steps
from segpipe.model.rules import RuleList

MeasureOf = Callable[[str], Measure]


@dataclass(frozen=True)
class MovedAlong:
    """A figure that has to change with another: days that leave the other half of the time."""

    measure: str
    value: float
    now: float


@dataclass(frozen=True)
class Counterfactual:
    """One figure, changed to `value`, gives the named segment.

    All others are as they are, but for those that are `along`.
    """

    measure: str
    is_rise: bool
    value: float  # that a customer can come to, such as whole orders
    threshold: float  # the border itself, before rounding
    segment: str
    now: float | None = None  # the customer's own figure; None: unknown
    along: tuple[MovedAlong, ...] = ()


def nearest_counterfactual(
    axis: AxisModel, columns: Mapping[str, Floats], measure_of: MeasureOf
) -> Counterfactual | None:
    """The smallest change, ties in the order of the measures.

    Of a partition in standard deviations of its features, of rules against the size of the figure:
    the whole of which it is a part, or itself. columns (1,) of a customer who has a segment, or for
    whom no rule holds. None where no single figure leads elsewhere.
    """
    own = assign_axis(axis, columns, 1, Tally())[0][0]
    best: tuple[float, Counterfactual] | None = None
    for steps in _steps(axis, columns, measure_of):
        n_rows = len(steps.values)
        if not n_rows:
            continue
        changed = {measure: np.repeat(values, n_rows) for measure, values in columns.items()}
        changed |= {steps.measure: steps.values, **steps.along}
        codes = assign_axis(axis, changed, n_rows, Tally())[0]
        ways = _ways(axis, steps, columns, changed)
        ways[(codes == own) | ~_is_named(axis, codes)] = np.inf
        place = int(ways.argmin())
        if np.isfinite(ways[place]) and (best is None or ways[place] < best[0]):
            value = float(steps.values[place])
            now = float(columns[steps.measure][0])
            best = (
                float(ways[place]),
                Counterfactual(
                    measure=steps.measure,
                    is_rise=value > steps.own,
                    value=value,
                    threshold=float(steps.thresholds[place]),
                    segment=axis.vocabulary()[codes[place]],
                    now=None if math.isnan(now) else now,
                    along=_moved_along(steps, place, columns),
                ),
            )
    return best[1] if best else None


def _moved_along(steps: Steps, place: int, columns: Mapping[str, Floats]) -> tuple[MovedAlong, ...]:
    """What differs of the other figures; one that is unknown does not change."""
    pairs = (
        (name, float(values[place]), float(columns[name][0]))
        for name, values in steps.along.items()
        if name in columns
    )
    return tuple(
        MovedAlong(*pair) for pair in pairs if not math.isnan(pair[2]) and pair[1] != pair[2]
    )


def _is_named(axis: AxisModel, codes: Codes) -> Flags:
    """Whether a code is one of a segment, or says that no rule holds: a change to it is one."""
    found: Flags = codes < len(axis.segments)  # segments come before states
    if axis.rules and axis.default_state != UNAVAILABLE:
        found |= codes == axis.vocabulary().index(axis.default_state)
    return found


def _ways(
    axis: AxisModel, steps: Steps, columns: Mapping[str, Floats], changed: Mapping[str, Floats]
) -> Floats:
    if axis.rules:
        found: Floats = np.abs(steps.values - steps.own) / steps.scale
        return found
    names = [scale.measure for scale in axis.scales]
    before = scale_matrix(derive(columns, names, axis.priors), axis.scales)
    after = scale_matrix(derive(changed, names, axis.priors), axis.scales)
    longest: Floats = np.abs(after - before).max(axis=1)
    return longest


def _steps(
    axis: AxisModel, columns: Mapping[str, Floats], measure_of: MeasureOf
) -> Iterator[Steps]:
    if axis.rules:
        yield from _rule_steps(axis.rules, columns, measure_of)
    elif axis.partition:
        names = [scale.measure for scale in axis.scales]
        derived = [name for name in names if inputs_of([name]) != (name,)]
        yield from _border_steps(axis, axis.partition, columns, measure_of)
        yield from raw_steps(inputs_of(derived), columns, {}, measure_of)


def _rule_steps(
    rules: RuleList, columns: Mapping[str, Floats], measure_of: MeasureOf
) -> Iterator[Steps]:
    names = inputs_of(rules.measures())
    bounds: dict[str, list[float]] = {}
    for rule in rules.rules:
        for condition in (one for part in rule.any_of for one in part):
            if condition.measure in names:
                bounds.setdefault(condition.measure, []).append(condition.bound)
    main = rules.ladder.measure if rules.ladder else None
    if rules.ladder and main in names:  # the shop's median stands in for an unknown figure
        columns = {**columns, rules.ladder.measure: rules.ladder.filled(columns)}
    yield from raw_steps(names, columns, bounds, measure_of)


def _border_steps(
    axis: AxisModel, partition: Partition, columns: Mapping[str, Floats], measure_of: MeasureOf
) -> Iterator[Steps]:
    """For each raw feature, the first figures beyond its borders with other segments.

    Two figures a border, for at the border itself a tie may go either way.
    """
    names = [scale.measure for scale in axis.scales]
    point = scale_matrix(derive(columns, names, axis.priors), axis.scales)[0]
    for feature, scale in enumerate(axis.scales):
        if inputs_of([scale.measure]) != (scale.measure,):
            continue
        measure = measure_of(scale.measure)
        low, high = (np.array((scale.low, scale.high)) - scale.mean) / scale.deviation
        borders = partition.borders(point, feature)
        found = []
        for place, is_rise in zip(borders.places.tolist(), borders.is_rise.tolist(), strict=True):
            if low <= place <= high:
                threshold = _raw(place * scale.deviation + scale.mean, scale.transform)
                found += [
                    (next_step(threshold, measure, is_rise=is_rise, skipped=skipped), threshold)
                    for skipped in (0, 1)
                ]
        known = [(value, threshold) for value, threshold in found if not math.isnan(value)]
        values, thresholds = np.array(known).reshape(-1, 2).T
        own = float(columns[scale.measure][0])
        yield Steps(scale.measure, scale.fill if math.isnan(own) else own, values, thresholds, 1.0)


def _raw(value: float, transform: str) -> float:
    """The measure whose transformed value this is."""
    if transform == "identity":
        return value
    if transform == "log":
        return math.expm1(value)
    return math.copysign(math.expm1(abs(value)), value)
