"""Which other figures a customer could have in one raw measure, all else as it is.

Takes the raw figures of one customer, shape (1,); gives Steps a measure. Counts and days go in
whole steps within what is consistent, amounts to the bounds that a rule asks for, shares along
their range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from segpipe.axes import Measure
from segpipe.axes.figures import next_step
from segpipe.core.arrays import Floats
from segpipe.model.priors import CHANNEL_KINDS, SHARES, TICKET_KINDS

MeasureOf = Callable[[str], Measure]
_MOST_COUNT = 300  # steps in a direction
_MOST_DAYS = 1500
_USUAL_DAYS = 30.0
_WHOLES: dict[str, tuple[str, ...]] = {  # part → what it is a part of
    **{share.part: (share.whole,) for share in SHARES.values()},
    "n_top_channel_orders": ("n_channel_orders",),
    "n_best_months_occasions": ("n_occasions",),
    "n_calendar_months": ("n_occasions",),
    "n_recent_occasions": ("n_occasions",),
    "n_splurge_orders": ("n_orders",),
    "n_repeated_products": ("n_products",),
    "n_deep_categories": ("n_categories",),
    "recency_days": ("tenure_days",),
}
# Kinds of one whole of which nothing is two: more of one leaves less room for the others.
_APART = (
    ("n_weekend_occasions", "n_business_hours_occasions"),
    tuple(f"n_{kind}_orders" for kind in CHANNEL_KINDS),
    tuple(f"n_{kind}_tickets" for kind in TICKET_KINDS),
)
_HALVES = {  # more in one half of the time are fewer in the other
    "n_later_occasions": "n_earlier_occasions",
    "n_earlier_occasions": "n_later_occasions",
}
_LEAST_ONE = ("n_orders", "n_occasions", "n_lines")
_MOST = {"n_calendar_months": 12.0}
_RANGES: dict[str, Floats] = {  # unit → figures as they are displayed
    "share": np.arange(1001) / 1000,
    "1 to 5": np.arange(10, 51) / 10,
    "log ratio": np.log(np.arange(20, 501) / 100),
}


@dataclass(frozen=True)
class Steps:
    """Other figures of one measure, shape (n,)."""

    measure: str
    own: float
    values: Floats
    thresholds: Floats  # the bound behind each value; the value itself where it is a step
    scale: float  # what a step is small or large against
    along: Mapping[str, Floats] = field(default_factory=dict)  # figures that must move with it


def raw_steps(
    names: Sequence[str],
    columns: Mapping[str, Floats],
    bounds: Mapping[str, Sequence[float]],
    measure_of: MeasureOf,
) -> Iterator[Steps]:
    """Steps of each named raw measure that is known, in their order.

    `bounds` are those that rules ask of raw measures themselves.
    """
    for name in names:
        own = float(columns[name][0])
        if math.isnan(own) or name.endswith("_day_share"):  # of the calendar, not of the customer
            continue
        if name == "n_occasions" and _HALVES.keys() <= set(names):
            continue  # they are those of both halves
        if name == "tenure_days" and name not in bounds:
            continue  # the first order stays where it is; other figures can change
        measure = measure_of(name)
        if measure.unit in ("count", "days"):
            yield _whole_steps(name, own, columns, measure)
        elif name in bounds:
            yield _steps_to_bounds(name, own, bounds[name], measure)
        elif measure.unit in _RANGES:
            values = _RANGES[measure.unit]
            yield Steps(name, own, values, values, float(np.ptp(values)))


def _whole_steps(name: str, own: float, columns: Mapping[str, Floats], measure: Measure) -> Steps:
    most = _MOST_DAYS if measure.unit == "days" else _MOST_COUNT
    low, high = _limits(name, columns)
    values = own + np.concatenate([-np.arange(1.0, most + 1), np.arange(1.0, most + 1)])
    values = values[(values >= low) & (values <= high)]
    wholes = [_figure(columns, whole) for whole in _WHOLES.get(name, ()) if whole in columns]
    usual = _USUAL_DAYS if measure.unit == "days" else 1.0
    scale = max([own, usual] if measure.unit == "days" else [*wholes, own, usual])
    return Steps(name, own, values, values, scale, _moved_along(name, values, columns))


def _steps_to_bounds(name: str, own: float, bounds: Sequence[float], measure: Measure) -> Steps:
    """The two figures nearest to each bound at either side of it."""
    places = [
        (next_step(bound, measure, is_rise=bound >= own, skipped=skipped), bound)
        for bound in bounds
        for skipped in (0, 1)
    ]
    known = [(value, bound) for value, bound in places if not math.isnan(value) and value != own]
    values, thresholds = np.array(known).reshape(-1, 2).T
    return Steps(name, own, values, thresholds, max(abs(own), 1.0))


def _limits(name: str, columns: Mapping[str, Floats]) -> tuple[float, float]:
    """The least and the greatest figure that the customer's other ones leave room for."""
    has_parts = any(name in wholes and part in columns for part, wholes in _WHOLES.items())
    # Less of a whole would be smaller steps than more of a part, but nobody takes orders back.
    low = _figure(columns, name) if has_parts else float(name in _LEAST_ONE)
    high = min(
        [
            _MOST.get(name, math.inf),
            *(_figure(columns, whole) for whole in _WHOLES.get(name, ()) if whole in columns),
        ]
    )
    if name in _HALVES:
        high = _figure(columns, name) + _figure(columns, _HALVES[name])
    steps = _figure(columns, "n_occasions") - 1  # days between the first and the last, at least
    if name == "recency_days":
        high = min(high, _figure(columns, "tenure_days", math.inf) - max(steps, 0.0))
    if name == "n_occasions" and "tenure_days" in columns:
        active = _figure(columns, "tenure_days") - _figure(columns, "recency_days")
        high = min(high, active + 1)
    return low, high


def _moved_along(name: str, values: Floats, columns: Mapping[str, Floats]) -> dict[str, Floats]:
    """What has to move with the measure for the figures to fit together."""
    if name in _HALVES:
        other = _HALVES[name]
        return {other: _figure(columns, name) + _figure(columns, other) - values}
    moved: dict[str, Floats] = {}
    for group in _APART:
        whole = _WHOLES[group[0]][0]
        if name not in group or whole not in columns:
            continue
        others = [part for part in group if part != name and part in columns]
        others.sort(key=lambda part: -_figure(columns, part))
        excess = values + sum(_figure(columns, part) for part in others) - _figure(columns, whole)
        for part in others:
            given = np.clip(excess, 0.0, _figure(columns, part))
            moved[part] = _figure(columns, part) - given
            excess = excess - given
    return moved


def _figure(columns: Mapping[str, Floats], name: str, unknown: float = 0.0) -> float:
    value = float(columns[name][0]) if name in columns else math.nan
    return unknown if math.isnan(value) else value
