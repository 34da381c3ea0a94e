"""The charts as coordinates; the template draws them and adds nothing.

Takes plain values of the report, the model and the points; gives records in the units of a
drawing of WIDTH by HEIGHT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segpipe.axes import Measure
from segpipe.reports.html.ticks import Edge, Tick, edge_of, linear_values

WIDTH, HEIGHT = 440, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 424, 22, 270  # of the plot within the drawing
_CHARACTER = 7.2  # width of a character of a label
_INSET = 8  # between the frame and the outermost points
N_COLOURS = 8
_R = 3.4  # half the size of a mark
_MARKS = (  # paths relative to their middle; every colour has a shape too
    f"m{-_R} 0a{_R} {_R} 0 1 0 {2 * _R} 0a{_R} {_R} 0 1 0 {-2 * _R} 0z",  # disc
    "m-3-3h6v6h-6z",  # square
    "m0-4.2l4 7.2h-8z",  # triangle
    "m0-4.3l4.3 4.3l-4.3 4.3l-4.3-4.3z",  # diamond
    "m-1.3-4h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z",  # plus
    "m0 4.2l-4-7.2h8z",  # triangle on its head
    "m-4-1.8h8v3.6h-8z",  # bar
    "m-1.8-4h3.6v8h-3.6z",  # post
)


@dataclass(frozen=True)
class Dot:
    """The silhouette of one K; state is chosen, accepted or rejected."""

    x: float
    y: float
    n_clusters: int
    label: str
    state: str


@dataclass(frozen=True)
class SilhouetteChart:
    """Silhouette by K."""

    zero: float
    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]  # at: y


@dataclass(frozen=True)
class Group:
    """The points of one segment, one path of marks; `colour` from 0."""

    name: str
    colour: int
    mark: str
    path: str
    n_points: int


@dataclass(frozen=True)
class ScatterChart:
    """Customers of the sample on two measures; ticks lie at x and at y."""

    x_label: str
    y_label: str | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    groups: tuple[Group, ...]
    n_points: int


def colour_of(index: int) -> int:
    """Colour of the segment at that place in the model."""
    return index % N_COLOURS


def mark_of(index: int) -> str:
    """Its mark; beyond eight segments a colour comes again with another one."""
    return _MARKS[(index + index // N_COLOURS) % len(_MARKS)]


def silhouette_chart(
    candidates: Sequence[Mapping[str, Any]], n_clusters: int | None
) -> SilhouetteChart | None:
    """The score of every K that was tried; None where none was."""
    if not candidates:
        return None
    scores = [candidate["silhouette"] for candidate in candidates]
    low, high = min(0.0, *scores), max(0.2, *scores) * 1.12
    step = (RIGHT - LEFT) / len(candidates)
    middles = [LEFT + step * (place + 0.5) for place in range(len(candidates))]

    def y(score: float) -> float:
        return round(float(BOTTOM - (score - low) / (high - low) * (BOTTOM - TOP)), 1)

    dots = tuple(
        Dot(round(x, 1), y(score), c["n_clusters"], f"{score:.2f}", _state(c, n_clusters))
        for x, score, c in zip(middles, scores, candidates, strict=True)
    )
    return SilhouetteChart(
        zero=y(0.0),
        dots=dots,
        ticks=tuple(Tick(y(value), f"{value:g}") for value in linear_values(low, high)),
    )


def _state(candidate: Mapping[str, Any], n_clusters: int | None) -> str:
    if candidate["n_clusters"] == n_clusters:
        return "chosen"
    return "rejected" if candidate["passed_over"] else "accepted"


def scatter_chart(
    scatter: Mapping[str, Any] | None,
    scales: Mapping[str, Mapping[str, Any]],
    names: Sequence[str],
    measure_of: Callable[[str], Measure],
) -> ScatterChart | None:
    """The points coloured by segment; None where there is none.

    scales are the model's by measure, names those of its segments.
    """
    if not scatter or not scatter["points"]:
        return None
    points = scatter["points"]
    x, y = scatter["x"], scatter["y"]
    across = edge_of(measure_of(x), scales.get(x), [point[0] for point in points])
    up = edge_of(measure_of(y), scales.get(y), [point[1] for point in points]) if y else None
    places: dict[int, list[tuple[float, float]]] = {}
    for number, point in enumerate(points):
        # An axis of one feature is spread evenly over the height, which then has no meaning.
        height = up.place(point[1]) if up else number * 0.618034 % 1
        places.setdefault(int(point[2]), []).append((_x(across.place(point[0])), _y(height)))
    largest_first = sorted(places, key=lambda index: (-len(places[index]), index))
    return ScatterChart(
        x_label=measure_of(x).label,
        y_label=measure_of(y).label if y else None,
        x_ticks=_ticks(across, is_upright=False),
        y_ticks=_ticks(up, is_upright=True) if up else (),
        groups=tuple(_group(index, places[index], names) for index in largest_first),
        n_points=len(points),
    )


def _group(index: int, places: Sequence[tuple[float, float]], names: Sequence[str]) -> Group:
    mark = mark_of(index)
    path = "".join(f"M{x:g} {y:g}{mark}" for x, y in places)
    name = names[index] if index < len(names) else str(index)
    return Group(name, colour_of(index), mark, path, len(places))


def _ticks(edge: Edge, *, is_upright: bool) -> tuple[Tick, ...]:
    length = (BOTTOM - TOP if is_upright else RIGHT - LEFT) - 2 * _INSET
    place = _y if is_upright else _x
    ticks = edge.ticks(length / _CHARACTER, is_upright=is_upright)
    return tuple(Tick(place(tick.at), tick.label) for tick in ticks)


def _x(place: float) -> float:
    return round(LEFT + _INSET + place * (RIGHT - LEFT - 2 * _INSET), 1)


def _y(place: float) -> float:
    return round(BOTTOM - _INSET - place * (BOTTOM - TOP - 2 * _INSET), 1)
