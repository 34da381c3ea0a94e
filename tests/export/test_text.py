"""The text of exported files: it is read back unchanged, and no spreadsheet runs it."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.export import text


def _numbers() -> st.SearchStrategy[float | int | bool | None]:
    return st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
    )


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.lists(
        st.dictionaries(
            _TEXTS,
            st.one_of(_numbers(), _TEXTS, st.dictionaries(_TEXTS, _TEXTS, max_size=2)),
            min_size=1,
            max_size=3,
        ),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=150, deadline=None)
def test_text_is_read_back_unchanged(records: list[dict[str, Any]]) -> None:
    assert yaml.safe_load(text.yaml_items(records)) == records
    assert yaml.safe_load(text.yaml_text(records)) == records
    lines = text.json_lines(records).splitlines()
    assert [json.loads(line) for line in lines] == records


@given(st.lists(_TEXTS.filter(lambda t: "\0" not in t), min_size=1))
@settings(max_examples=150, deadline=None)
def test_no_cell_begins_as_a_formula_and_each_text_can_be_restored(cells: list[str]) -> None:
    (row,) = csv.reader(_split(text.csv_text([["first", *cells]])))
    for cell, given_text in zip(row[1:], cells, strict=True):
        assert not cell.startswith(tuple("=+-@\t\r\n"))
        assert cell.removeprefix("'") == given_text


def _split(table: str) -> Iterator[str]:
    """Lines as a file opened with newline='' has them."""
    yield from (f"{line}\n" for line in table.removesuffix("\n").split("\n"))


def test_numbers_are_written_as_they_are() -> None:
    assert text.csv_text([[-5.0, None, True, 1e-7]]) == "-5.0,,true,1e-07\r\n"
    assert math.isclose(yaml.safe_load(text.yaml_items([{"x": 1e-07}]))[0]["x"], 1e-07)
