"""The commands beside `run`: what they print, and how they end."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from segpipe.postgres import embedded
from tests.support.commands import AXIS_NAMES, FEW_KS, call, segpipe, shop_lines, write_shop


@pytest.fixture
def published(capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> str:
    path = write_shop(tmp_path / "shop.csv", shop_lines(60))
    url = ("--database-url", database_url)
    outcome = call(capsys, "run", "--csv-path", path, *url, "--quiet", *FEW_KS)
    assert outcome.status == 0, outcome.err
    return database_url


def test_show_prints_a_customer_and_refuses_an_unknown_one(
    capsys: pytest.CaptureFixture[str], published: str
) -> None:
    shown = call(capsys, "show", "c0003", "--database-url", published)
    assert shown.status == 0
    axes = [line.split()[0] for line in shown.out.splitlines() if "(strength " in line]
    assert axes == AXIS_NAMES
    as_json = json.loads(call(capsys, "show", "c0003", "--database-url", published, "--json").out)
    assert as_json["customer_id"] == "c0003"
    unknown = call(capsys, "show", "nobody", "--database-url", published)
    assert unknown.status == 2
    assert "nobody" in unknown.err


def test_sql_lists_prints_and_runs_the_examples(
    capsys: pytest.CaptureFixture[str], published: str
) -> None:
    listed = call(capsys, "sql").out
    assert "whales_who_wait_for_discounts" in listed
    printed = call(capsys, "sql", "declining_worth_keeping", "--print").out
    assert "segment_memberships->>'loyalty_trajectory' = 'declining'" in printed
    names = [line for line in listed.splitlines() if not line.startswith(" ")]
    assert len(names) >= 9
    for name in names:
        wanted = ("--customer", "c0003") if name == "one_customer" else ()
        ran = call(capsys, "sql", name, *wanted, "--database-url", published)
        assert ran.status == 0, ran.err
    unknown = call(capsys, "sql", "whale", "--database-url", published)
    assert unknown.status == 2
    assert "whales_who_wait_for_discounts" in unknown.err


def test_runs_are_listed_newest_first(capsys: pytest.CaptureFixture[str], published: str) -> None:
    listed = call(capsys, "runs", "--database-url", published)
    assert "published" in listed.out
    none = call(capsys, "runs", "--store-id", "other", "--database-url", published)
    assert none.out == "No run yet.\n"


@pytest.mark.postgres
def test_db_url_prints_nothing_else_and_starts_the_server(tmp_path: Path) -> None:
    home = tmp_path / "home"
    try:
        before = segpipe("db", "status", SEGPIPE_HOME=str(home))
        assert "stopped" in before.out
        asked = segpipe("db", "url", SEGPIPE_HOME=str(home))
        assert asked.status == 0
        assert asked.err == ""
        assert asked.out.startswith("postgresql://")
        assert asked.out.count("\n") == 1
        upgraded = segpipe("db", "upgrade", SEGPIPE_HOME=str(home))
        assert "was empty" in upgraded.out
        shell = subprocess.run(
            [sys.executable, "-m", "segpipe", "db", "shell"],
            input="SELECT 6 * 7;",
            env={**os.environ, "SEGPIPE_HOME": str(home)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "42" in shell.stdout
        stopped = segpipe("db", "stop", SEGPIPE_HOME=str(home))
        assert "is stopped" in stopped.out
        assert "was not running" in segpipe("db", "stop", SEGPIPE_HOME=str(home)).out
    finally:
        embedded.stop(home)


def test_generate_is_the_same_bytes_for_the_same_seed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("one.csv", "two.csv"):
        made = call(capsys, "generate", tmp_path / name, "--customers", 50, "--seed", 9)
        assert made.status == 0
        assert "50 customers" in made.out
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_progress_is_plain_lines_off_a_terminal(tmp_path: Path) -> None:
    path = write_shop(tmp_path / "shop.csv", shop_lines(30))
    outcome = segpipe("run", "--csv-path", path, "--dry-run", *FEW_KS)
    assert "source: started" in outcome.err
    assert "\x1b" not in outcome.err + outcome.out


def test_progress_is_live_on_a_terminal(tmp_path: Path) -> None:
    path = write_shop(tmp_path / "shop.csv", shop_lines(30))
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [sys.executable, "-m", "segpipe", "run", "--csv-path", str(path), "--dry-run"],
            stderr=theirs,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = screen.read(4096)
            except OSError:  # the terminal is closed when the program ends
                break
            if not part:
                break
            shown += part
        assert process.wait() == 0
    assert b"cluster" in shown
    assert b"\x1b" in shown


def test_an_unexpected_error_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("segpipe.pipeline.stages.draw_sample", broken)
    path = write_shop(tmp_path / "shop.csv", shop_lines(5))
    outcome = call(capsys, "run", "--csv-path", path, "--dry-run", "--quiet")
    assert outcome.status == 1
    assert "stage sample failed (ZeroDivisionError: a bug)" in outcome.err
    assert "last published run stays current" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_reader_that_stops_early_is_no_failure() -> None:
    pipe = f"{sys.executable} -m segpipe sql --print segment_sizes | true"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=True)
    assert done.stderr == ""
