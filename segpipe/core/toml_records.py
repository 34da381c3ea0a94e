"""Records from TOML tables: every key is known, every value is of its field's type."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import date, datetime
from pathlib import Path
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from segpipe.core.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)

_SCALARS: dict[type, tuple[type | UnionType, str]] = {  # type → what is accepted, in words
    int: (int, "a whole number"),
    bool: (bool, "true or false"),
    float: (int | float, "a number"),
    str: (str, "text"),
    date: (date, "a date such as 2025-06-30"),
    Path: (str | Path, "a path"),
}


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The tables of a file; raises InputError, which names it as `what`, where it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"The {what} {path} cannot be read ({error.strerror}); name an existing TOML file."
        raise InputError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The {what} {path} is not TOML: {error}. Correct the file.") from error


@contextmanager
def naming_file(path: Path, what: str) -> Iterator[None]:
    """Put the file's name before the message of an InputError."""
    try:
        yield
    except InputError as error:
        raise InputError(f"The {what} {path}: {error}") from error


def new_record(kind: type[Record], where: str, values: Mapping[str, Any]) -> Record:
    """A record of a table's values; `where` names the table in messages, "" for the file's own.

    Raises InputError for an unknown key, a missing one, or a value of another type.
    """
    typed_values = _typed_values(kind, where, values)
    for field in fields(kind):
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        if field.name not in values and not has_default:
            raise InputError(f"{_dotted(where, field.name)} is missing; add it.")
    return kind(**typed_values)


def with_values(record: Record, where: str, values: Mapping[str, Any]) -> Record:
    """The record with a table's values in place of its own; raises as `new_record` does."""
    return replace(record, **_typed_values(type(record), where, values))


def table_of(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The table of that name, empty where there is none; raises InputError for a single value."""
    table = document.get(key, {})
    if not isinstance(table, dict):
        raise InputError(f"{key} is {table!r}; expected the table [{key}].")
    return table


def check_keys(where: str, keys: Iterable[str], known: Collection[str]) -> None:
    """Raise InputError for a key that is not known, with the known ones listed."""
    for key in keys:
        if key not in known:
            keys_of = f"key of [{where}]" if where else "known key"
            raise InputError(f"{key!r} is not a {keys_of}; known: {', '.join(known)}.")


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Raise InputError for a value that is none of the choices."""
    if value not in choices:
        known = " or ".join(map(repr, choices))
        raise InputError(f"{name} is {value!r}; expected {known}.")


def typed(name: str, value: Any, hint: Any) -> Any:  # noqa: ANN401 - TOML values have any type
    """The value as the annotation `hint` wants it, for TOML has neither paths nor tuples."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):  # X | None, and TOML has no None
        return typed(name, value, parts[0])
    if origin is Literal:
        check_choice(name, value, parts)
        return value
    if origin is tuple:
        if is_dataclass(parts[0]) and not isinstance(value, list):
            raise InputError(f"{name} is not a list of tables; write each as [[{name}]].")
        items = value if isinstance(value, list | tuple) else (value,)
        return tuple(typed(name, item, parts[0]) for item in items)
    if origin is dict or is_dataclass(hint):
        if not isinstance(value, dict):
            raise InputError(f"{name} is {value!r}; expected a table.")
        if origin is dict:
            return {key: typed(f"{name}.{key}", item, parts[1]) for key, item in value.items()}
        return new_record(hint, name, value)
    return _scalar(name, value, hint)


def _scalar(name: str, value: Any, kind: type[Any]) -> Any:  # noqa: ANN401 - likewise
    accepted, in_words = _SCALARS[kind]
    is_other = isinstance(value, bool) != (kind is bool) or isinstance(value, datetime)
    if not isinstance(value, accepted) or is_other:
        raise InputError(f"{name} is {value!r}; expected {in_words}.")
    return kind(value) if kind in (float, Path) else value


def _typed_values(kind: type[Record], where: str, values: Mapping[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    check_keys(where, values, [field.name for field in fields(kind)])
    return {key: typed(_dotted(where, key), value, hints[key]) for key, value in values.items()}


def _dotted(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
