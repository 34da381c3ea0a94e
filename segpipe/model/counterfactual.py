"""The smallest change of one figure that would put a customer into another segment.

Takes an axis of the model and one customer's measures; gives a Flip that assignment confirms. Along
one feature the difference of two squared distances is linear, so each border is solved for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from segpipe.axes import MEASURES
from segpipe.axes.figures import next_step
from segpipe.clustering.distances import squared_distances
from segpipe.core.arrays import Floats
from segpipe.model.assign import Tally, assign_axis
from segpipe.model.document import AxisModel
from segpipe.model.preprocessing import FeatureScale, scale_matrix


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


def nearest_counterfactual(axis: AxisModel, columns: Mapping[str, Floats]) -> Counterfactual | None:
    """The flip at the least distance in standard deviations, ties in the order of the features.

    columns (1,) of a customer who has a segment. None where no single figure within the bounds
    of the scales leads to another segment.
    """
    steps = list(_steps(axis, columns))
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


def _steps(axis: AxisModel, columns: Mapping[str, Floats]) -> Iterator[_Step]:
    """For each feature, the first figures beyond the border with each other segment, nearest first.

    d(own)² - d(other)² grows with the way along a feature by `slopes` a deviation.
    """
    point = scale_matrix(columns, axis.scales)
    centroids = np.array([segment.centroid for segment in axis.segments])
    squares = squared_distances(point, centroids)[0]
    own = int(squares.argmin())
    for feature, scale in enumerate(axis.scales):
        slopes = 2 * (centroids[:, feature] - centroids[own, feature])
        gaps = (squares - squares[own])[slopes != 0]
        slopes = slopes[slopes != 0]
        with np.errstate(over="ignore"):  # segments that are all but equal on this feature
            borders = point[0, feature] + gaps / slopes
        low, high = (np.array((scale.low, scale.high)) - scale.mean) / scale.deviation
        for index in np.argsort(np.abs(borders - point[0, feature]), kind="stable"):
            if low <= borders[index] <= high:
                border = float(borders[index]) * scale.deviation + scale.mean
                yield from _reachable(feature, scale, border, is_rise=bool(slopes[index] > 0))


def _reachable(
    feature: int, scale: FeatureScale, border: float, *, is_rise: bool
) -> Iterator[_Step]:
    """Two figures, for at the very border a tie may go either way."""
    threshold = _raw(border, scale.transform)
    for skipped in (0, 1):
        value = next_step(threshold, MEASURES[scale.measure], is_rise=is_rise, skipped=skipped)
        if not math.isnan(value):
            yield _Step(feature, is_rise, value, threshold)


def _raw(value: float, transform: str) -> float:
    """The measure whose transformed value this is."""
    if transform == "identity":
        return value
    if transform == "log":
        return math.expm1(value)
    return math.copysign(math.expm1(abs(value)), value)
