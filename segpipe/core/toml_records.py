"""Records from TOML tables: every key known, every value of its kind."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from datetime import date, datetime
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

from segpipe.core.errors import InputError

StageSettings = TypeVar("StageSettings")


_KINDS: dict[str, tuple[type | UnionType, str]] = {  # annotation → accepted, in words
    "int": (int, "a whole number"),
    "bool": (bool, "true or false"),
    "float": (int | float, "a number"),
    "str": (str, "text"),
    "date": (date, "a date such as 2025-06-30"),
    "Path": (str | Path, "a path"),
}


def _with_values(current: StageSettings, stage: str, values: dict[str, Any]) -> StageSettings:
    known = {f.name: str(f.type) for f in fields(current)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            _refuse(f"key in [{stage}]", key, set(known))
    typed = {key: _typed(f"{stage}.{key}", value, known[key]) for key, value in values.items()}
    return replace(current, **typed)  # type: ignore[type-var]


def _typed(name: str, value: Any, kind: str) -> Any:  # noqa: ANN401 - TOML values have any type
    """Value as the annotation `kind` wants it; TOML knows neither paths nor tuples."""
    if "tuple" in kind:
        items = value if isinstance(value, list | tuple) else (value,)
        return tuple(_typed(name, item, "Path" if "Path" in kind else "str") for item in items)
    wanted = kind.split(" ", maxsplit=1)[0]
    accepted, told = _KINDS[wanted]
    is_other = isinstance(value, bool) != (wanted == "bool") or isinstance(value, datetime)
    if not isinstance(value, accepted) or is_other:
        raise InputError(f"{name} is {value!r}; expected {told}.")
    made: dict[str, Any] = {"Path": Path, "float": float}
    return made[wanted](value) if wanted in made else value


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"The settings file {path} cannot be read ({error.strerror}); name an existing file."
        raise InputError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The settings file {path} is not TOML: {error}.") from error


def _refuse(what: str, found: str, known: set[str]) -> None:
    raise InputError(f"Unknown {what}: {found!r}. Known: {', '.join(sorted(known))}.")
