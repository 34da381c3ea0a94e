"""The page of a run: it stands alone, every text is escaped, and its figures are the report's."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from segpipe.core.report import OutlookInfo
from segpipe.reports.html import page_html
from tests.support import page_values as values
from tests.support.page_reading import Element, read_page
from tests.support.page_values import details_of, report_of

HOSTILE = "\"><script>alert('x')</script>&<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def html() -> str:
    return page_html(report_of(), details_of())


@pytest.fixture(scope="module")
def page(html: str) -> Element:
    return read_page(html)


@pytest.fixture(scope="module")
def value(page: Element) -> Element:
    """The section of the axis purchase_value."""
    return page.one("section", id="axis-1")


def test_the_page_needs_nothing_from_elsewhere(html: str, page: Element) -> None:
    assert not re.search(r"(?i)https?://|//[a-z]|@import|url\(|<script|<iframe|<object", html)
    for element in page.all():
        assert "src" not in element.attributes
        link = element.attributes.get("href", "#")
        assert link.startswith("#") or link == "data:,"
    targets = {link.attributes["href"] for link in page.all("a")}
    assert targets == {"#axis-1", "#axis-2", "#overview"}
    assert targets <= {"#" + element.attributes.get("id", "") for element in page.all()}


def test_every_text_of_a_user_is_escaped() -> None:
    axis = replace(values.AXIS, shares={HOSTILE: 1.0}, reason=HOSTILE, choice=HOSTILE)
    source = replace(
        values.SOURCE, paths=(f"shop/{HOSTILE}.csv",), notes=(HOSTILE,), preset=HOSTILE
    )
    source = replace(source, reject_reasons={HOSTILE: 34}, currency=HOSTILE)
    moved = replace(values.LOAD.transitions[0], from_segment=HOSTILE, to_segment=HOSTILE)
    load = replace(values.LOAD, store_id=HOSTILE, transitions=(moved,), notes=(HOSTILE,))
    named = values.segment(1, HOSTILE, values.LOW.medians)
    model = replace(values.MODEL, segments=(named, values.WHALE))
    details = details_of(model)
    details["versions"] = {HOSTILE: HOSTILE}
    html = page_html(report_of(axis, load=load, source=source), details)
    assert "<script" not in html
    assert "<img" not in html
    page = read_page(html)
    assert not any(name.startswith("on") for e in page.all() for name in e.attributes)
    assert page.one("h1").text == f"Customer segments of {HOSTILE}"
    assert page.one("head").one("title").text.startswith(f"Customer segments of {HOSTILE} as of")
    assert page.text.count(HOSTILE) > 10


def test_the_page_is_well_formed_and_can_be_read_aloud(page: Element) -> None:
    ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in page.all():
        for name in element.attributes.get("aria-labelledby", "").split():
            assert name in ids
    for head in page.all("th"):
        assert head.attributes["scope"] in ("col", "row", "rowgroup")
        assert head.text
    levels = [int(e.tag[1]) for e in page.all() if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    drawings = page.all("svg", class_="chart")
    assert len(drawings) == 2
    for drawing in drawings:
        assert drawing.attributes["role"] == "img"
        assert drawing.one("title").text
        assert drawing.one("desc").text
    assert page.one("html").attributes["lang"] == "en"
    for box in page.all("div", class_="scroll"):
        assert box.attributes["aria-label"]


def test_the_head_has_the_facts_of_the_run(page: Element) -> None:
    facts = {
        d.all("dt")[0].text: d.all("dd")[0].text
        for d in page.one("header", class_="card").all("div")
    }
    assert facts == {
        "Run": "7",
        "As of": "2025-03-01",
        "Customers": "100",
        "Orders": "400",
        "Rows read": "1,234",
        "Rows rejected": "34 (2.8%)",
        "Published": "2025-03-01 04:00 UTC",
        "Learnt from": "60 customers",
        "Currency": "EUR",
    }


def test_the_outlook_is_a_line_below_the_facts() -> None:
    outlook = OutlookInfo(is_published=False, is_provisional=False, reason="too short")
    header = read_page(page_html(report_of(outlook=outlook), details_of())).one(
        "header", class_="card"
    )
    assert "Outlook" not in header.one("dl", class_="facts").text
    assert (
        header.one("p", class_="outlook").text
        == "Outlook: no churn risk and no expected value: too short."
    )


def test_the_overview_has_a_row_an_axis(page: Element) -> None:
    assert page.one("table", class_="overview").rows()[1:] == [
        ["Marketing"],
        [
            "Purchase value",
            "groups",
            "low_value 40% / 10%, whale 52% / 90%, one_time_buyer 8.0% / 0.1%",
            "7",
        ],
        ["Return behavior", "unavailable", "–", "0"],
    ]
    assert page.one("table", class_="found").rows()[1:] == [
        ["Purchase value", "2", "0.61", "0.42", "98.99%", "2 groups, replaced: bounds renewed"],
        ["Return behavior", "–", "–", "–", "–", "unavailable"],
    ]
    assert "7 moves between segments over all axes: 4 by behaviour, 2 by time, 1 by model" in (
        page.one("section", id="overview").text
    )


def test_every_segment_and_state_shows_its_customers_and_value(value: Element) -> None:
    sizes = value.one("ul", class_="sizes").all("li")
    shown = [(s.one(class_="name").text, s.one(class_="count").text) for s in sizes]
    assert shown == [
        ("low_value", "40% of customers (40), 10% of value"),
        ("whale", "52% of customers (52), 90% of value; true of 96% of them"),
        ("one_time_buyer", "8.0% of customers (8), 0.1% of value"),
    ]
    bars = [
        bar.attributes["style"] for s in sizes for bar in s.all("span", class_="track")[0].all()
    ]
    assert bars == ["width:40.00%", "width:52.00%", "width:8.00%"]
    assert "About whale." in sizes[1].text
    assert "Fewer than 2 orders so far." in sizes[2].text


def test_the_chosen_number_of_segments_is_marked_and_the_others_say_why_not(value: Element) -> None:
    assert [dot.attributes["data-k"] for dot in value.all("g", class_="chosen")] == ["2"]
    assert [dot.attributes["data-k"] for dot in value.all("g", class_="accepted")] == ["3"]
    assert [dot.attributes["data-k"] for dot in value.all("g", class_="rejected")] == ["4"]
    assert value.one("table", class_="trials").rows()[1:] == [
        ["2", "0.61", "40%", "0.42", "0.98", "best"],
        ["3", "0.55", "10%", "–", "–", "accepted, not the best"],
        ["4", "0.70", "1.3%", "–", "0.90", "rejected: smallest segment 1.3% below 2%"],
    ]
    assert "K-means finds 2 segments best: the highest silhouette of the K accepted." in value.text


def test_what_the_run_decided_stands_in_the_overview_and_in_the_section(page: Element) -> None:
    overview, section = page.one("section", id="overview"), page.one("section", id="axis-1")
    for part in (overview, section):
        assert "segments replaced: customers have drifted across the cuts" in part.text
        assert "1 customer, worth 500, has another segment by it." in part.text
    assert "Next run: new groups" in section.text
    assert "Next run" not in page.one("section", id="axis-2").text


def test_the_heat_map_shows_the_medians_against_the_shops(value: Element) -> None:
    table = value.one("table", class_="heat")
    assert table.rows() == [
        ["Segment", "lifetime value (EUR)", "discounted orders"],
        ["The shop's median", "53.60", "50%"],
        ["low_value", "1.72", "50%"],
        ["whale", "8,102", "75%"],
    ]
    cells = [(c.text, c.attributes["class"]) for c in table.all("td") if "class" in c.attributes]
    # By hand: (log 2.718 - 4) / 2 = -1.5; (log 8103 - 4) / 2 = 2.5; (0.75 - 0.5) / 0.25 = 1.
    assert cells == [("1.72", "h-3"), ("50%", "h0"), ("8,102", "h4"), ("75%", "h2")]
    assert table.one("td", class_="h-3").attributes["title"] == "1.5 standard deviations below it"


def test_a_figure_that_nobody_of_a_segment_has_is_unknown() -> None:
    bare = values.segment(1, "low_value", {"lifetime_value": 1.0})
    page = read_page(page_html(report_of(), details_of(replace(values.MODEL, segments=(bare,)))))
    assert page.one("td", class_="none").text == "unknown"


def test_the_points_lie_where_their_figures_say(value: Element) -> None:
    paths = {p.attributes["class"]: p.attributes["d"] for p in value.all("path", class_="points")}
    assert set(paths) == {"points f0", "points f1"}
    assert paths["points f0"].startswith("M66 262m")  # both at the lower bound
    # At the upper bound; and what lies beyond it at the edge, half-way up.
    assert re.findall(r"M(\S+ [\d.]+)", paths["points f1"]) == ["416 30", "416 146"]
    assert "3 customers of the sample" in value.text


def test_changes_since_the_previous_run_come_with_money_and_cause(value: Element) -> None:
    assert value.one("table", class_="moves").rows()[1:] == [
        ["low_value", "whale", "5", "", "4,500", "4 by behaviour, 1 by model"],
        ["whale", "low_value", "2", "", "90", "2 by time"],
    ]
    assert "1 segment kept its name." in value.text
    assert "whale has a new name, formerly high_value." in value.text
    assert "modest is gone, its customers are in low_value and whale." in value.text
    assert "Since run 6" in value.text


def test_of_many_moves_the_largest_are_shown_and_the_rest_counted() -> None:
    moves = tuple(
        replace(values.LOAD.transitions[0], from_segment=f"s{n}", n_customers=n)
        for n in range(1, 16)
    )
    html = page_html(report_of(load=replace(values.LOAD, transitions=moves)), details_of())
    rows = read_page(html).one("table", class_="moves").rows()[1:]
    assert [row[2] for row in rows] == [str(n) for n in range(15, 3, -1)]
    assert "And 6 customers in smaller moves" in html


def test_agreement_is_rounded_down_and_says_what_sample_would_do(value: Element) -> None:
    assert (
        "98.99% of the 92 eligible customers get the same segment when everybody is divided"
        " (a refit; adjusted Rand index 0.970); the segment that moved most moved 0.12 standard"
        " deviations. A sample of 800 would reach the agreement you ask for (min_agreement)."
    ) in value.text


def test_agreement_is_left_out_where_everybody_is_in_the_sample() -> None:
    page = read_page(page_html(report_of(sample=values.EVERYBODY), details_of()))
    assert "greement" not in page.text
    assert "98.99%" not in page.text
    assert "Agreement" not in page.one("table", class_="overview").text


def test_rows_times_and_versions_close_the_page(page: Element) -> None:
    assert "1,234 read, 34 rejected; they are in shop/orders.rejects.csv." in page.text
    assert "17 lines without a customer, not segmented" in page.text
    assert ["no date", "30"] in page.one(
        "div", **{"aria-label": "Reasons of the rejected rows"}
    ).one("table").rows()
    times = page.one("table", class_="times").rows()[1:]
    assert times == [["source", "1.50", ""], ["load", "0.50", ""], ["total", "2.00", ""]]
    versions = page.one("section", **{"aria-labelledby": "versions-name"}).text
    for text in ("ab" * 6, "orders.csv", "512 MB", "duckdb2.0.0", "segpipe0.1.0"):
        assert text in versions


def test_names_that_too_few_customers_meet_are_in_the_notes() -> None:
    axis = replace(values.AXIS, holds_for={"low_value": 0.5})
    page = read_page(page_html(report_of(axis), details_of()))
    text = "Names that fewer than 80% of their customers meet: low_value 50%."
    assert text in page.one("section", id="axis-1").text


def test_notes_name_the_measures_in_words(value: Element) -> None:
    assert "Left out, as it is the same for everybody: channels." in value.text
    assert "3 customers have no figure for “discounted orders”" in value.text


def test_an_unavailable_axis_says_why_and_shows_no_chart(page: Element) -> None:
    section = page.one("section", id="axis-2")
    assert "No refund in the input." in section.text
    assert not section.all("svg", class_="chart")
    assert not section.all("table")


def test_the_same_run_gives_the_same_page(html: str) -> None:
    assert page_html(report_of(), details_of()) == html
