"""The report as text: what is said of the rows that were published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segpipe.reports.text import report_text
from tests.support.page_values import LOAD, REPORT


@pytest.mark.parametrize(
    ("n_updated", "n_unchanged", "n_absent_kept", "told"),
    [
        (90, 0, 0, "(10 new, 90 updated)"),
        (3, 1_087, 0, "(10 new, 3 updated, 1,087 unchanged)"),
        (3, 1, 2, "(10 new, 3 updated, 1 unchanged); 2 absent customers kept with their old run"),
    ],
)
def test_rows_that_were_left_as_they_are_are_told(
    n_updated: int, n_unchanged: int, n_absent_kept: int, told: str
) -> None:
    load = replace(
        LOAD,
        n_published=1_100,
        n_updated=n_updated,
        n_unchanged=n_unchanged,
        n_absent_kept=n_absent_kept,
    )
    lines = report_text(replace(REPORT, load=load)).splitlines()
    line = next(line for line in lines if line.startswith("Published"))
    assert line == f"Published run 7 of store north: 1,100 profiles {told}"
