"""Figures and tables as the terminal shows them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from segpipe.core.text import (
    WIDTH,
    counted,
    paragraph,
    percent,
    percent_floor,
    percent_of,
    table_text,
    unbroken,
)


def test_shares_and_counts_are_never_rounded_to_none_or_all() -> None:
    assert [percent_of(*pair) for pair in ((1, 5000), (4999, 5000), (0, 7), (7, 7), (1, 3))] == [
        "<0.1%",
        "99.9%",
        "0%",
        "100%",
        "33%",
    ]
    assert percent_of(0, 0) == "0%"
    assert percent(0.076) == "7.6%"
    assert [percent_floor(share) for share in (1.0, 0.99999, 0.9996)] == [
        "100%",
        "99.99%",
        "99.96%",
    ]
    assert [counted(1, "line"), counted(1200, "line")] == ["1 line", "1,200 lines"]


def test_numbers_stand_to_the_right_and_texts_to_the_left() -> None:
    assert table_text(("name", "n"), [("a", 1), ("bcd", 1200.5), ("e", None)]).splitlines() == [
        "name         n",
        "a            1",
        "bcd   1,200.50",
        "e",
    ]


def test_a_wide_table_wraps_its_texts_and_no_number() -> None:
    segments = ", ".join(unbroken(f"segment_{n} {n}%") for n in range(10, 20))
    shown = table_text(("axis", "n", "segments"), [("a", 123_456_789.0, segments)], 60).splitlines()
    assert max(map(len, shown)) <= 60
    assert shown[1].startswith("a     123,456,789.00  segment_10 10%, segment_11 11%,")
    assert len(shown) > 3
    assert all(line.startswith(" " * 22 + "segment_") for line in shown[2:])


@given(
    st.lists(
        st.tuples(st.text(max_size=300), st.text(max_size=300), st.integers(0, 10**9)), max_size=4
    )
)
def test_no_line_of_a_table_is_too_long(rows: list[tuple[str, str, int]]) -> None:
    plain = [(" ".join(a.split()), " ".join(b.split()), n) for a, b, n in rows]
    shown = table_text(("one", "two", "three"), plain)
    assert all(len(line) <= WIDTH for line in shown.split("\n"))


def test_a_paragraph_hangs_from_its_first_words() -> None:
    shown = paragraph("the file a/long-path.csv was " + "read " * 30, "Note: ").splitlines()
    assert shown[0].startswith("Note: the file a/long-path.csv was read")
    assert shown[1].startswith("      read")
    assert all(len(line) <= WIDTH for line in shown)
    assert paragraph("b " * 60, "a: ", indent=1).splitlines()[1].startswith(" b")
