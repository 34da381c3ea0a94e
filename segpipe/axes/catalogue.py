"""The ordered tuple of the 13 axes, and the axes of one run.

Takes the inputs that are present, and files of the user's own axes or names of shipped ones
(`config/axes/`); gives the axes of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from segpipe.axes.basket import (
    CATEGORY_EXPLORATION,
    PRICE_SENSITIVITY,
    REPURCHASE_BEHAVIOR,
    RETURN_BEHAVIOR,
)
from segpipe.axes.channels import COMMUNICATION_PREFERENCE
from segpipe.axes.measures import MEASURES
from segpipe.axes.purchase import PURCHASE_FREQUENCY, PURCHASE_VALUE
from segpipe.axes.record import Axis, Condition
from segpipe.axes.support import (
    LOYALTY_TRAJECTORY,
    PROBLEM_COMPLEXITY_PROFILE,
    PRODUCT_KNOWLEDGE,
    SUPPORT_HISTORY,
    VALUE_SOPHISTICATION,
)
from segpipe.axes.timing import CUSTOMER_MATURITY, PURCHASE_CADENCE
from segpipe.core.errors import InputError
from segpipe.core.resources import resource
from segpipe.core.suggestions import did_you_mean
from segpipe.core.toml_records import naming_file, new_record, read_toml

AXES: tuple[Axis, ...] = (
    PURCHASE_FREQUENCY,
    PURCHASE_VALUE,
    CATEGORY_EXPLORATION,
    PRICE_SENSITIVITY,
    PURCHASE_CADENCE,
    CUSTOMER_MATURITY,
    REPURCHASE_BEHAVIOR,
    RETURN_BEHAVIOR,
    COMMUNICATION_PREFERENCE,
    PROBLEM_COMPLEXITY_PROFILE,
    LOYALTY_TRAJECTORY,
    PRODUCT_KNOWLEDGE,
    VALUE_SOPHISTICATION,
)
LIFE_STAGES = frozenset({CUSTOMER_MATURITY.name})  # customers pass them as time goes by
_ON_DEMAND = (SUPPORT_HISTORY,)
_MOST_SEGMENTS = 20


def axes_for(inputs: frozenset[str], paths: Sequence[Path] = ()) -> tuple[Axis, ...]:
    """The 13 axes, those that these inputs add, and those asked for, in this order.

    A path may be the name of a shipped axis. Raises InputError for a file that is not an axis,
    or whose name is taken.
    """
    added = tuple(axis for axis in _ON_DEMAND if inputs.issuperset(axis.only_with))
    axes = (*AXES, *added)
    for path in paths:
        own = read_axis(path)
        if own.name in {axis.name for axis in (*axes, *_ON_DEMAND)}:
            raise InputError(f"{path}: the axis name {own.name!r} is taken; choose another.")
        axes = (*axes, own)
    return axes


def shipped_axes() -> dict[str, Path]:
    """Axes that a run has only when asked for by name: name → file."""
    return {path.stem: path for path in sorted(resource("config", "axes").glob("*.toml"))}


def axis_path(path: Path) -> Path:
    """The file itself where the path is one, else that of the shipped axis of this name."""
    return path if path.is_file() else shipped_axes().get(str(path), path)


def read_axis(path: Path) -> Axis:
    """An axis from a TOML file, or a shipped one by name; the keys are the fields of `Axis`."""
    path = axis_path(path)
    if not path.exists():
        hint = did_you_mean(str(path), shipped_axes())
        raise InputError(f"There is no axis file {path}; name a file or a shipped axis. {hint}")
    table = {"group": "marketing", "features": [], "prototypes": [], **read_toml(path, "axis file")}
    with naming_file(path, "axis file"):
        axis = new_record(Axis, "", table)
        _check_counts(axis)
        _check_measures(axis)
        _check_names(axis)
    return axis


def _check_counts(axis: Axis) -> None:
    for key, value in (("min_segments", axis.min_segments), ("n_segments", axis.n_segments)):
        if value is not None and not 2 <= value <= _MOST_SEGMENTS:
            msg = f"{key} is {value}; expected a whole number from 2 to {_MOST_SEGMENTS}"
            raise InputError(f"{msg}, or no such key.")


def _check_measures(axis: Axis) -> None:
    if not axis.features:
        raise InputError("the axis has no [[features]]; give at least one measure.")
    for name in measures_named(axis):
        if name not in MEASURES:
            raise InputError(f"there is no measure {name!r}. {did_you_mean(name, MEASURES)}")


def _check_names(axis: Axis) -> None:
    """Raise InputError where tiers and rules do not go together."""
    if axis.tiers and not axis.main:
        raise InputError("the axis has [[tiers]] and no [[main]]; name the measure they divide.")
    tops = [tier.top for tier in axis.tiers]
    if tops and (tops != sorted(tops) or tops[0] <= 0 or tops[-1] != 1):
        msg = f"the tops of the [[tiers]] are {tops}; expected shares from low to high"
        raise InputError(f"{msg}, the last one 1.")
    tiers = [tier.name for tier in axis.tiers]
    for rule in axis.rules:
        if rule.within is not None and rule.within not in tiers:
            known = ", ".join(tiers) or "none"
            raise InputError(f"the rule {rule.name!r} is within {rule.within!r}; tiers: {known}.")
    states = [rule.state for rule in axis.eligibility] + [state.name for state in axis.otherwise]
    segments = [*tiers, *(rule.name for rule in axis.rules)]
    if axis.rules and not axis.tiers and not axis.otherwise and axis.rules[-1].any_of:
        msg = "the last of the [[rules]] does not hold for everybody; give it any_of = []"
        raise InputError(f"{msg}, or name a state for the others as [[otherwise]].")
    for name in segments:
        if name in states:
            raise InputError(f"{name!r} is a segment and a state; give one of them another name.")


def measures_named(axis: Axis) -> Iterator[str]:
    """Every measure to which the axis refers, in the order of its parts."""
    yield from (feature.measure for feature in (*axis.main, *axis.features))
    for excluded in axis.eligibility:
        yield from (excluded.measure, *_measures_in(excluded.only))
    for rule in axis.rules:
        for conditions in (*rule.any_of, rule.claim):
            yield from _measures_in(conditions)
        if rule.chance is not None:
            yield rule.chance
    for tier in axis.tiers:
        yield from _measures_in(tier.also)
        if tier.own_cut is not None and tier.own_cut.among is not None:
            yield tier.own_cut.among
    for prototype in axis.prototypes:
        yield from (*prototype.position, *(claim.measure for claim in prototype.claims))


def _measures_in(conditions: Iterable[Condition]) -> Iterator[str]:
    for condition in conditions:
        yield condition.measure
        if condition.learnt is not None and condition.learnt.among is not None:
            yield condition.learnt.among
