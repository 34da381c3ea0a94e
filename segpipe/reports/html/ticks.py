"""Where a value lies along a chart's edge, and the round figures that are written there.

Takes a measure with the transform that its axis uses; gives positions from 0 to 1 and ticks. What
clustering clips is at the edge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segpipe.axes import Measure
from segpipe.axes.figures import format_value
from segpipe.model.preprocessing import transformed

_LADDERS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))  # of a decade, from coarse to fine
_DECADES = range(-3, 10)
_MIN_TICKS = 3


@dataclass(frozen=True)
class Tick:
    """A round figure and its place, 0 to 1 of the edge."""

    at: float
    label: str


@dataclass(frozen=True)
class Edge:
    """One direction of a chart: a measure between two values of its transform."""

    measure: Measure
    transform: str
    low: float
    high: float

    def place(self, value: float) -> float:
        """Position of a value of the measure, 0 to 1; values beyond the ends are at the ends."""
        inner = (self._inner(value) - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, inner))

    def holds(self, value: float) -> bool:
        """Whether the value lies between the ends."""
        slack = 1e-9 * (self.high - self.low)
        return self.low - slack <= self._inner(value) <= self.high + slack

    def ticks(self, room: float, *, is_upright: bool) -> tuple[Tick, ...]:
        """Round figures in order, as many as their labels have room for (in units of the text)."""
        wanted = [value for value in self._round_values() if self.holds(value)]
        ticks = sorted((Tick(self.place(v), tick_label(v, self.measure)) for v in wanted), key=_at)
        return _thinned(ticks, room, is_upright=is_upright)

    def _inner(self, value: float) -> float:
        return float(transformed(np.asarray(value), self.transform))

    def _outer(self, inner: float) -> float:
        if self.transform == "identity":
            return inner
        return math.copysign(math.expm1(abs(inner)), inner)

    def _round_values(self) -> Sequence[float]:
        if self.measure.format == "times" and self.transform == "identity":
            ends = math.exp(self.low), math.exp(self.high)
            return [math.log(v) for v in _ladder_values(*ends) or linear_values(*ends) if v > 0]
        ends = self._outer(self.low), self._outer(self.high)
        if self.transform == "identity":
            return linear_values(*ends)
        return _ladder_values(*ends) or linear_values(*ends)


def edge_of(measure: Measure, scale: Mapping[str, Any] | None, values: Sequence[float]) -> Edge:
    """The edge between the bounds of the model's scale, or where it has none, of the values."""
    if scale is not None:
        return Edge(measure, scale["transform"], scale["low"], scale["high"])
    low, high = min(values, default=0.0), max(values, default=1.0)
    return Edge(measure, "identity", low, high if high > low else low + 1.0)


def tick_label(value: float, measure: Measure) -> str:
    """The figure as everywhere, but short: 3× for 3.00 times, 20k for 20,000."""
    if measure.format not in ("percent", "signed_percent", "times"):
        for size, letter in ((1e6, "M"), (1e3, "k")):
            if abs(value) >= 10 * size or abs(value) >= size == 1e6:
                return f"{value / size:g}{letter}"
    figure, times, _ = format_value(value, measure).partition(" times")
    short = figure.rstrip("0").removesuffix(".") if "." in figure else figure
    return short + ("×" if times else "")


def linear_values(low: float, high: float) -> list[float]:
    """Two to six multiples of 1, 2 or 5 of a power of ten between the ends, at even steps."""
    span = high - low
    if not span > 0:
        return [low]
    raw = span / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if raw <= m * power * (1 + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _ladder_values(low: float, high: float) -> list[float]:
    """0 and 1, 2, 5 … of each power of ten between the ends; none where these are too near."""
    for ladder in _LADDERS:
        steps = [step * 10.0**decade for decade in _DECADES for step in ladder]
        values = [*(-step for step in steps), 0.0, *steps]
        within = [round(value, 12) for value in values if low <= value <= high]
        if sum(abs(value) >= 1 for value in within) >= _MIN_TICKS:
            return within
    return []


def _thinned(ticks: Sequence[Tick], room: float, *, is_upright: bool) -> tuple[Tick, ...]:
    """Without ticks whose label would touch the one kept before; 0 is always kept."""
    kept: list[Tick] = []
    for tick in ticks:
        while kept and tick.label == "0" and _touches(kept[-1], tick, room, is_upright=is_upright):
            kept.pop()
        if not kept or not _touches(kept[-1], tick, room, is_upright=is_upright):
            kept.append(tick)
    return tuple(kept)


def _touches(first: Tick, second: Tick, room: float, *, is_upright: bool) -> bool:
    characters = 3 if is_upright else (len(first.label) + len(second.label)) / 2 + 2
    return tick_gap(first, second) * room < characters


def tick_gap(first: Tick, second: Tick) -> float:
    """Share of the edge between two ticks."""
    return second.at - first.at


def _at(tick: Tick) -> float:
    return tick.at
