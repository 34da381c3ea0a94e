"""Conditions as the axis records write them: a measure, a side and a bound."""

from __future__ import annotations

from segpipe.axes.record import Condition


def at_least(measure: str, bound: float) -> Condition:
    """Customers with this figure or more."""
    return Condition(measure, "at_least", bound)


def above(measure: str, bound: float) -> Condition:
    """Customers with more than this figure."""
    return Condition(measure, "above", bound)


def below(measure: str, bound: float) -> Condition:
    """Customers with less than this figure."""
    return Condition(measure, "below", bound)


def at_most(measure: str, bound: float) -> Condition:
    """Customers with this figure or less."""
    return Condition(measure, "at_most", bound)
