"""Records from TOML: every value has its field's type, and an error says which value does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest

from segpipe.core.errors import InputError
from segpipe.core.toml_records import naming_file, new_record, read_toml, table_of, with_values


@dataclass(frozen=True)
class Part:
    name: str
    limits: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Whole:
    size: int
    share: float = 0.5
    is_open: bool = False
    side: Literal["above", "below"] = "above"
    day: date | None = None
    paths: tuple[Path, ...] = ()
    parts: tuple[Part, ...] = ()


def test_values_become_those_of_the_record() -> None:
    table = {
        "size": 3,
        "share": 1,
        "day": date(2025, 6, 30),
        "paths": "one.csv",
        "parts": [{"name": "a", "limits": {"n_orders": 2}}],
    }
    found = new_record(Whole, "", table)
    assert found == Whole(
        3, 1.0, day=date(2025, 6, 30), paths=(Path("one.csv"),), parts=(Part("a", {"n_orders": 2}),)
    )
    assert isinstance(found.share, float)


def test_values_replace_those_of_a_record() -> None:
    assert with_values(Whole(3), "sample", {"is_open": True}) == Whole(3, is_open=True)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"sise": 3}, "'sise' is not a known key; known: size, share"),
        ({"share": 0.1}, "size is missing"),
        ({"size": True}, "size is True; expected a whole number"),
        ({"size": 3, "is_open": 1}, "is_open is 1; expected true or false"),
        ({"size": 3, "side": "over"}, "side is 'over'; expected 'above' or 'below'"),
        ({"size": 3, "parts": {"name": "a"}}, r"write each as \[\[parts\]\]"),
        ({"size": 3, "parts": [5]}, "parts is 5; expected a table"),
        ({"size": 3, "parts": [{"nome": "a"}]}, r"'nome' is not a key of \[parts\]; known: name"),
        (
            {"size": 3, "parts": [{"name": "a", "limits": {"n": "x"}}]},
            "parts.limits.n is 'x'; expected a number",
        ),
        (
            {"size": 3, "parts": [{"name": "a", "limits": 1}]},
            "parts.limits is 1; expected a table",
        ),
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_value(
    table: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        new_record(Whole, "", table)


def test_a_table_is_empty_where_it_is_missing() -> None:
    assert table_of({"text": {"a": 1}}, "text") == {"a": 1}
    assert table_of({}, "text") == {}
    with pytest.raises(InputError, match=r"text is 3; expected the table \[text\]"):
        table_of({"text": 3}, "text")


def test_an_unreadable_file_is_named_with_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    with pytest.raises(InputError, match=r"The mapping .*own.toml cannot be read"):
        read_toml(path, "mapping")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"The mapping .*own.toml is not TOML"):
        read_toml(path, "mapping")


def test_an_error_gets_the_name_of_its_file() -> None:
    with (
        pytest.raises(InputError, match=r"The mapping own.toml: size is 0"),
        naming_file(Path("own.toml"), "mapping"),
    ):
        raise InputError("size is 0")
