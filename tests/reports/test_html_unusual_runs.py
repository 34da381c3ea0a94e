"""The page of a run that lacks something: changes, a choice, a partition, or a report of today."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from segpipe.core.report import AxisDecision, AxisInfo, AxisScatter
from segpipe.model.rules import RuleList, SegmentRule
from segpipe.reports.html import page_html
from tests.support import page_values as values
from tests.support.page_reading import Element, read_page
from tests.support.page_values import details_of, report_of


def the_page(axis: AxisInfo, **details: Any) -> Element:  # noqa: ANN401 - of any kind
    return read_page(page_html(report_of(axis), details_of(**details)))


def test_a_dry_run_says_so_and_has_no_changes() -> None:
    page = read_page(page_html(report_of(load=None), details_of(with_ledger=False)))
    assert page.one("h1").text == "Customer segments"
    assert "A dry run: nothing was published." in page.text
    assert "Since run" not in page.text
    assert not page.all("table", class_="moves")
    assert "40% of customers (40)" in page.text
    assert "10% of value" in page.one("ul", class_="sizes").text


def test_a_first_run_has_no_changes() -> None:
    load = replace(values.LOAD, previous_run_id=None, transitions=())
    page = read_page(page_html(report_of(load=load), details_of()))
    assert "Since run" not in page.text
    assert "Moved" not in page.one("table", class_="overview").text


def test_a_run_where_nobody_moved_says_so() -> None:
    load = replace(values.LOAD, transitions=())
    axis = replace(values.AXIS, events=(values.AXIS.events[0],))
    text = read_page(page_html(report_of(axis, load=load), details_of())).text
    assert "Since run 6, nobody changed segment on any axis." in text
    assert "The segments are those of the previous run, under the same names." in text
    assert "Nobody changed segment." in text


def test_a_run_with_a_given_model_has_sizes_and_figures_but_no_choice() -> None:
    axis = replace(values.AXIS, candidates=(), choice=None, agreement=None, events=())
    html = page_html(report_of(axis, sample=None), details_of(scatter=None))
    page = read_page(html)
    assert "a given model" in page.text
    assert page.all("table", class_="heat")
    assert not page.all("svg", class_="chart")
    assert "How they were found" not in page.text
    assert "are those of the previous run" not in page.text


def test_tiers_show_their_figures_without_colours() -> None:
    axis = replace(values.AXIS, verdict="tiers", reason="no gap between segments (valley 1.00)")
    rules = RuleList((SegmentRule(0, ()), SegmentRule(1, ())))
    model = replace(values.MODEL, scales=(), partition=None, rules=rules)
    axis = replace(axis, agreement=None)
    section = read_page(page_html(report_of(axis), details_of(model))).one("section", id="axis-1")
    assert "One continuum, cut into tiers at stored bounds." in section.text
    assert "No gap between segments (valley 1.00)." in section.text
    heat = section.one("table", class_="heat")
    assert heat.rows()[1:] == [["low_value", "1.72", "50%"], ["whale", "8,102", "75%"]]
    assert {cell.attributes["class"] for cell in heat.all("td")} == {"h0"}
    assert "standard deviations" not in section.text


def test_after_an_upgrade_a_table_has_former_and_new_names() -> None:
    decision = AxisDecision("replaced", "earlier version", "", None, 5, 4500.0)
    section = the_page(replace(values.AXIS, decision=decision)).one("section", id="axis-1")
    assert section.one("table", class_="renamings").rows()[1:] == [
        ["low_value", "whale 5"],
        ["whale", "low_value 2"],
    ]


def test_an_axis_of_one_feature_is_spread_upwards_and_says_so() -> None:
    one = AxisScatter("lifetime_value", None, ((1.0, 0.0, 0), (2.0, 0.0, 1)))
    section = the_page(values.AXIS, scatter=one).one("section", id="axis-1")
    assert "on the axis's only figure, spread upwards" in section.text
    assert "↑" not in section.text


def test_an_empty_scatter_draws_nothing() -> None:
    empty = replace(values.SCATTER, points=())
    assert "Customers by segment" not in the_page(values.AXIS, scatter=empty).text


def test_a_report_of_an_older_segpipe_still_makes_a_page() -> None:
    report = report_of()
    for axis in report["axes"]:
        for key in (
            "choice",
            "agreement",
            "events",
            "decision",
            "best_k",
            "best_silhouette",
            "valley",
            "holds_for",
            "value_shares",
        ):
            del axis[key]
        for candidate in axis["candidates"]:
            del candidate["valley"]
    report["axes"][0]["verdict"] = "clustered"
    for key in ("previous_run_id", "transitions"):
        del report["load"][key]
    page = read_page(page_html(report, {"model": None, "scatter": None, "segments": None}))
    names = [name.text for name in page.all("span", class_="name")]
    assert names == ["whale", "low_value", "one_time_buyer"]
    assert len(page.all("svg", class_="chart")) == 1


def test_an_axis_of_a_users_own_needs_no_question_and_no_known_measure() -> None:
    axis = replace(values.AXIS, name="our_own", n_filled={"our_measure": 1})
    scales = (replace(values.VALUE, measure="our_measure"),)
    low = values.segment(1, "low", {"our_measure": 3.0})
    model = replace(values.MODEL, name="our_own", scales=scales, segments=(low,))
    section = read_page(page_html(report_of(axis), details_of(model))).one("section", id="axis-1")
    assert section.one("h3").text == "Our own"
    assert section.one("table", class_="heat").rows()[0] == ["Segment", "our measure"]
    assert "1 customer has no figure for “our measure”" in section.text
