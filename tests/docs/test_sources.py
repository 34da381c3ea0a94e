"""docs/sources.md: its table is made from the presets, its example mapping works as printed."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from segpipe.sources import Preset, load_presets
from tests.support.sources import read, write

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sources.md"


def _table() -> str:
    """The table of presets as it must stand in the page."""
    rows = [
        f"| `{preset.name}` | {preset.title} | {_headers(preset)} |" for preset in load_presets()
    ]
    return "\n".join(["| preset | source | column: headers |", "|---|---|---|", *rows])


def _headers(preset: Preset) -> str:
    parts = []
    for name, headers in preset.columns.items():
        sign = " + " if name in preset.sums else ", "
        parts.append(f"{name}: {sign.join(headers)}")
    if preset.line_amount_from:
        parts.append(f"line_amount = {preset.line_amount_from}")
    return "; ".join(parts)


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_table_of_presets_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(r"<!-- presets: begin -->\n(.*)\n<!-- presets: end -->", text, re.DOTALL)
    assert found is not None
    assert found.group(1) == _table()


def test_the_example_mapping_reads_the_example_file(tmp_path: Path) -> None:
    mapping = write(tmp_path / "my_shop.toml", _block("toml"))
    reading = read(write(tmp_path / "a.csv", _block("csv")), preset_paths=(mapping,))
    assert reading.info.preset == "my_shop"
    sale, returned, mail = reading.lines
    assert (sale["customer_id"], mail["customer_id"]) == ("007", "kai@example.org")
    assert (sale["line_amount"], sale["discount_amount"]) == (2350, 150)
    assert str(sale["ordered_at"]) == "2024-01-31 17:30:00"
    assert (returned["is_return"], returned["refund_amount"]) == (True, 1250)
    assert mail["line_amount"] == Decimal("12.5")
