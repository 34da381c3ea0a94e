"""The catalogue of customer measures: what each means, in which unit, and how it is written.

Axes refer to them, and the documents are made from here. Raw measures are columns of
customer_features; derived ones are made of raw ones by the shop's priors (model/derived.py).
"""

from __future__ import annotations

from segpipe.axes.derived_measures import DERIVED
from segpipe.axes.phrases import PHRASES
from segpipe.axes.raw_measures import RAW
from segpipe.axes.record import Measure
from segpipe.axes.ticket_measures import DERIVED_TICKET_MEASURES, TICKET_MEASURES

_RAW = (*RAW, *TICKET_MEASURES)
_DERIVED = (*DERIVED, *DERIVED_TICKET_MEASURES)

_FORMATS = {  # unit → format of its figures
    "count": "count",
    "days": "duration",
    "hours": "duration",
    "share": "percent",
    "chance": "percent",
    "change": "signed_percent",
    "log ratio": "times",
    "amount": "amount",
    "1 to 5": "score",
}

# Shares of nothing that can be counted: evenness and concentration on a scale from 0 to 1.
_INDEXES = ("gap_regularity", "category_entropy", "month_concentration", "product_concentration")


def _format_of(name: str, unit: str) -> str:
    return "index" if name in _INDEXES else _FORMATS.get(unit, "number")


MEASURES: dict[str, Measure] = {
    name: Measure(
        name, label, unit, definition, PHRASES[name], _format_of(name, unit), is_derived=is_derived
    )
    for rows, is_derived in ((_RAW, False), (_DERIVED, True))
    for name, label, unit, definition in rows
}
RAW_MEASURES = tuple(name for name, _, _, _ in _RAW)


def unknown_measure(name: str) -> Measure:
    """A measure that this version does not know, described by its name alone."""
    label = name.replace("_", " ")
    return Measure(name, label, "ratio", "", f"has a figure of {{}} for {label}")
