"""A figure as a marketer reads it, by the format of its measure.

Of units, the text has only `%` and `times`; days and hours are in the labels and phrases.
"""

from __future__ import annotations

import math
import re

from segpipe.axes.record import Measure, Side

_EITHER = re.compile(r"\[([^|\]]+)\|([^\]]+)\]")  # in a phrase: word for 1, word for other figures
_LEAST_SHARE = 0.005  # of which a sentence has a figure
_LEAST_SHOWN = 0.0005  # which a table does not round to 0%


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
    figure = format_value(value, measure)
    if measure.format == "percent" and 0 < value < _LEAST_SHARE:
        figure = "less than 1%"
    return phrase_for(value, measure).replace("{}", figure)


def phrase_for(value: float, measure: Measure) -> str:
    """The measure's phrase in singular or plural, with `{}` in place of the figure."""
    number = 1 if format_value(value, measure) == "1" else 2
    return _EITHER.sub(lambda either: either[number], measure.phrase)


def _share(value: float) -> str:
    """In whole per cent, with a decimal near 0% and 100%; nobody's few orders become 0%."""
    if 0 < value < _LEAST_SHOWN:
        return "<0.1%"
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
    """A whole number from 100 on, else one or two decimals, or two significant digits."""
    if abs(value) >= 100:
        return _number(value, 0)
    if 1e-4 <= abs(value) < 0.1:
        return f"{value:.2g}"
    return _number(value, 1 if abs(value) >= 10 else 2)


def _number(value: float, decimals: int) -> str:
    """With thousands separators, without trailing zeros or a minus before 0."""
    text = f"{round(value, decimals) + 0:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_DECIMALS = {"count": 0, "duration": 0, "percent": 3, "index": 3, "signed_percent": 3, "score": 1}


_USUAL_DECIMALS = 2  # cents, hundredths


def next_step(value: float, measure: Measure, *, is_rise: bool, skipped: int = 0) -> float:
    """The next figure as it is displayed, at or above the value (or below), after `skipped` others.

    A logarithm goes in steps of the ratio that is displayed; NaN where that would not be above 0.
    """
    is_log = measure.format == "times"
    scale: int = 10 ** _DECIMALS.get(measure.format, _USUAL_DECIMALS)
    # The inverse of a transform is exact to about six more digits.
    steps = round((math.exp(value) if is_log else value) * scale, 6)
    stepped = (math.ceil(steps) + skipped if is_rise else math.floor(steps) - skipped) / scale
    if is_log:
        return math.log(stepped) if stepped > 0 else math.nan
    return stepped


def bound_text(side: Side, bound: float, measure: Measure) -> str:
    """What is asked of the figure: 80% or more, more than 0.5, fewer than 3, 40 or less, 0."""
    figure = format_exact(bound, measure)
    if "." in figure and measure.format != "times":
        figure = re.sub(r"\.?0+(%?)$", r"\1", figure)
    is_counted = measure.unit in ("count", "days", "hours")
    if is_counted and side == "at_most" and bound == 0:
        return figure
    forms = {
        "at_least": "{} or more",
        "above": "more than {}",
        "below": "fewer than {}" if is_counted else "less than {}",
        "at_most": "{} or fewer" if is_counted else "{} or less",
    }
    return forms[side].format(figure)


def format_exact(value: float, measure: Measure) -> str:
    """The figure with all digits of a step: 3 (orders), 1,204.50 (amount), 38.4% (share)."""
    decimals = _DECIMALS.get(measure.format, _USUAL_DECIMALS)
    if measure.format == "times":
        return f"{math.exp(value):,.{decimals}f} times"
    if measure.format in ("percent", "signed_percent"):
        sign = "+" if measure.format == "signed_percent" else ""
        return f"{100 * value + 0:{sign},.{decimals - 2}f}%"
    return f"{round(value, decimals) + 0:,.{decimals}f}"
