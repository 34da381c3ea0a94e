"""Loads files into one table of the engine, parsing each once.

Takes files, presets and the SELECT that types a part; gives what was read of each part, and later
the rejected records. It works the same for order lines and for tickets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segpipe.core.errors import InputError
from segpipe.engines.duckdb import Connection, DuckDbError
from segpipe.sources.files import InputFile
from segpipe.sources.presets import Preset
from segpipe.sources.read import Part, open_parts
from segpipe.sources.rejects import Broken, Reject, count_reasons, take_broken, take_rejected


@dataclass(frozen=True)
class PartRead:
    """The rows of a part in the table, `n_rows` from `first_row`, and the records not in it."""

    part: Part
    first_row: int
    n_rows: int
    broken: Broken


@dataclass(frozen=True)
class Rejected:
    """Every rejected record: counted by reason, and one by one up to a limit per part."""

    rejects: tuple[Reject, ...]
    reasons: Counter[str]


def ingest(
    engine: Connection,
    table: str,
    files: tuple[InputFile, ...],
    presets: tuple[Preset, ...],
    name: str | None,
    select: Callable[[Part], str],
    scratch: Path,
    progress: Callable[[str], None],
) -> tuple[tuple[PartRead, ...], tuple[str, ...]]:
    """What was read of each part of `files` into the new `table`, typed by `select`, and notes.

    Raises InputError when files differ in preset, or have no rows.
    """
    reads: list[PartRead] = []
    notes: list[str] = []
    n_total = 0
    for file in files:
        n_before = n_total
        for part in open_parts(engine, file, presets, name, scratch, notes):
            progress(f"reading {part.label} as {part.mapping.preset.name}")
            if reads and reads[0].part.mapping.preset != part.mapping.preset:
                raise InputError(_presets_differ(reads[0].part, part))
            n_rows = _fill(engine, table, part, select(part), is_first=not reads)
            broken = take_broken(engine, part, n_rows)
            reads.append(PartRead(part, n_total, n_rows, broken))
            n_total += n_rows
        if n_total == n_before and not any(read.broken.n_records for read in reads):
            raise InputError(f"{file.path} has only a header; expected rows below it.")
    return tuple(reads), tuple(notes)


def collect_rejected(engine: Connection, table: str, reads: tuple[PartRead, ...]) -> Rejected:
    """The rejected records of all parts, by part and line."""
    reasons = count_reasons(engine, table)
    rejects: list[Reject] = []
    for read in reads:
        reasons += read.broken.reasons
        own = [*read.broken.rejects]
        if reasons:
            own += take_rejected(engine, table, read.part, read.first_row, read.n_rows, read.broken)
        rejects += sorted(own, key=lambda reject: reject.line)
    return Rejected(tuple(rejects), reasons)


def _fill(engine: Connection, table: str, part: Part, select: str, *, is_first: bool) -> int:
    into = f"CREATE TABLE {table} AS" if is_first else f"INSERT INTO {table} BY NAME"
    try:
        count = engine.execute(f"{into} {select}").fetchone()
    except DuckDbError as error:
        msg = f"{part.label} cannot be read: {str(error).splitlines()[0]}"
        raise InputError(msg) from error
    return int(count[0]) if count else 0


def _presets_differ(first: Part, other: Part) -> str:
    return (
        f"{first.label} matches the preset {first.mapping.preset.name}, {other.label} "
        f"{other.mapping.preset.name}; read them in two runs, or name one preset for both."
    )
