"""The smallest change of one figure that would put a customer into another segment.

Takes an axis of the model and one customer's measures; gives a Counterfactual that assignment
confirms. The axis's partition says where the borders are along each feature.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from segpipe.axes import Measure
from segpipe.axes.figures import next_step
from segpipe.core.arrays import Floats
from segpipe.model.assign import Tally, assign_axis
from segpipe.model.document import AxisModel
from segpipe.model.preprocessing import scale_matrix


@dataclass(frozen=True)
class Counterfactual:
    """One figure, changed to `value` with all others as they are, gives the named segment."""

    measure: str
    is_rise: bool
    value: float  # that a customer can come to, such as whole orders
    threshold: float  # the border itself, before rounding
    segment: str


@dataclass(frozen=True)
class _Step:
    feature: int
    is_rise: bool
    value: float
    threshold: float


def nearest_counterfactual(
    axis: AxisModel, columns: Mapping[str, Floats], measure_of: Callable[[str], Measure]
) -> Counterfactual | None:
    """The change at the least distance in standard deviations, ties in the order of the features.

    columns (1,) of a customer who has a segment. None where no single figure within the bounds
    of the scales leads to another segment.
    """
    steps = list(_steps(axis, columns, measure_of))
    if not steps:
        return None
    changed = {measure: np.repeat(values, len(steps)) for measure, values in columns.items()}
    for row, step in enumerate(steps):
        changed[axis.scales[step.feature].measure][row] = step.value
    codes, _ = assign_axis(axis, changed, len(steps), Tally())
    own, _ = assign_axis(axis, columns, 1, Tally())
    ways = np.abs(scale_matrix(changed, axis.scales) - scale_matrix(columns, axis.scales))
    ways = ways.max(axis=1)  # all but one are 0
    # Codes of segments come before those of states.
    ways[(codes == own[0]) | (codes >= len(axis.segments))] = np.inf
    best = int(ways.argmin())
    if not np.isfinite(ways[best]):
        return None
    step = steps[best]
    name = axis.segments[codes[best]].name
    measure = axis.scales[step.feature].measure
    return Counterfactual(measure, step.is_rise, step.value, step.threshold, name)


def _steps(
    axis: AxisModel, columns: Mapping[str, Floats], measure_of: Callable[[str], Measure]
) -> Iterator[_Step]:
    """For each feature, the first figures beyond its borders with other segments, nearest first.

    Two figures a border, for at the border itself a tie may go either way.
    """
    assert axis.partition  # noqa: S101 - the customer has a segment
    point = scale_matrix(columns, axis.scales)[0]
    for feature, scale in enumerate(axis.scales):
        measure = measure_of(scale.measure)
        low, high = (np.array((scale.low, scale.high)) - scale.mean) / scale.deviation
        borders = axis.partition.borders(point, feature)
        for place, is_rise in zip(borders.places.tolist(), borders.is_rise.tolist(), strict=True):
            if not low <= place <= high:
                continue
            threshold = _raw(place * scale.deviation + scale.mean, scale.transform)
            for skipped in (0, 1):
                value = next_step(threshold, measure, is_rise=is_rise, skipped=skipped)
                if not math.isnan(value):
                    yield _Step(feature, is_rise, value, threshold)


def _raw(value: float, transform: str) -> float:
    """The measure whose transformed value this is."""
    if transform == "identity":
        return value
    if transform == "log":
        return math.expm1(value)
    return math.copysign(math.expm1(abs(value)), value)
