"""What to do about a segment, and what a state means.

Takes names of axes and of their segments; gives the texts of `config/guidance/`, a file per axis.
A name without a text of its own gets the axis's general one, which refers to the figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from segpipe.axes import Condition, Eligibility, Measure
from segpipe.axes.figures import format_value
from segpipe.core.resources import resource
from segpipe.core.text import sentence
from segpipe.core.toml_records import read_toml

ANY_AXIS = "any_axis"  # the file with the texts for every axis
_TOO_FEW = "too_few_"  # begins the states of customers of whom no rule of an axis holds
_SIDES = {
    "at_least": "{} or more",
    "above": "more than {}",
    "below": "less than {}",
    "at_most": "{} or less",
}
COMPOSED = "composed"  # the entry for names composed of deviations
_DEVIATION = re.compile(r"(high|low)_(.+?)(?=_(?:high|low)_|$)")


def guidance_for(axis: str, name: str) -> dict[str, Any]:
    """How to treat a segment or state: strategy, and do and dont for marketing and support."""
    own = _entries(axis) if axis in guided_axes() else {}
    general = _entries(ANY_AXIS)
    entry = own.get(name) or (general.get(name) if name != COMPOSED else None)
    if entry is None:
        entry = own.get(COMPOSED) or general[COMPOSED]
    strategy = entry["strategy"].replace("{figures}", _figures_of(name))
    return {"strategy": strategy, **{to: dict(entry[to]) for to in ("marketing", "support")}}


def guided_axes() -> list[str]:
    """Names of the axes with texts of their own."""
    paths = resource("config", "guidance").glob("*.toml")
    return sorted(path.stem for path in paths if path.stem != ANY_AXIS)


def describe_state(
    state: str,
    rules: Iterable[Eligibility],
    measure_of: Callable[[str], Measure],
    reason: str | None = None,
) -> str:
    """What the customers of a state have in common, a sentence."""
    mine = [rule for rule in rules if rule.state == state]
    if mine:
        return sentence(", or ".join(_shortfall(rule, measure_of) for rule in mine))
    if state == "unavailable":
        return sentence(f"the axis has no answer: {reason or 'the input lacks what it needs'}")
    if state.startswith(_TOO_FEW):
        return sentence(f"{state.replace('_', ' ')} so far: no name of the axis is sure enough")
    return sentence(f"not eligible on this axis{_because(reason)}")


@cache
def _entries(axis: str) -> dict[str, Any]:
    return read_toml(resource("config", "guidance", f"{axis}.toml"), "guidance")


def _figures_of(name: str) -> str:
    """The deviations in a composed name: basket high, orders low of `high_basket_low_orders`."""
    found: Sequence[tuple[str, str]] = _DEVIATION.findall(name)
    words = [f"{word.replace('_', ' ')} {side}" for side, word in found]
    return ", ".join(words) or "in their description"


def _shortfall(rule: Eligibility, measure_of: Callable[[str], Measure]) -> str:
    measure = measure_of(rule.measure)
    least = format_value(rule.at_least, measure)
    if least == "0" and rule.at_least > 0:
        missing = f"no {measure.label} above 0"
    elif measure.unit != "count":
        missing = f"{measure.label} below {least}, or not known"
    elif rule.at_least <= 1:
        missing = f"no {measure.label} so far"
    else:
        missing = f"fewer than {least} {measure.label} so far"
    return ", with ".join(
        [missing, *(_bound(part, measure_of(part.measure)) for part in rule.only)]
    )


def _bound(condition: Condition, measure: Measure) -> str:
    """3 or more orders."""
    return (
        f"{_SIDES[condition.side].format(format_value(condition.bound, measure))} {measure.label}"
    )


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""
