"""The axes: plain records, in the order in which they are published."""

from segpipe.axes.catalogue import AXES, axes_for
from segpipe.axes.measures import MEASURES, RAW_MEASURES
from segpipe.axes.record import (
    Axis,
    Claim,
    Condition,
    Eligibility,
    Feature,
    Learnt,
    Measure,
    Prototype,
    Rule,
    State,
    Tier,
)

__all__ = [
    "AXES",
    "MEASURES",
    "RAW_MEASURES",
    "Axis",
    "Claim",
    "Condition",
    "Eligibility",
    "Feature",
    "Learnt",
    "Measure",
    "Prototype",
    "Rule",
    "State",
    "Tier",
    "axes_for",
]
