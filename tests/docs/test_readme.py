"""The README is short and shows what the demo prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.commands import ROOT, segpipe
from tests.support.documents import blocks

README = ROOT / "README.md"
LINES = README.read_text(encoding="utf-8").splitlines()


def without_measured_figures(line: str) -> str:
    """The line with a sign in place of each decimal, whose last digits depend on the processor."""
    return re.sub(r"\d+\.\d+", "#", line)


def test_it_fits_two_screens_and_begins_with_the_demo() -> None:
    assert len(LINES) <= 110
    assert LINES.index("make demo") < 20
    assert next(i for i, line in enumerate(LINES) if line.startswith("Published")) < 40


@pytest.mark.postgres
@pytest.mark.slow
def test_the_demo_prints_what_the_readme_shows_in_that_order(
    database_url: str, tmp_path: Path
) -> None:
    outcome = segpipe("demo", "--database-url", database_url, SEGPIPE_HOME=str(tmp_path))
    assert outcome.status == 0, outcome.err
    printed = iter([without_measured_figures(line) for line in outcome.out.splitlines()])
    (shown,) = (block for block in blocks(README, "text") if "Published" in block)
    for line in shown.splitlines():
        if line != "..." and ".segpipe" not in line:  # the home of the test is elsewhere
            assert without_measured_figures(line) in printed, line
