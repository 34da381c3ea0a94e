"""The axes: plain records, in the order in which they are published."""

from segpipe.axes.catalogue import AXES, LIFE_STAGES, axes_for
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
    "LIFE_STAGES",
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
