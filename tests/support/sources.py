"""Read files with the source stage, and look at the result."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe.core.report import SourceInfo
from segpipe.core.settings import EngineSettings, SourceSettings
from segpipe.engines.duckdb import open_engine
from segpipe.sources import read_order_lines

HEADER = "customer_id,order_id,ordered_at,line_amount"


@dataclass(frozen=True)
class Reading:
    """SourceInfo and the rows of the tables, as dictionaries in a fixed order."""

    info: SourceInfo
    lines: list[dict[str, Any]]
    tickets: list[dict[str, Any]]

    def column(self, name: str) -> list[Any]:
        return [line[name] for line in self.lines]

    @property
    def rejects(self) -> list[tuple[int, str, str]]:
        """Line, reason and value of the rejects file."""
        assert self.info.rejects_path is not None
        return rejects_of(self.info.rejects_path)


def read(
    *paths: Path | str, tickets: Path | None = None, threads: int = 2, **settings: object
) -> Reading:
    given = SourceSettings(
        paths=tuple(str(path) for path in paths),
        tickets_path=tickets,
        **settings,  # type: ignore[arg-type]
    )
    with open_engine(EngineSettings(threads=threads)) as engine:
        info = read_order_lines(engine, given)
        found = []
        for table in ("order_lines", "tickets") if tickets else ("order_lines",):
            cursor = engine.execute(f"FROM {table} ORDER BY ALL")
            names = [str(column[0]) for column in cursor.description or []]
            found.append([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])
    return Reading(info, found[0], found[1] if tickets else [])


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(lines) + "\n", encoding=encoding, newline="")
    return path


def rejects_of(path: Path) -> list[tuple[int, str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return [(int(row["line"]), row["reason"], row["value"]) for row in csv.DictReader(stream)]
