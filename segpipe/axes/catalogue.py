"""The ordered tuple of the 13 axes, and those that join them in one run.

Takes the inputs that are there and files of a user's own axes; gives the axes of the run.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from segpipe.axes.marketing import MARKETING_AXES
from segpipe.axes.measures import MEASURES
from segpipe.axes.record import Axis, Claim, Eligibility, Feature, Prototype
from segpipe.axes.support import SUPPORT_AXES, SUPPORT_HISTORY
from segpipe.errors import InputError

AXES: tuple[Axis, ...] = (*MARKETING_AXES, *SUPPORT_AXES)
_ON_DEMAND = (SUPPORT_HISTORY,)

Record = TypeVar("Record", Axis, Claim, Eligibility, Feature, Prototype)


def axes_for(inputs: frozenset[str], paths: Sequence[Path] = ()) -> tuple[Axis, ...]:
    """The 13 axes, those that these inputs add, and a user's own, in this order.

    Raises InputError for a file that is no axis, or whose name is taken.
    """
    added = tuple(axis for axis in _ON_DEMAND if inputs.issuperset(axis.only_with))
    axes = (*AXES, *added)
    for path in paths:
        own = read_axis(path)
        if own.name in {axis.name for axis in (*axes, *_ON_DEMAND)}:
            raise InputError(f"{path}: the axis name {own.name!r} is taken; choose another.")
        axes = (*axes, own)
    return axes


def read_axis(path: Path) -> Axis:
    """A user's axis from a TOML file: the fields of Axis, with tables for its parts."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"The axis file {path} cannot be read: {error}.") from error
    prototypes = []
    for row in table.get("prototypes", []):
        claims = tuple(_record(Claim, claim, path) for claim in row.get("claims", []))
        prototypes.append(_record(Prototype, {**row, "claims": claims}, path))
    parts = {
        "group": "marketing",
        **table,
        "features": tuple(_record(Feature, row, path) for row in table.get("features", [])),
        "eligibility": tuple(
            _record(Eligibility, row, path) for row in table.get("eligibility", [])
        ),
        "prototypes": tuple(prototypes),
    }
    axis = _record(Axis, parts, path)
    _check_measures(axis, path)
    return axis


def _record(kind: type[Record], values: dict[str, Any], path: Path) -> Record:
    known = [f.name for f in fields(kind)]
    unknown = [key for key in values if key not in known]
    if unknown:
        msg = f"{path}: unknown key {unknown[0]!r} of {kind.__name__.lower()};"
        raise InputError(f"{msg} known: {', '.join(known)}.")
    typed: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in values.items()
    }
    try:
        return kind(**typed)
    except TypeError as error:
        msg = f"{path}: a {kind.__name__.lower()} lacks a key; it has {', '.join(values)}"
        raise InputError(f"{msg}, of {', '.join(known)}.") from error


def _check_measures(axis: Axis, path: Path) -> None:
    if not axis.features:
        raise InputError(f"{path}: the axis has no [[features]]; give at least one measure.")
    named = [f.measure for f in axis.features] + [e.measure for e in axis.eligibility]
    for prototype in axis.prototypes:
        named += [*prototype.position, *(claim.measure for claim in prototype.claims)]
    for name in named:
        if name not in MEASURES:
            near = get_close_matches(name, MEASURES, n=3) or sorted(MEASURES)
            raise InputError(f"{path}: no measure {name!r}; nearest: {', '.join(near)}.")
