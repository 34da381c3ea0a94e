"""Figures, tables and paragraphs as plain text that fits a terminal of WIDTH columns."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

WIDTH = 100
NO_BREAK = "\ue000"  # printed as a space, and no line ends at it; for private use: no data has it
_GAP = "  "  # between the columns of a table
_NARROWEST = 8  # column of texts that others squeeze


def strength_text(strength: float) -> str:
    """A published strength, to four decimals, as it is printed everywhere: 0.53."""
    return f"{strength:.2f}"


def table_text(head: Sequence[str], rows: Iterable[Sequence[Any]], width: int = WIDTH) -> str:
    """Columns side by side; numbers to the right, everything else to the left.

    Where a line would be longer than width, the widest texts go on in the lines below.
    """
    body = [[_cell(value) for value in row] for row in rows]
    raw = [list(head), *body]
    is_number = [bool(body) and all(_is_number(row[i]) for row in body) for i in range(len(head))]
    natural = [max(len(row[i]) for row in raw) for i in range(len(head))]
    widths = _squeezed(natural, is_number, width - len(_GAP) * (len(head) - 1))
    return "\n".join(line for row in raw for line in _lines(row, widths, is_number))


def _squeezed(widths: Sequence[int], is_number: Sequence[bool], room: int) -> list[int]:
    """The widths, of which those of the widest texts give way until all fit the room."""
    fitted = list(widths)
    texts = [i for i, number in enumerate(is_number) if not number]
    while texts and sum(fitted) > room:
        widest = max(texts, key=lambda i: fitted[i])
        if fitted[widest] <= _NARROWEST:
            break
        fitted[widest] -= 1
    return fitted


def _lines(row: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> list[str]:
    """The lines of one row of a table."""
    cells = [
        [text] if len(text) <= width else textwrap.wrap(text, width, break_on_hyphens=False)
        for text, width in zip(row, widths, strict=True)
    ]
    lines = []
    for parts in zip_longest(*cells, fillvalue=""):
        aligned = [
            part.rjust(width) if number else part.ljust(width)
            for part, width, number in zip(parts, widths, is_number, strict=True)
        ]
        lines.append(_GAP.join(aligned).rstrip().replace(NO_BREAK, " "))
    return lines


def _cell(value: Any) -> str:  # noqa: ANN401 - any value of a database row
    if isinstance(value, float):
        return f"{value:,.2f}"
    return "" if value is None else str(value)


def _is_number(text: str) -> bool:
    return text in ("", "-") or text.replace(",", "").replace(".", "").lstrip("-").isdigit()


def paragraph(text: str, first: str = "", indent: int | None = None) -> str:
    """The text after `first`, wrapped; all its lines begin at the indent, by default after it."""
    indent = len(first) if indent is None else indent
    filled = textwrap.fill(
        text,
        WIDTH,
        initial_indent=first.ljust(indent),
        subsequent_indent=" " * indent,
        break_long_words=False,  # a path or URL is of use only in one piece
        break_on_hyphens=False,
    )
    return filled.replace(NO_BREAK, " ")


def unbroken(text: str) -> str:
    """The text with spaces at which no line ends."""
    return text.replace(" ", NO_BREAK)


def counted(n: int, word: str) -> str:
    """The number with its word: 1 line, 2 lines."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def percent(share: float) -> str:
    """7.6%, 26%; never 0% for a few, nor 100% for less than all."""
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
