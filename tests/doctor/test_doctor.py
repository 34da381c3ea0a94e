"""The doctor finds every defect of an export, with figures, and refuses what a run would refuse."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from segpipe.core.settings import FeatureSettings, RunSettings, SourceSettings
from segpipe.doctor import Diagnosis, Finding, diagnosis_text, examine
from segpipe.doctor.record import SEVERITIES
from segpipe.engines.duckdb import DuckDbMemoryError
from tests.support.commands import FEW_KS, HEADER, call, shop_lines, write_shop
from tests.support.snapshots import Snapshots

TODAY = date(2025, 7, 1)


def line(
    customer: str = "c1",
    order: str = "o1",
    at: str = "2024-05-01T10:00:00",
    amount: str = "20",
    rest: str = "1,0,0,p1,cat1,web",
) -> str:
    return f"{customer},{order},{at},{amount},{rest}"


def diagnosed(*paths: Path, as_of: date | None = None, tickets: Path | None = None) -> Diagnosis:
    names = tuple(str(path) for path in paths)
    settings = RunSettings(
        source=SourceSettings(paths=names, tickets_path=tickets),
        features=FeatureSettings(as_of=as_of),
    )
    return examine(settings, TODAY)


def topics(diagnosis: Diagnosis) -> dict[str, Finding]:
    return {finding.topic: finding for finding in diagnosis.findings}


def found_on(diagnosis: Diagnosis, topic: str) -> tuple[str, str]:
    finding = topics(diagnosis)[topic]
    return finding.severity, finding.found


def messy_lines() -> list[str]:
    """Two orders of each of ten customers, in January to May of 2024 but March; and defects."""
    months = ["01", "02", "04", "05"]
    lines = [
        line(f"c{i}", f"o{i}-{j}", f"2024-{months[(i + j) % 4]}-1{i}T0{i}:30:00", f"{10 + i}")
        for i in range(10)
        for j in range(2)
    ]
    return [
        *lines,
        lines[0],  # a copy
        line("", "g1"),
        line("nan", "g2"),
        line("c0", "free", "2024-04-02T11:00:00", "0"),
        line("c1", "free", "2024-04-02T12:00:00", "0"),  # an id of two customers
        line("c2", "r1", "2024-05-20T12:00:00", "-5"),  # a return, after every order
        line("c3", "o3-0", "2024-05-15T12:00:00", "-500"),  # a return within an order
        line("back", "r2", "2024-05-16T12:00:00", "-7"),
        line("old", "p1", "1970-01-01T00:00:00", "9"),
        line("c9", "s1", "soon", "9"),
        line("c9", "s2", "2024-05-05", "many"),
        line("c9", "s3", "later", "9"),
    ]


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Diagnosis:
    return diagnosed(write_shop(tmp_path_factory.mktemp("messy") / "shop.csv", messy_lines()))


@pytest.mark.parametrize(
    ("topic", "severity", "figures"),
    [
        ("rejects", "warning", ("3 of 32", "9.4%", "(2, ", "line 31: 'soon'", "line 32: 'many'")),
        ("guests", "note", ("2 lines", "6.2%")),
        ("duplicates", "ok", ("1 ", "3.7%")),
        ("prices", "note", ("2 lines", "8.3%")),
        ("orders", "warning", ("1 order", "4.2%")),
        ("returns", "note", ("3 ", "2 of them")),
        ("returns_without_orders", "warning", ("1 customer", "1 line")),
        ("owed", "warning", ("1 customer",)),
        ("one_order", "ok", ("1 of 11", "9.1%")),
        ("span", "note", ("129 days", "2024-01-10", "2024-05-17")),
        ("months", "warning", ("1 ", "2024-03")),
        ("isolated_dates", "warning", ("1 order", "1970-01-01", "19,732 days")),
        ("times", "ok", ()),
        ("as_of", "note", ("1 line", "2024-05-18")),
    ],
)
def test_each_defect_is_found_with_its_figures(
    messy: Diagnosis, topic: str, severity: str, figures: tuple[str, ...]
) -> None:
    assert found_on(messy, topic)[0] == severity
    for figure in figures:
        assert figure in found_on(messy, topic)[1]


def test_the_whole_text_of_a_diagnosis(messy: Diagnosis, snapshots: Snapshots) -> None:
    folder = Path(messy.source.paths[0]).parent if messy.source else Path()
    snapshots.check("doctor", diagnosis_text(messy), {re.escape(f"{folder}/"): ""})


def test_a_refusal_comes_first_and_the_other_checks_still_run(
    messy: Diagnosis,
) -> None:
    order = [SEVERITIES.index(finding.severity) for finding in messy.findings]
    assert order == sorted(order)
    assert messy.findings[0].found.startswith("3 of 32 rows (9.4%) were rejected, more than")
    assert "None" not in messy.findings[0].found
    assert len(messy.axes) == 13
    reasons = {axis.reasons[0] for axis in messy.axes if axis.state == "degraded"}
    assert reasons == {"under 200 eligible customers, too few to check segments"}
    assert messy.features is not None
    assert messy.features.n_customers == 11


def test_a_clean_export_passes_and_the_run_agrees_on_every_axis(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = [row.rsplit(",", 2)[0] for row in shop_lines(250)]  # without category and channel
    path = write_shop(tmp_path / "shop.csv", lines, HEADER.removesuffix(",category,channel"))
    checked = call(capsys, "doctor", "--csv-path", path, "--quiet", "--json")
    assert checked.status == 0
    found = json.loads(checked.out)
    assert found["would_run"] is True
    assert found["columns"]["line_amount"] == "line_amount"
    run = call(capsys, "run", "--csv-path", path, "--dry-run", "--quiet", "--json", *FEW_KS)
    report = json.loads(run.out)
    assert found["source"] == report["source"]
    assert found["features"] == report["features"]
    for health, axis in zip(found["axes"], report["axes"], strict=True):
        assert health["name"] == axis["name"]
        assert (health["state"] == "unavailable") == (axis["verdict"] == "unavailable")
        if axis["verdict"] == "unavailable" and "input" not in axis["reason"]:
            assert health["reasons"] == [axis["reason"]]
    states = {axis["name"]: axis for axis in found["axes"]}
    assert states["purchase_value"]["state"] == "available"
    assert states["purchase_value"]["n_eligible"] == 250
    category = states["category_exploration"]
    assert category["state"] == "degraded"
    assert category["reasons"] == ["no categories in the input, 2 of 3 features missing"]
    assert category["advice"][0].startswith("Add a column category, or map one to category")
    refunds = states["return_behavior"]
    assert refunds["state"] == "unavailable"
    assert refunds["reasons"] == ["customers do not differ beyond chance: refunded orders"]
    assert states["loyalty_trajectory"]["state"] == "available"
    assert 200 <= states["loyalty_trajectory"]["n_eligible"] < 250
    assert states["communication_preference"]["reasons"] == ["no channels or tickets in the input"]


def test_mixed_currencies_are_counted_and_refused_as_by_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = [line(f"c{i}", f"o{i}") + (",EUR" if i < 8 else ",usd") for i in range(9)]
    path = write_shop(tmp_path / "shop.csv", lines, HEADER + ",currency")
    outcome = call(capsys, "doctor", "--csv-path", path, "--quiet", "--json")
    assert outcome.status == 1
    first, second = json.loads(outcome.out)["findings"][:2]
    run = call(capsys, "run", "--csv-path", path, "--dry-run", "--quiet")
    assert run.err == f"segpipe: error: {first['found']}\n"
    assert second["found"] == "Mixed currencies: EUR (8 lines), USD (1 line)."
    assert "--store-id" in second["advice"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("photo.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
        ("unknown.csv", b"when,what,how\n1,2,3\n"),
        ("header.csv", f"{HEADER}\n".encode()),
        ("returns.csv", f"{HEADER}\n{line(amount='-5')}\n".encode()),
        ("guests.csv", f"{HEADER}\n{line('')}\n".encode()),
    ],
)
def test_what_the_run_refuses_ends_with_status_1_and_the_reason_of_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    outcome = call(capsys, "doctor", "--csv-path", path, "--quiet", "--json")
    assert outcome.status == 1
    run = call(capsys, "run", "--csv-path", path, "--dry-run", "--quiet")
    assert run.status == 2
    assert run.err == f"segpipe: error: {json.loads(outcome.out)['findings'][0]['found']}\n"
    as_text = call(capsys, "doctor", "--csv-path", path, "--quiet")
    assert "refused   " in as_text.out
    assert "The run would be refused." in as_text.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--csv-path", "absent.csv"), "absent.csv"),
        (("--csv-path", "absent-*.csv"), "absent-*.csv"),
        (("--csv-path", "."), "folder"),
        (("--csv-path", "shop.csv", "--tickets", "absent.csv"), "absent.csv"),
        (("--csv-path", "shop.csv", "--source", "shopfy"), "Did you mean shopify?"),
        (("--csv-path", "shop.csv", "--preset-file", "absent.toml"), "absent.toml"),
        (("--csv-path", "shop.csv", "--axis-file", "absent.toml"), "absent.toml"),
        (("--csv-path", "shop.csv", "--timezone", "Mars/Base"), "Mars/Base"),
        (("--csv-path", "shop.csv", "--memory-limit", "many"), "Memory"),
        ((), "--csv-path"),
    ],
)
def test_wrong_usage_ends_with_status_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_shop(tmp_path / "shop.csv", [line()])
    outcome = call(capsys, "doctor", "--quiet", *options)
    assert outcome.status == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_no_file_is_written_and_the_limit_of_rejects_can_be_raised(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGPIPE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = write_shop(tmp_path / "shop.csv", messy_lines())
    before = path.read_bytes()
    refused = call(capsys, "doctor", path, "--quiet")
    assert refused.status == 1
    assert "rejected, more than the 5.0% allowed" in " ".join(refused.out.split())
    assert call(capsys, "doctor", path, "--quiet", "--max-reject-share", "0.1").status == 0
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_the_text_shows_what_each_column_was_read_as_and_gives_advice(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "invoices.csv"
    rows = [f"{i},A{i},{1 + i % 3},2010-12-{i + 1:02d} 08:26,2.5,17850,France" for i in range(5)]
    header = "Invoice,StockCode,Quantity,InvoiceDate,Price,Customer ID,Country"
    write_shop(path, rows, header)
    out = call(capsys, "doctor", path, "--quiet").out
    assert "Source    preset online_retail_ii\n" in out
    assert "customer_id: Customer ID, order_id: Invoice" in out
    assert "line_amount: quantity * unit_price" in out
    assert "Not read  Country\n" in out
    assert "→ price_sensitivity: Add a column of discounts, and map it to discount_amount" in out
    assert max(len(text) for text in out.split("\n\n")[1].splitlines()) <= 100
    assert out.endswith("axes: 0 available, 3 degraded, 10 unavailable.\n")


def test_lines_of_two_files_are_an_overlap_and_not_only_duplicates(tmp_path: Path) -> None:
    lines = [line(f"c{i}", f"o{i}", f"2024-05-0{i}T10:00:00") for i in range(1, 9)]
    first = write_shop(tmp_path / "a.csv", lines[:5])
    header = HEADER.removesuffix(",channel")
    second = write_shop(tmp_path / "b.csv", [s.removesuffix(",web") for s in lines[5:]], header)
    apart = diagnosed(first, second)
    assert found_on(apart, "overlap") == ("ok", "No line is in more than one file or sheet.")
    assert found_on(apart, "columns") == (
        "warning",
        f"{second} lacks channel, compared with {first}.",
    )
    third = write_shop(tmp_path / "c.csv", [lines[4], lines[3], *lines[5:]])
    again = diagnosed(first, third)
    assert found_on(again, "overlap") == ("warning", "2 lines in more than one file or sheet.")
    assert found_on(again, "duplicates")[0] == "warning"


def test_times_at_midnight_or_all_at_one_second_are_found(tmp_path: Path) -> None:
    days = [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(120)]
    path = tmp_path / "shop.csv"
    write_shop(path, [line(f"c{i % 9}", f"o{i}", day) for i, day in enumerate(days)])
    assert found_on(diagnosed(path), "times") == (
        "note",
        "No order has a time of day: all are at midnight.",
    )
    stamps = [f"T1{i % 10}:{i % 60:02d}:00" if i % 2 else "T22:00:00" for i in range(120)]
    lines = [line(f"c{i % 9}", f"o{i}", f"{days[i]}{stamps[i]}") for i in range(120)]
    stamped = topics(diagnosed(write_shop(path, lines)))["times"]
    assert (stamped.severity, stamped.found) == (
        "warning",
        "60 orders (50%) at exactly 22:00:00.",
    )
    assert "--timezone" in (stamped.advice or "")


def test_future_and_isolated_dates_are_found_unless_as_of_leaves_them_out(
    tmp_path: Path,
) -> None:
    lines = [line(f"c{i % 9}", f"o{i}", f"2025-{1 + i // 4:02d}-0{1 + i % 4}") for i in range(40)]
    path = write_shop(tmp_path / "shop.csv", [*lines, line("c1", "typo", "2052-06-01")])
    found = diagnosed(path)
    assert found_on(found, "future")[1] == (
        "15 orders dated 2025-07-02 to 2025-10-04, after today (2025-07-01)."
    )
    late = topics(found)["isolated_dates"]
    assert late.found.startswith("1 order dated 2052-06-01, 9,737 days after all others")
    assert late.advice == "Correct them, or give --as-of 2025-10-05."
    bounded = topics(diagnosed(path, as_of=TODAY))
    assert not {"future", "isolated_dates"} & set(bounded)
    assert bounded["as_of"].found == "16 lines dated after as_of, 2025-07-01."
    early = diagnosed(path, as_of=date(2024, 1, 1))
    assert early.refusals == (
        "No customer has an order on or before 2024-01-01; give a later --as-of.",
    )


def test_a_till_among_the_customers_and_tickets_of_unknown_customers_are_found(
    tmp_path: Path,
) -> None:
    lines = [line(f"c{i}", f"o{i}", amount=f"{i + 1}") for i in range(110)]
    lines += [line("till", f"t{i}", amount="5") for i in range(90)]
    tickets = tmp_path / "tickets.csv"
    tickets.write_text(
        "customer_id,created_at,channel\n"
        "c1,2024-05-01,email\nx1,2024-05-01,chat\nx2,2024-05-01,chat\n",
        encoding="utf-8",
    )
    found = diagnosed(write_shop(tmp_path / "shop.csv", lines), tickets=tickets)
    assert found_on(found, "largest_customer") == (
        "warning",
        "Customer 'till' alone has 90 orders, 45% of all.",
    )
    assert found_on(found, "tickets") == (
        "warning",
        "2 of 3 tickets (67%) are of no known customer.",
    )
    assert found_on(found, "one_order")[0] == "warning"
    assert [axis.name for axis in found.axes][-1] == "support_history"


def test_a_lack_of_memory_is_a_refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DuckDbMemoryError("could not allocate")

    monkeypatch.setattr("segpipe.doctor.examination.compute_features", fail)
    found = diagnosed(write_shop(tmp_path / "shop.csv", [line()]))
    assert found.refusals == ("The engine ran out of memory.",)
