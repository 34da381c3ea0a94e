"""How a text file is laid out: delimiter and header, or lines of fixed columns.

Takes the start of a text; gives a Dialect. The delimiter is the one whose header a preset matches
best, so that a comma within a header does not mislead.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from segpipe.core.errors import InputError
from segpipe.sources.files import blocks
from segpipe.sources.presets import Preset
from segpipe.sources.recognise import Mapping, map_header, recognise

_DELIMITERS = (",", ";", "\t", "|")
_N_PATTERN_LINES = 5


@dataclass(frozen=True)
class Dialect:
    """Delimiter and mapping of a text file; without a delimiter, lines follow a pattern."""

    mapping: Mapping
    delimiter: str | None
    n_skipped: int = 0  # lines before the header: blank ones, and Excel's "sep=;"


def read_dialect(path: Path, presets: tuple[Preset, ...], name: str | None, what: str) -> Dialect:
    """Give the dialect of a UTF-8 text; raises InputError when no preset fits it."""
    text = next(blocks(path)).decode("utf-8", "replace").removeprefix("\ufeff")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{what} has only blank lines; expected a header and order lines.")
    for preset in presets:
        if _follows_pattern(lines, preset, name):
            return Dialect(_pattern_mapping(preset), None)
    n_skipped = _n_before_header(text)
    text = "\n".join(text.split("\n")[n_skipped:])
    fixed = {preset.delimiter for preset in presets if preset.name == name} - {None}
    delimiters = [str(sign) for sign in fixed] or list(_DELIMITERS)
    candidates = [(sign, _header(text, sign)) for sign in delimiters]
    delimiter, header = max(candidates, key=lambda item: _fit(item[0], item[1], presets))
    return Dialect(recognise(what, header, presets, name), delimiter, n_skipped)


def _follows_pattern(lines: list[str], preset: Preset, name: str | None) -> bool:
    if preset.line_pattern is None or name not in (None, preset.name):
        return False
    pattern = re.compile(preset.line_pattern)
    n_matching = sum(bool(pattern.fullmatch(line)) for line in lines[:_N_PATTERN_LINES])
    if name is None:
        return n_matching == min(len(lines), _N_PATTERN_LINES)
    return n_matching > 0


def _pattern_mapping(preset: Preset) -> Mapping:
    groups = re.compile(str(preset.line_pattern)).groupindex
    return map_header(preset, tuple(groups))


def _header(text: str, delimiter: str) -> tuple[str, ...]:
    try:
        row = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:  # a quote that is never closed makes a field too long
        return ()
    return tuple(cell.strip() for cell in row)


def _n_before_header(text: str) -> int:
    lines = text.split("\n")
    is_before = (not line.strip() or re.fullmatch(r"sep=.\s*", line) for line in lines)
    return next((number for number, before in enumerate(is_before) if not before), 0)


def _fit(
    delimiter: str, header: tuple[str, ...], presets: tuple[Preset, ...]
) -> tuple[int, int, int]:
    own = [preset for preset in presets if preset.delimiter in (None, delimiter)]
    n_matched = max((map_header(preset, header).n_matched for preset in own), default=0)
    return n_matched, len(header), -_DELIMITERS.index(delimiter) if delimiter in _DELIMITERS else 0
