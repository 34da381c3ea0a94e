"""The heat map: what the median customer of each segment does, beside the shop's.

Takes the scales and segments of an axis's model; gives cells with the figure as a marketer reads
it and the step of its colour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segpipe.axes import Measure
from segpipe.axes.figures import format_value
from segpipe.model.preprocessing import transformed

_STEPS = (0.25, 0.75, 1.25, 1.75)  # standard deviations at which the next colour begins


@dataclass(frozen=True)
class Column:
    """A measure, and the shop's median of it."""

    measure: str
    label: str
    definition: str
    shop_median: str | None  # None: without scales


@dataclass(frozen=True)
class Cell:
    """The segment's median; step -4 (far below the shop's) to 4 (far above)."""

    figure: str
    step: int
    distance: str  # in words: 1.2 standard deviations above it


@dataclass(frozen=True)
class Row:
    """A segment by its place in the model, and its cells in the order of the columns."""

    name: str
    index: int
    cells: tuple[Cell | None, ...]  # None: nobody of the segment has the figure


@dataclass(frozen=True)
class HeatMap:
    """Segments by measures."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    is_coloured: bool = True  # by the distance to the shop's median


def heat_map(axis: Mapping[str, Any], measure_of: Callable[[str], Measure]) -> HeatMap | None:
    """The heat map of an axis of the model document; None where it has no segments.

    Tiers and rules have no scales to colour by, and then the figures stand alone.
    """
    segments = [segment for segment in axis["segments"] if segment.get("medians")]
    if not segments:
        return None
    scales = axis["scales"]
    if not scales:
        return _figures(axis["segments"], measure_of)
    return HeatMap(
        tuple(_column(scale, measure_of(scale["measure"])) for scale in scales),
        tuple(
            Row(segment["name"], index, _cells(segment["medians"], scales, measure_of))
            for index, segment in enumerate(axis["segments"])
            if segment.get("medians")
        ),
    )


def _figures(
    segments: Sequence[Mapping[str, Any]], measure_of: Callable[[str], Measure]
) -> HeatMap:
    names = dict.fromkeys(name for segment in segments for name in segment.get("medians", {}))
    measures = [measure_of(name) for name in names]
    return HeatMap(
        tuple(Column(one.name, one.label, one.definition, None) for one in measures),
        tuple(
            Row(
                segment["name"],
                index,
                tuple(
                    Cell(format_value(segment["medians"][one.name], one), 0, "")
                    if one.name in segment["medians"]
                    else None
                    for one in measures
                ),
            )
            for index, segment in enumerate(segments)
            if segment.get("medians")
        ),
        is_coloured=False,
    )


def deviation(value: float, scale: Mapping[str, Any]) -> float:
    """How far the value lies from the shop's median, in the standard deviations of clustering."""
    ends = np.clip(
        transformed(np.array([value, scale["fill"]]), scale["transform"]),
        scale["low"],
        scale["high"],
    )
    return float((ends[0] - ends[1]) / scale["deviation"])


def step_of(deviations: float) -> int:
    """Step of the colour, -4 to 4; 0 is near the shop's median."""
    size = sum(abs(deviations) >= bound for bound in _STEPS)
    return size if deviations > 0 else -size


def _column(scale: Mapping[str, Any], measure: Measure) -> Column:
    median = format_value(scale["fill"], measure)
    return Column(measure.name, measure.label, measure.definition, median)


def _cells(
    medians: Mapping[str, float],
    scales: Sequence[Mapping[str, Any]],
    measure_of: Callable[[str], Measure],
) -> tuple[Cell | None, ...]:
    return tuple(
        _cell(medians[scale["measure"]], scale, measure_of(scale["measure"]))
        if scale["measure"] in medians
        else None
        for scale in scales
    )


def _cell(value: float, scale: Mapping[str, Any], measure: Measure) -> Cell:
    away = deviation(value, scale)
    side = "above" if away > 0 else "below"
    near = f"{abs(away):.1f}" == "0.0"
    distance = "at the shop's median" if near else f"{abs(away):.1f} standard deviations {side} it"
    return Cell(format_value(value, measure), step_of(away), distance)
