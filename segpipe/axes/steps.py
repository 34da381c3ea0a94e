"""The figures that a customer can come to: whole orders and days, cents, tenths of a per cent."""

from __future__ import annotations

import math

from segpipe.axes.record import Measure

_DECIMALS = {"count": 0, "days": 0, "hours": 0, "share": 3, "change": 3, "1 to 5": 1}
_USUAL_DECIMALS = 2  # cents, hundredths


def next_step(value: float, measure: Measure, *, is_rise: bool, skipped: int = 0) -> float:
    """The nearest such figure from the value on, upwards or downwards, with some passed over.

    A logarithm is stepped in the ratio that people read; NaN where that would not be above 0.
    """
    is_log = measure.unit == "log ratio"
    scale: int = 10 ** _DECIMALS.get(measure.unit, _USUAL_DECIMALS)
    # Six digits more are as much as the inverse of a transform can be trusted with.
    steps = round((math.exp(value) if is_log else value) * scale, 6)
    stepped = (math.ceil(steps) + skipped if is_rise else math.floor(steps) - skipped) / scale
    if is_log:
        return math.log(stepped) if stepped > 0 else math.nan
    return stepped


def told_exactly(value: float, measure: Measure) -> str:
    """The figure with all the digits of its step: 3 (orders), 1,204.50 (amount), 38.4% (share)."""
    decimals = _DECIMALS.get(measure.unit, _USUAL_DECIMALS)
    if measure.unit == "log ratio":
        return f"{math.exp(value):,.{decimals}f} times"
    if measure.unit in ("share", "change"):
        sign = "+" if measure.unit == "change" else ""
        return f"{100 * value + 0:{sign},.{decimals - 2}f}%"
    return f"{round(value, decimals) + 0:,.{decimals}f}"
