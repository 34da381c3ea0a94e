"""Rejected records: the reason, the line and the value.

Takes the records that the engine or the typing could not read; gives counts by reason and a CSV.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from segpipe.core.errors import InputError
from segpipe.engines.duckdb import Connection
from segpipe.sources.files import REJECTS_ENDING, blocks, open_bytes
from segpipe.sources.read import ERRORS_TABLE, SCANS_TABLE, Part
from segpipe.sources.typed import BREAK

MAX_WRITTEN = 100_000  # per file; counts include the others
_MAX_VALUE = 1000
_MAX_FIELD = 4_000_000
_REASONS = {
    "MISSING COLUMNS": "too few columns",
    "TOO MANY COLUMNS": "too many columns",
    "UNQUOTED VALUE": "unbalanced quotes",
    "LINE SIZE OVER MAXIMUM": "line is too long",
    "INVALID ENCODING": "invalid unicode",
}


@dataclass(frozen=True)
class Reject:
    """One rejected record; `n_lines` includes the lines that an unclosed quote swallowed."""

    label: str
    line: int
    reason: str
    value: str
    n_lines: int = 1


@dataclass(frozen=True)
class Broken:
    """Records of a text that the engine could not parse."""

    rejects: tuple[Reject, ...]
    reasons: Counter[str]

    @property
    def n_records(self) -> int:
        """Lines lost."""
        return self.reasons.total()


def take_broken(engine: Connection, part: Part, n_accepted: int) -> Broken:
    """The records of `part` that the engine could not parse; drops its tables of errors."""
    if part.text_path is None:
        return Broken((), Counter())
    # A record has an error for each missing column; a blank line is no record.
    rows = engine.execute(
        f"SELECT line, min(line_byte_position), min(error_type::VARCHAR), "
        f"left(min(csv_line), {_MAX_VALUE}) FROM {ERRORS_TABLE} GROUP BY line "
        f"HAVING coalesce(trim(min(csv_line), ' \t\r\n') <> '', true) ORDER BY line"
    ).fetchall()
    engine.execute(f"DROP TABLE {ERRORS_TABLE}; DROP TABLE {SCANS_TABLE}")
    reasons = Counter(_REASONS.get(str(row[2]), str(row[2]).lower()) for row in rows)
    lines = _lines_of_bytes(part.text_path, [int(row[1]) for row in rows[:MAX_WRITTEN]])
    rejects = [
        Reject(part.label, line, _REASONS.get(str(kind), str(kind).lower()), (text or "").strip())
        for line, (_, _, kind, text) in zip(lines, rows, strict=False)
    ]
    n_before = int(rows[-1][0]) - 1 - part.n_skipped - len(rows) if rows else 0
    if rows and len(rows) <= MAX_WRITTEN and n_accepted <= n_before:
        last = rejects[-1]
        if last.reason == _REASONS["UNQUOTED VALUE"]:
            # Nothing was read after it: the open quote swallowed the rest of the file.
            n_lost = _n_lines(part.text_path) - last.line
            rejects[-1] = Reject(last.label, last.line, last.reason, last.value, 1 + n_lost)
            reasons[last.reason] += n_lost
    return Broken(tuple(rejects), reasons)


def take_rejected(
    engine: Connection, table: str, part: Part, first_row: int, n_rows: int, broken: Broken
) -> list[Reject]:
    """The records of `part` that were parsed but not typed: rows of `table` with a reason."""
    rows = engine.execute(
        f"SELECT rowid, split_part(row_status, {BREAK}, 1), "
        f"left(split_part(row_status, {BREAK}, 2), {_MAX_VALUE}) "
        f"FROM {table} WHERE rowid BETWEEN {first_row} AND {first_row + n_rows - 1} "
        f"AND contains(row_status, {BREAK}) ORDER BY rowid LIMIT {MAX_WRITTEN}"
    ).fetchall()
    ordinals = [int(row[0]) - first_row for row in rows]
    lines = _lines_of_records(part, ordinals, n_rows, broken)
    return [
        Reject(part.label, line, str(reason), str(value))
        for line, (_, reason, value) in zip(lines, rows, strict=True)
    ]


def count_reasons(engine: Connection, table: str) -> Counter[str]:
    """Number of rows of each reason in `table`."""
    rows = engine.execute(
        f"SELECT split_part(row_status, {BREAK}, 1), count(*) FROM {table} "
        f"WHERE contains(row_status, {BREAK}) GROUP BY ALL"
    ).fetchall()
    return Counter({str(reason): int(n) for reason, n in rows})


def _stem(path: Path) -> str:
    """The file's name without .csv, .csv.gz and the like; other dots are part of the name."""
    bare = path.name.removesuffix(".gz")
    return bare.rsplit(".", maxsplit=1)[0]


def write_rejects(rejects: Iterable[Reject], wanted: Path | None, first_input: Path) -> Path:
    """Path of the CSV that was written: `wanted`, else next to the input.

    Where that folder is not writable, it is the working folder. Raises InputError when `wanted`
    cannot be written.
    """
    default = _stem(first_input) + REJECTS_ENDING
    candidates = [wanted] if wanted else [first_input.with_name(default), Path(default).resolve()]
    rows = [(reject.label, reject.line, reject.reason, reject.value) for reject in rejects]
    failed: OSError | None = None
    for path in candidates:
        try:
            with path.open("w", newline="", encoding="utf-8", errors="replace") as target:
                writer = csv.writer(target)
                writer.writerow(("file", "line", "reason", "value"))
                writer.writerows(rows)
        except OSError as error:
            failed = error
        else:
            return path
    reason = failed.strerror if failed else "no reason"
    raise InputError(
        f"The rejects file {candidates[0]} cannot be written ({reason}); name another."
    )


def _lines_of_bytes(path: Path, positions: list[int]) -> list[int]:
    """Line numbers, from 1, of ascending byte positions of a text."""
    lines: list[int] = []
    n_before = start = 0
    pending = iter(positions)
    position = next(pending, None)
    for block in blocks(path):
        while position is not None and position < start + len(block):
            at = position - start
            # The engine counts a blank line as part of the record after it.
            n_blank = (
                len(block[at:]) - len(block[at:].lstrip(b"\r\n")) if block[at] in b"\r\n" else 0
            )
            n_blank = block.count(b"\n", at, at + n_blank)
            lines.append(1 + n_before + block.count(b"\n", 0, at) + n_blank)
            position = next(pending, None)
        if position is None:
            break
        n_before += block.count(b"\n")
        start += len(block)
    return lines


def _n_lines(path: Path) -> int:
    n_breaks, last = 0, b"\n"
    for block in blocks(path):
        n_breaks += block.count(b"\n")
        last = block[-1:]
    return n_breaks + (last != b"\n")


def _lines_of_records(part: Part, ordinals: list[int], n_rows: int, broken: Broken) -> list[int]:
    """Line numbers of the records that are number `ordinals`, from 0, of those accepted."""
    if part.row_numbers:
        return [part.row_numbers[ordinal] for ordinal in ordinals]
    if part.text_path is None or part.delimiter is None or not ordinals:
        return [ordinal + 1 for ordinal in ordinals]
    taken = {reject.line for reject in broken.rejects}
    if _n_lines(part.text_path) == 1 + part.n_skipped + n_rows + broken.n_records:
        starts: Iterator[int] = (
            line for line in range(2 + part.n_skipped, n_rows + len(taken) + part.n_skipped + 2)
        )
    else:  # blank lines, or breaks inside quotes
        starts = _record_starts(part.text_path, part.delimiter, part.n_skipped)
    accepted = (line for line in starts if line not in taken)
    wanted, lines = set(ordinals), []
    for ordinal, line in enumerate(accepted):
        if ordinal in wanted:
            lines.append(line)
        if ordinal >= ordinals[-1]:
            break
    return lines + [ordinal + 2 for ordinal in ordinals[len(lines) :]]


def _record_starts(path: Path, delimiter: str, n_skipped: int) -> Iterator[int]:
    """Line in which each record after the header begins; blank lines are none."""
    limit = csv.field_size_limit(_MAX_FIELD)
    try:
        # Latin-1 takes any byte, and line breaks and quotes are the same in it.
        with io.TextIOWrapper(open_bytes(path), encoding="latin-1", newline="") as stream:
            for _ in range(n_skipped):
                stream.readline()
            reader = csv.reader(stream, delimiter=delimiter)
            next(reader, None)
            start = n_skipped + reader.line_num + 1
            for row in reader:
                if row:
                    yield start
                start = n_skipped + reader.line_num + 1
    except csv.Error:
        return  # a field without end: the engine could not parse it either, nor what follows
    finally:
        csv.field_size_limit(limit)
