"""`segpipe run --report` and `segpipe report`: the page of a run as a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from segpipe.cli.report import write_report
from segpipe.core.report import RunDetails
from segpipe.postgres import Connection
from segpipe.runs import fail_run, start_run
from segpipe.runs.ledger import mark_published
from segpipe.runs.records import RunTables
from tests.support import page_values as values
from tests.support.commands import AXIS_NAMES, FEW_KS, call, shop_lines, write_shop
from tests.support.page_reading import Element, read_page
from tests.support.page_values import details_of


def read(path: Path) -> Element:
    return read_page(path.read_text(encoding="utf-8"))


def publish(capsys: pytest.CaptureFixture[str], shop: Path, url: str, *more: object) -> str:
    into = ("--database-url", url, "--quiet", "--max-k", 2)
    outcome = call(capsys, "run", "--csv-path", shop, *into, *more)
    assert outcome.status == 0, outcome.err
    return outcome.out


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_shop(tmp_path / "shop.csv", shop_lines(40))


def test_a_run_writes_its_page_and_the_ledger_gives_the_same_again(
    capsys: pytest.CaptureFixture[str],
    shop: Path,
    tmp_path: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "page.html"
    assert f"Page: {path}" in publish(capsys, shop, database_url, "--report", path)
    page = read(path)
    assert page.one("h1").text == "Customer segments of default"
    assert [code.text for code in page.all("code", class_="muted")] == AXIS_NAMES
    assert "of value" in page.text
    assert page.all("path", class_="points")
    assert page.all("table", class_="heat")
    monkeypatch.chdir(tmp_path)
    again = call(capsys, "report", "latest", "--database-url", database_url)
    assert (again.status, again.out) == (0, "report-1.html\n")
    assert (tmp_path / "report-1.html").read_bytes() == path.read_bytes()


def test_the_page_of_the_next_run_shows_the_changes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    for n_customers in (30, 35):
        publish(capsys, write_shop(tmp_path / "s.csv", shop_lines(n_customers)), database_url)
    out = tmp_path / "second.html"
    assert call(capsys, "report", 2, "--out", out, "--database-url", database_url).status == 0
    assert "Since run 1" in read(out).one("section", id="overview").text


def test_a_dry_run_writes_a_page_without_any_database(
    capsys: pytest.CaptureFixture[str], shop: Path, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    dry = ("--dry-run", "--quiet", *FEW_KS, "--report", path, "--json")
    outcome = call(capsys, "run", "--csv-path", shop, *dry)
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith("{")
    assert "Page:" not in outcome.out
    assert "A dry run: nothing was published." in read(path).text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/page.html", "there is no folder"),
        (".", "name a file such as report.html"),
        ("shop.csv", "which the run reads or writes too"),
        ("model.json", "which the run reads or writes too"),
    ],
)
def test_a_path_that_cannot_be_the_pages_is_refused_before_the_run(
    capsys: pytest.CaptureFixture[str],
    shop: Path,
    tmp_path: Path,
    database: Connection,
    database_url: str,
    name: str,
    message: str,
) -> None:
    before = shop.read_bytes()
    given = ("--report", tmp_path / name, "--model-out", tmp_path / "model.json")
    source = ("--csv-path", tmp_path / "*.csv", "--database-url", database_url)
    outcome = call(capsys, "run", *source, *given)
    assert outcome.status == 2
    assert message in outcome.err
    assert shop.read_bytes() == before
    assert database.execute("SELECT count(*) FROM segmentation_runs").fetchone() == (0,)


def test_a_run_without_a_report_is_refused_with_its_reason(
    capsys: pytest.CaptureFixture[str], database: Connection, database_url: str
) -> None:
    def error_of(run: object, *more: object) -> str:
        outcome = call(capsys, "report", run, "--database-url", database_url, *more)
        assert outcome.status == 2
        assert outcome.out == ""
        return outcome.err

    assert "No run has been published" in error_of("latest")
    failed, running = start_run(database, "north"), start_run(database, "north")
    fail_run(database, failed, "cluster", "no such luck")
    assert f"Run {failed} has no report: it failed at the stage cluster" in error_of(failed)
    assert f"Run {running} has no report: it has not ended" in error_of(running)
    assert f"There is no run {running} of store 'south'" in error_of(running, "--store-id", "south")
    assert "There is no run 999; `segpipe runs`" in error_of(999)
    for wrong in ("one", "²", "9" * 30):
        assert f"The run is '{wrong}'" in error_of(wrong)
    assert "there is no folder" in error_of(1, "--out", "no/such/folder/page.html")


def test_the_latest_of_several_stores_must_be_named(
    capsys: pytest.CaptureFixture[str], database: Connection, database_url: str
) -> None:
    for store in ("north", "south"):
        mark_published(database, start_run(database, store), None, RunTables("none"), 1)
    unclear = call(capsys, "report", "latest", "--database-url", database_url)
    assert unclear.status == 2
    assert "several stores (north, south)" in unclear.err
    south = call(capsys, "report", "latest", "--store-id", "south", "--database-url", database_url)
    assert "Run 2 has no report: it could not be stored" in south.err


def test_a_published_run_whose_report_was_not_stored_still_has_its_page(
    tmp_path: Path, database: Connection, database_url: str
) -> None:
    assert start_run(database, "north") == 1  # and no report follows
    load = replace(values.LOAD, run_id=1)
    report = replace(values.REPORT, load=load, details=RunDetails(**details_of(with_ledger=False)))
    write_report(report, tmp_path / "page.html", database_url)
    page = read(tmp_path / "page.html")
    assert page.one("h1").text == "Customer segments of north"
    assert page.all("table", class_="heat")
