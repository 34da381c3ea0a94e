"""Places, ticks and colours of the charts."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import segpipe.reports.html
from segpipe.axes import MEASURES
from segpipe.core.text import percent
from segpipe.reports.html import charts
from segpipe.reports.html.heat import deviation, step_of
from segpipe.reports.html.ticks import Edge, edge_of, linear_values, tick_label

CSS = (Path(segpipe.reports.html.__file__).parent / "page.css").read_text(encoding="utf-8")
ROOM = 48.0  # characters along a chart's lower edge
TRANSFORMS = st.sampled_from(["identity", "log", "signed_log"])


def labels(edge: Edge, *, is_upright: bool = False) -> list[str]:
    return [tick.label for tick in edge.ticks(ROOM, is_upright=is_upright)]


def edge(measure: str, transform: str, low: float, high: float) -> Edge:
    return Edge(MEASURES[measure], transform, low, high)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (edge("weekend_order_share", "identity", 0, 1), ["0%", "20%", "40%", "60%", "80%", "100%"]),
        (edge("lifetime_value", "signed_log", 0, 9), ["0", "1", "10", "100", "1,000"]),
        (edge("lifetime_value", "signed_log", 7, 14), ["10k", "100k", "1M"]),
        (edge("price_position", "identity", -0.7, 0.7), ["0.5×", "1×", "1.5×", "2×"]),
        (edge("n_categories", "log", 1.2, 1.7), ["2.5", "3", "3.5", "4"]),
        (edge("gap_trend", "identity", -0.1, 0.1), ["-10%", "-5%", "0%", "+5%", "+10%"]),
    ],
)
def test_ticks_are_round_figures_in_the_units_of_the_measure(
    found: Edge, expected: list[str]
) -> None:
    assert labels(found) == expected


@given(TRANSFORMS, st.floats(-8, 14), st.floats(0.05, 12))
def test_ticks_lie_within_the_edge_in_order_and_apart(
    transform: str, low: float, span: float
) -> None:
    start = max(low, 0.0) if transform == "log" else low
    found = edge("lifetime_value", transform, start, start + span)
    ticks = found.ticks(ROOM, is_upright=False)
    assert ticks
    for first, second in itertools.pairwise(ticks):
        needed = (len(first.label) + len(second.label)) / 2
        assert (second.at - first.at) * ROOM >= needed
    assert all(0 <= tick.at <= 1 for tick in ticks)


@given(TRANSFORMS, st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=5))
def test_more_of_a_measure_never_lies_further_back(transform: str, figures: list[float]) -> None:
    found = edge("lifetime_value", transform, 0.0, 9.0)
    places = [found.place(figure) for figure in sorted(figures)]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)


def test_without_a_scale_the_edge_holds_the_values() -> None:
    found = edge_of(MEASURES["lifetime_value"], None, [3.0, 5.0])
    assert (found.place(3.0), found.place(4.0), found.place(5.0)) == (0.0, 0.5, 1.0)
    assert edge_of(MEASURES["lifetime_value"], None, [3.0, 3.0]).place(3.0) == 0.0


def test_linear_values_step_by_one_two_or_five() -> None:
    assert linear_values(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert linear_values(-0.1, 0.21) == [-0.1, 0, 0.1, 0.2]
    assert linear_values(3, 3) == [3]


def test_large_ticks_are_short() -> None:
    amounts = (0, 500, 2000, 30_000, 1_500_000)
    labels = [tick_label(amount, MEASURES["lifetime_value"]) for amount in amounts]
    assert labels == ["0", "500", "2,000", "30k", "1.5M"]


def test_the_deviation_is_that_of_clustering() -> None:
    scale = {"transform": "identity", "fill": 10.0, "low": 0.0, "high": 20.0, "deviation": 4.0}
    assert deviation(16.0, scale) == 1.5
    assert deviation(1000.0, scale) == 2.5  # clipped, as the customer is
    bounds = (-9, -1.25, -0.75, -0.2, 0, 0.24, 0.25, 1.0, 1.25, 1.75)
    assert [step_of(z) for z in bounds] == [-4, -3, -2, 0, 0, 0, 1, 2, 3, 4]


def test_no_two_of_many_segments_look_the_same() -> None:
    looks = {(charts.colour_of(i), charts.mark_of(i)) for i in range(20)}
    assert len(looks) == 20
    assert len({charts.colour_of(i) for i in range(8)}) == 8
    assert len({charts.mark_of(i) for i in range(8)}) == 8


def palette(theme: str) -> dict[str, str]:
    light, dark = CSS.split("@media screen and (prefers-color-scheme: dark)")
    part = light if theme == "light" else dark.split("* {")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out_from_the_card_and_text_can_be_read_on_them(theme: str) -> None:
    colours = palette(theme)
    for number in range(charts.N_COLOURS):
        assert contrast(colours[f"s{number}"], colours["card"]) >= 3
    for name in ("text", "muted", "link", "good", "fair"):
        assert contrast(colours[name], colours["card"]) >= 4.5
    inks = {"low4": "ink-far", "low3": "ink-low3", "high3": "ink-high3", "high4": "ink-far"}
    for name in ("low4", "low3", "low2", "low1", "mid", "high1", "high2", "high3", "high4"):
        assert contrast(colours[name], colours[inks.get(name, "ink")]) >= 4.5


def test_a_share_is_never_rounded_to_nobody_or_to_everybody() -> None:
    shares = (0, 0.0004, 0.051, 0.26, 0.9951, 0.99999, 1)
    shown = [percent(share) for share in shares]
    assert shown == ["0%", "<0.1%", "5.1%", "26%", "99.5%", "99.9%", "100%"]
