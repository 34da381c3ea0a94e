"""Figures and tables as the terminal shows them."""

from __future__ import annotations

from segpipe.core.text import counted, percent, percent_floor, percent_of, table_text


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
