"""A figure as a marketer reads it, by the format of its measure.

The text has no word for the unit but `%` and `times`: labels and phrases say days and hours.
"""

from __future__ import annotations

import math
import re

from segpipe.axes.record import Measure

_EITHER = re.compile(r"\[([^|\]]+)\|([^\]]+)\]")  # of a phrase: where the figure is 1, and else


def format_value(value: float, measure: Measure) -> str:
    """The figure: 21 (days), 40%, 1,204 (amount), 1.40 times (log ratio), +3% (change)."""
    if not math.isfinite(value):
        return "unknown"
    forms = {
        "percent": _share,
        "index": _index,
        "signed_percent": _change,
        "times": _times,
        "amount": _amount,
        "duration": _measured,
        "score": _measured,
    }
    return forms.get(measure.format, _plain)(value)


def describe_value(value: float, measure: Measure) -> str:
    """What a customer with this figure does, by the measure's phrase: has 1 order."""
    return phrase_for(value, measure).replace("{}", format_value(value, measure))


def phrase_for(value: float, measure: Measure) -> str:
    """The measure's phrase with the word that goes with the figure, which is still `{}`."""
    number = 1 if format_value(value, measure) == "1" else 2
    return _EITHER.sub(lambda either: either[number], measure.phrase)


def _share(value: float) -> str:
    """Whole per cent where that hides neither a few nor the last few."""
    return f"{_number(100 * value, 0 if 0.1 <= value <= 0.99 else 1)}%"


def _change(value: float) -> str:
    percent = _number(100 * value, 0 if abs(value) >= 0.1 else 1)
    return f"{percent}%" if percent == "0" or value < 0 else f"+{percent}%"


def _index(value: float) -> str:
    return f"{value + 0:.2f}"


def _times(value: float) -> str:
    ratio = math.exp(min(value, 700))
    return f"{ratio:.2f} times" if ratio < 100 else f"{ratio:,.0f} times"


def _amount(value: float) -> str:
    cents = f"{round(value, 2) + 0:,.2f}"
    return _number(value, 0) if abs(value) >= 100 else cents.removesuffix(".00")


def _measured(value: float) -> str:
    return _number(value, 0 if abs(value) >= 10 else 1)


def _plain(value: float) -> str:
    """Whole from 100 on, else two figures after the point, or two that are not 0."""
    if abs(value) >= 100:
        return _number(value, 0)
    if 1e-4 <= abs(value) < 0.1:
        return f"{value:.2g}"
    return _number(value, 1 if abs(value) >= 10 else 2)


def _number(value: float, decimals: int) -> str:
    """With thousands separated, and without zeros that say nothing or a minus before 0."""
    text = f"{round(value, decimals) + 0:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_DECIMALS = {"count": 0, "duration": 0, "percent": 3, "index": 3, "signed_percent": 3, "score": 1}


_USUAL_DECIMALS = 2  # cents, hundredths


def next_step(value: float, measure: Measure, *, is_rise: bool, skipped: int = 0) -> float:
    """The nearest such figure from the value on, upwards or downwards, with some passed over.

    A logarithm is stepped in the ratio that people read; NaN where that would not be above 0.
    """
    is_log = measure.format == "times"
    scale: int = 10 ** _DECIMALS.get(measure.format, _USUAL_DECIMALS)
    # Six digits more are as much as the inverse of a transform can be trusted with.
    steps = round((math.exp(value) if is_log else value) * scale, 6)
    stepped = (math.ceil(steps) + skipped if is_rise else math.floor(steps) - skipped) / scale
    if is_log:
        return math.log(stepped) if stepped > 0 else math.nan
    return stepped


def format_exact(value: float, measure: Measure) -> str:
    """The figure with all the digits of its step: 3 (orders), 1,204.50 (amount), 38.4% (share)."""
    decimals = _DECIMALS.get(measure.format, _USUAL_DECIMALS)
    if measure.format == "times":
        return f"{math.exp(value):,.{decimals}f} times"
    if measure.format in ("percent", "signed_percent"):
        sign = "+" if measure.format == "signed_percent" else ""
        return f"{100 * value + 0:{sign},.{decimals - 2}f}%"
    return f"{round(value, decimals) + 0:,.{decimals}f}"
