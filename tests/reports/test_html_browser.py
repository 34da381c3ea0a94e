"""The page in a real browser: nothing overflows, nothing is fetched, every text can be read.

Both themes, at 1280 and 390 pixels; skipped where no Chromium is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from segpipe.axes import MEASURES
from segpipe.reports.html import page_html
from tests.support import page_values as values
from tests.support.page_values import details_of, report_of

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH to open the page"),
]
WIDTHS = (1280, 390)
THEMES = {"light": 1, "dark": 0}  # Chromium's numbers of them
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars", "--virtual-time-budget=5000", "--enable-logging=stderr",
    "--window-size=1400,1000",
)  # fmt: skip

LOOK = Path(values.__file__).with_name("page_look.js")


@dataclass(frozen=True)
class Seen:
    """What the browser finds on the page at each width, and its console messages."""

    frames: list[dict[str, Any]]
    console: list[str]


def long_page() -> str:
    """A page with very long names, notes and figures."""
    name = "high_product_concentration_high_repeat_product_low_top_category"
    named = values.segment(2, name, values.WHALE.medians)
    model = replace(values.MODEL, segments=(values.LOW, named))
    moved = replace(values.LOAD.transitions[0], from_segment=name, to_segment=name)
    load = replace(
        values.LOAD, store_id="x" * 100, transitions=(moved,), notes=("y" * 200, "z " * 200)
    )
    axis = replace(values.AXIS, shares={name: 0.6, "low_value": 0.4})
    source = replace(values.SOURCE, paths=("p" * 200,), rejects_path=Path("r" * 200))
    report = report_of(axis, values.UNAVAILABLE, load=load, source=source)
    longest = max(MEASURES.values(), key=lambda measure: len(measure.label)).name
    points = ((0.0, 0.0, 0), (0.25, 1.0, 1), (1.0, 0.5, 1))  # it is a share
    scatter = replace(values.SCATTER, x=longest, y=longest, points=points)
    return page_html(report, details_of(model, values.NOBODY, scatter=scatter))


def open_page(html: str, theme: str, folder: Path) -> Seen:
    """Each page in a frame of its width; the script writes what it finds into the <pre>."""
    assert CHROMIUM
    frames = "".join(
        f'<iframe width="{width}" height="800" style="border:0" srcdoc="{escape(html)}"></iframe>'
        for width in WIDTHS
    )
    wrapper = folder / "wrapper.html"
    script = f"<script>{LOOK.read_text(encoding='utf-8')}</script>"
    wrapper.write_text(f'<body>{frames}<pre id="found"></pre>{script}', encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM,
            *OPTIONS,
            f"--blink-settings=preferredColorScheme={THEMES[theme]}",
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            wrapper.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Seen(json.loads(unescape(found[1])), console)


@pytest.fixture(scope="module", params=list(THEMES))
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def seen(theme: str, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return open_page(long_page(), theme, tmp_path_factory.mktemp("browser"))


def test_the_page_is_shown_in_the_theme_at_both_widths(seen: Seen, theme: str) -> None:
    assert [frame["width"] for frame in seen.frames] == [1280, 390]
    assert [frame["isDark"] for frame in seen.frames] == [theme == "dark"] * 2
    assert all(frame["texts"] > 100 for frame in seen.frames)


def test_nothing_is_wider_than_the_window(seen: Seen) -> None:
    for frame in seen.frames:
        assert frame["needed"] == frame["width"]
        assert frame["wide"] == []


def test_nothing_is_fetched_and_nothing_complained_of(seen: Seen) -> None:
    assert [frame["fetched"] for frame in seen.frames] == [[], []]
    assert seen.console == []


def test_every_text_stands_out_from_what_is_behind_it(seen: Seen) -> None:
    assert [frame["faint"] for frame in seen.frames] == [[], []]


def test_no_text_is_cut_off_or_too_small(seen: Seen) -> None:
    assert [frame["cut"] for frame in seen.frames] == [[], []]
    assert [frame["small"] for frame in seen.frames] == [[], []]
