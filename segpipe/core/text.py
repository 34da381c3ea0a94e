"""Figures and tables as plain text, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any


def table_text(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns side by side; numbers to the right, everything else to the left."""
    body = [[_cell(value) for value in row] for row in rows]
    raw = [head, *body]
    widths = [max(len(row[i]) for row in raw) for i in range(len(head))]
    numeric = [bool(body) and all(_is_number(row[i]) for row in body) for i in range(len(head))]
    lines = []
    for row in raw:
        cells = [
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _cell(value: Any) -> str:  # noqa: ANN401 - any value of a database row
    if isinstance(value, float):
        return f"{value:,.2f}"
    return "" if value is None else str(value)


def _is_number(text: str) -> bool:
    return text in ("", "-") or text.replace(",", "").replace(".", "").lstrip("-").isdigit()


def counted(n: int, word: str) -> str:
    """The number with its word: 1 line, 2 lines."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def percent(share: float) -> str:
    """7.6%, 26%; never 0% of somebody, nor 100% of less than all."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.995 <= share < 1:
        return f"{math.floor(share * 1000) / 10:.1f}%"
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def percent_of(part: float, whole: float) -> str:
    """Part of the whole in per cent; 0% of nothing."""
    return percent(part / whole if whole else 0.0)


def percent_floor(share: float) -> str:
    """99.96%: rounded down to two decimals, so that 100% is everybody."""
    return f"{math.floor(share * 10_000 + 1e-9) / 100:g}%"


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def indented(lines: Iterable[str]) -> list[str]:
    """The lines, each two spaces in."""
    return [f"  {line}" for line in lines]
