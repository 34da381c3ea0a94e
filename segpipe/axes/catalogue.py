"""The ordered tuple of the 13 axes, and those that join them in one run.

Takes the inputs that are there, and files of a user's own axes or names of shipped ones
(`config/axes/`); gives the axes of the run.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from segpipe.axes.basket import (
    CATEGORY_EXPLORATION,
    PRICE_SENSITIVITY,
    REPURCHASE_BEHAVIOR,
    RETURN_BEHAVIOR,
)
from segpipe.axes.measures import MEASURES
from segpipe.axes.purchase import (
    CUSTOMER_MATURITY,
    PURCHASE_CADENCE,
    PURCHASE_FREQUENCY,
    PURCHASE_VALUE,
)
from segpipe.axes.record import Axis, Claim, Eligibility, Feature, Prototype, Transform
from segpipe.axes.support import SUPPORT_AXES, SUPPORT_HISTORY
from segpipe.core.errors import InputError
from segpipe.core.resources import resource

AXES: tuple[Axis, ...] = (
    PURCHASE_FREQUENCY,
    PURCHASE_VALUE,
    CATEGORY_EXPLORATION,
    PRICE_SENSITIVITY,
    PURCHASE_CADENCE,
    CUSTOMER_MATURITY,
    REPURCHASE_BEHAVIOR,
    RETURN_BEHAVIOR,
    *SUPPORT_AXES,
)
_ON_DEMAND = (SUPPORT_HISTORY,)
_COUNTS = ("n_segments", "min_segments")  # fields that take a number of segments
_MOST_SEGMENTS = 20
_WORDS = {  # fields that take one of a few words
    "group": ("marketing", "support"),
    "side": ("above", "below"),
    "transform": get_args(Transform),
}

Record = TypeVar("Record", Axis, Claim, Eligibility, Feature, Prototype)


def axes_for(inputs: frozenset[str], paths: Sequence[Path] = ()) -> tuple[Axis, ...]:
    """The 13 axes, those that these inputs add, and those asked for, in this order.

    A path may be the name of a shipped axis. Raises InputError for a file that is no axis, or
    whose name is taken.
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
    """Axes that a run has only where it asks for them by name: name → file."""
    return {path.stem: path for path in sorted(resource("config", "axes").glob("*.toml"))}


def axis_path(path: Path) -> Path:
    """The file that a path stands for: itself where it is one, else the shipped axis so named."""
    return path if path.is_file() else shipped_axes().get(str(path), path)


def read_axis(path: Path) -> Axis:
    """An axis from a TOML file, or a shipped one by name: Axis's fields, its parts as tables."""
    path = axis_path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        shipped = ", ".join(shipped_axes())
        msg = f"The axis file {path} cannot be read: {reason}."
        hint = "" if path.is_file() else f" Name a file, or a shipped axis: {shipped}."
        raise InputError(msg + hint) from error
    prototypes = []
    for row in _rows(table, "prototypes", path):
        claims = tuple(_record(Claim, claim, path) for claim in _rows(row, "claims", path))
        prototypes.append(_record(Prototype, {**row, "claims": claims}, path))
    parts = {
        "group": "marketing",
        **table,
        "features": tuple(_record(Feature, row, path) for row in _rows(table, "features", path)),
        "eligibility": tuple(
            _record(Eligibility, row, path) for row in _rows(table, "eligibility", path)
        ),
        "prototypes": tuple(prototypes),
    }
    axis = _record(Axis, parts, path)
    _check_measures(axis, path)
    return axis


def _rows(table: dict[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    rows = table.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: {key} is one value or table; write each as its own [[{key}]].")
    return rows


def _record(kind: type[Record], values: dict[str, Any], path: Path) -> Record:
    known = [f.name for f in fields(kind)]
    unknown = [key for key in values if key not in known]
    if unknown:
        msg = f"{path}: unknown key {unknown[0]!r} of {kind.__name__.lower()};"
        raise InputError(f"{msg} known: {', '.join(known)}.")
    for key, value in values.items():
        if key in _WORDS and value not in _WORDS[key]:
            msg = f"{path}: {key} is {value!r}; expected"
            raise InputError(f"{msg} {' or '.join(_WORDS[key])}.")
        if key in _COUNTS and not _is_count(value):
            msg = f"{path}: {key} is {value!r}; expected a whole number from 2 to {_MOST_SEGMENTS}"
            raise InputError(f"{msg}, or no such line.")
    for field in fields(kind):
        if field.default is MISSING and field.name not in values:
            raise InputError(f"{path}: the {kind.__name__.lower()} lacks the key {field.name!r}.")
    typed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return kind(**typed)


def _is_count(value: object) -> bool:
    return type(value) is int and 2 <= value <= _MOST_SEGMENTS


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
