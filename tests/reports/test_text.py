"""The report of a run on the terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segpipe.core.report import AgreementInfo, AxisDecision, CandidateInfo, RunReport
from segpipe.core.text import WIDTH
from segpipe.reports.decisions import announcements_text
from segpipe.reports.discovery import published_phrase
from segpipe.reports.text import report_text
from tests.support.page_values import AXIS, EVERYBODY, LOAD, REPORT, SOURCE, UNAVAILABLE
from tests.support.snapshots import Snapshots

LONG = "high_product_concentration_high_repeat_product_low_top_category"


def lines_of(report: RunReport, *, is_verbose: bool = False) -> list[str]:
    return report_text(report, is_verbose=is_verbose).splitlines()


def row(lines: list[str], head: str, name: str) -> list[str]:
    """Words of the first row of that name below the line that begins with the head."""
    start = next(i for i, line in enumerate(lines) if line.split()[:2] == head.split())
    return next(line.split() for line in lines[start:] if line.startswith(name))


def test_segments_come_first_then_how_they_were_found_then_the_facts() -> None:
    lines = lines_of(REPORT)
    head = "Axis             Verdict      Segments: share of 100 customers / of their value"
    assert lines[0] == head
    assert lines[1].split(maxsplit=2)[1:] == [
        "groups",
        "low_value 40% / 10%, whale 52% / 90%, one_time_buyer 8.0% / 0.1%",
    ]
    assert lines[2].split(maxsplit=2)[1:] == ["unavailable", "no refund in the input"]
    assert "groups: customers fall into separate groups." in lines
    assert not any(line.startswith("tiers:") for line in lines)
    found = row(lines, "Axis Best", "purchase_value")
    assert found[1:] == ["2", "0.61", "0.42", "2", "groups,", "replaced:", "bounds", "renewed"]
    assert row(lines, "Axis Best", "return_behavior")[1:] == ["-", "-", "-", "unavailable"]
    starts = ("Axis  ", "Axis             Best K", "purchase_value: segments replaced", "Rows")
    heads = [next(i for i, line in enumerate(lines) if line.startswith(w)) for w in starts]
    assert heads == sorted(heads)
    assert "1,234 read, 34 rejected (4 no amount, 30 no date)" in " ".join(lines)


def test_a_replaced_axis_says_why_and_whom_it_moved() -> None:
    text = " ".join(report_text(REPORT).split())
    assert (
        "purchase_value: segments replaced: customers have drifted across the cuts, which were"
        " renewed (stability index 0.31); 1 customer, worth 500, has another segment by it."
    ) in text
    assert "next run" not in text
    assert (
        "new groups (stability index 0.31): replaced if the next run finds it again."
        in " ".join(report_text(REPORT, is_verbose=True).split())
    )


@pytest.mark.parametrize(
    ("decision", "found"),
    [
        (AxisDecision("kept"), ""),
        (AxisDecision("new"), ""),
        (AxisDecision("held back", "shares moved", "whale from 10% to 60%"), "held back: a segm"),
        (AxisDecision("held back", "sample too small"), "replacement held back: other segm"),
        (AxisDecision("replaced", "asked for"), "nobody has another segment by it"),
    ],
)
def test_only_what_is_not_as_before_is_announced(decision: AxisDecision, found: str) -> None:
    text = announcements_text(replace(REPORT, axes=(replace(AXIS, decision=decision),)))
    assert (found in " ".join(text.split())) if found else text == ""


def test_after_an_upgrade_a_table_has_former_and_new_names() -> None:
    decision = AxisDecision("replaced", "earlier version", "", None, 5, 4500.0)
    axes = (replace(AXIS, decision=decision), UNAVAILABLE)
    lines = lines_of(replace(REPORT, axes=axes))
    assert row(lines, "Axis Before", "purchase_value")[1:] == ["low_value", "whale", "5"]
    start = next(i for i, line in enumerate(lines) if line.split()[:2] == ["Axis", "Before"])
    assert lines[start + 2].split() == ["whale", "low_value", "2"]
    assert not any("segments replaced" in line or "has a new name" in line for line in lines)


def test_the_verbose_report_shows_every_k_its_choice_and_the_stages() -> None:
    lines = lines_of(REPORT, is_verbose=True)
    tried = row(lines, "Axis Figure", "purchase_value")
    assert tried[1:] == ["silhouette", "0.61*", "0.55", "(0.70)"]
    start = next(i for i, line in enumerate(lines) if line.split()[:2] == ["Axis", "Figure"])
    assert lines[start + 2].split() == ["smallest", "40%", "10%", "1.3%"]
    assert lines[start + 3].split() == ["valley", "0.42", "-", "-"]
    assert "(x) rejected" in " ".join(lines)
    assert "the highest silhouette of the K accepted" in " ".join(lines)
    assert row(lines, "Stage Seconds", "total") == ["total", "2.00"]
    notes = [line for line in lines if line.startswith("Note: purchase_value: ")]
    assert any("left out, the same for everybody: n_channels" in note for note in notes)
    assert any(
        "discounted_order_share missing for 3 customers, filled with the shop's median" in note
        for note in notes
    )
    everybody = lines_of(replace(REPORT, sample=EVERYBODY))
    assert not any("Note: purchase_value" in line for line in everybody)


def test_agreement_is_shown_of_a_sample_and_not_where_everybody_is_in_it() -> None:
    verbose = report_text(REPORT, is_verbose=True)
    assert "Agreement  Why this K" in verbose
    assert "98.99%" in verbose
    assert "Sample    60 customers (vip 5/5, low 55/95)" in verbose
    everybody = report_text(replace(REPORT, sample=EVERYBODY), is_verbose=True)
    assert "greement" not in everybody
    assert "98.99%" not in everybody
    assert "Sample    everybody" in everybody


def test_a_sample_that_is_too_small_says_what_size_would_do() -> None:
    text = " ".join(report_text(REPORT).split())
    assert "98.99% of customers get the same segment when everybody is divided" in text
    assert "--sample-size 800 would reach the agreement you ask for (min_agreement)" in text
    enough = replace(AXIS, agreement=AgreementInfo("refit", 92, 0.99, 0.97, 0.12, None))
    assert "--sample-size" not in report_text(replace(REPORT, axes=(enough,)))


@pytest.mark.parametrize(
    ("verdict", "reason", "n_empty", "phrase"),
    [
        ("tiers", "no gap between segments (valley 0.93)", 0, "2 tiers, no gap between segments"),
        ("tiers", "always tiers", 1, "2 tiers (1 empty), always tiers"),
        (
            "tiers",
            "3 separate groups, but no name holds for one of them",
            0,
            "2 tiers, 3 separate groups, but no name holds for one of them",
        ),
        (
            "tiers",
            "as the settings ask (--method tiers)",
            0,
            "2 tiers, as the settings ask (--method tiers)",
        ),
        (
            "rules",
            "too few customers to see groups (120, 200 are needed)",
            0,
            "2 kinds, too few customers to see groups",
        ),
        ("rules", "stages by definition", 0, "2 kinds, stages by definition"),
        ("rules", None, 0, "2 kinds, by rule"),
        ("groups", "2 groups, with a gap between them (valley 0.42)", 0, "2 groups, separate"),
    ],
)
def test_what_is_published_has_the_reason_of_the_axis(
    verdict: str, reason: str | None, n_empty: int, phrase: str
) -> None:
    assert published_phrase(verdict, 2, AxisDecision("new"), reason, n_empty) == phrase


def test_names_that_too_few_customers_meet_are_noted() -> None:
    axis = replace(AXIS, holds_for={"low_value": 0.799, "whale": 0.8, "modest": 0.042})
    text = " ".join(report_text(replace(REPORT, axes=(axis,))).split())
    assert (
        "Note: purchase_value: names that fewer than 80% of their customers meet: low_value 79%,"
        " modest 4%."
    ) in text
    assert "fewer than 80%" not in report_text(REPORT)


def test_segments_of_a_replaced_axis_are_not_among_the_unchanged() -> None:
    kept = replace(AXIS, name="purchase_frequency", decision=AxisDecision("kept"))
    assert "Since run 6:\n" in report_text(REPORT)
    assert "Since run 6: 1 segment of 1 axis unchanged." in report_text(
        replace(REPORT, axes=(AXIS, kept))
    )


@pytest.mark.parametrize("is_verbose", [False, True])
def test_no_line_is_longer_than_the_terminal(*, is_verbose: bool) -> None:
    candidates = tuple(CandidateInfo(k, 0.5, 0.1, 0.9, None) for k in range(2, 21))
    shares = {f"{LONG}_{n}": 0.1 for n in range(10)}
    axis = replace(
        AXIS,
        name=LONG,
        candidates=candidates,
        shares=shares,
        reason="a long reason " * 20,
        dropped_features=(LONG,) * 5,
    )
    source = replace(SOURCE, notes=("a long note " * 30,))
    report = replace(REPORT, axes=(axis, UNAVAILABLE), source=source)
    lines = lines_of(report, is_verbose=is_verbose)
    assert max(map(len, lines)) <= WIDTH
    if is_verbose:
        assert [line for line in lines if "K=20" in line]


@pytest.mark.parametrize(
    ("n_updated", "n_unchanged", "n_absent_kept", "counts"),
    [
        (90, 0, 0, "(10 new, 90 updated)"),
        (3, 1_087, 0, "(10 new, 3 updated, 1,087 unchanged)"),
        (3, 1, 2, "(10 new, 3 updated, 1 unchanged); 2 absent customers kept with their old run"),
    ],
)
def test_published_rows_are_counted_by_what_became_of_them(
    n_updated: int, n_unchanged: int, n_absent_kept: int, counts: str
) -> None:
    load = replace(
        LOAD,
        n_published=1_100,
        n_updated=n_updated,
        n_unchanged=n_unchanged,
        n_absent_kept=n_absent_kept,
    )
    text = " ".join(report_text(replace(REPORT, load=load)).split())
    assert f"Published run 7 of store north: 1,100 profiles {counts} Time" in text


@pytest.mark.parametrize(
    ("name", "is_verbose"), [("report", False), ("report_verbose", True)], ids=["short", "verbose"]
)
def test_the_whole_report(name: str, snapshots: Snapshots, *, is_verbose: bool) -> None:
    snapshots.check(name, report_text(REPORT, is_verbose=is_verbose))
