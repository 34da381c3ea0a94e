"""The floor that a run is compared with: what this machine needs right now for the bare work.

Parse floor: the engine's own count and sum over the CSV. Load floor: COPY of the published rows'
bytes into a table without indexes. Each is measured in its own process, which prints the seconds.
"""

from __future__ import annotations

import argparse
import mmap
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from segpipe import postgres
from segpipe.core.settings import EngineSettings
from segpipe.engines.duckdb import literal, open_engine

_PIECE_BYTES = 2**20
ALL_ROWS = "SELECT * FROM customer_profiles"


@dataclass(frozen=True)
class Floor:
    """Seconds; `load_without_wal` is the same COPY where the server may skip the WAL."""

    parse: float
    load: float
    load_without_wal: float

    @property
    def whole(self) -> float:
        """What a run is compared with."""
        return self.parse + self.load

    def or_less(self, other: Floor | None) -> Floor:
        """The smaller of each."""
        if other is None:
            return self
        return Floor(
            min(self.parse, other.parse),
            min(self.load, other.load),
            min(self.load_without_wal, other.load_without_wal),
        )

    def plain(self) -> dict[str, float]:
        """Rounded, for JSON."""
        return {
            "parse_floor_seconds": round(self.parse, 3),
            "load_floor_seconds": round(self.load, 3),
            "load_floor_without_wal_seconds": round(self.load_without_wal, 3),
            "floor_seconds": round(self.whole, 3),
        }


def measure_floor(lines: Path, url: str, times: int = 3, rows: str = ALL_ROWS) -> Floor:
    """The fastest of several tries; `rows` is the query whose result is copied."""
    parse = min(_seconds("parse", lines) for _ in range(times))
    load = min(_seconds("load", url, rows) for _ in range(times))
    bare = min(_seconds("bare", url, rows) for _ in range(times))
    return Floor(parse, load, bare)


def parse_seconds(lines: Path) -> float:
    """The engine's own count and sum over the CSV."""
    with open_engine(EngineSettings()) as engine:
        started = perf_counter()
        engine.execute(
            f"SELECT count(*), sum(Sales) FROM read_csv({literal(str(lines))})"
        ).fetchall()
        return perf_counter() - started


def copy_seconds(url: str, rows: str, *, is_bare: bool) -> float:
    """COPY of the rows' bytes into a table without indexes, of the same transaction if bare."""
    with postgres.connect(url) as connection, tempfile.TemporaryFile() as kept:
        with connection.cursor().copy(f"COPY ({rows}) TO STDOUT".encode()) as out:
            for block in out:
                kept.write(block)
        kept.flush()
        if not kept.tell():
            return 0.0
        with mmap.mmap(kept.fileno(), 0, access=mmap.ACCESS_READ) as data:
            sum(data[::4096])  # into memory, so that no disk is read below
            connection.execute("DROP TABLE IF EXISTS floor")
            started = perf_counter()
            if is_bare:
                with connection.transaction():
                    _copy_into_new(connection, data)
                seconds = perf_counter() - started
            else:
                seconds = _copy_into_new(connection, data)
        connection.execute("DROP TABLE floor")
        return seconds


def _copy_into_new(connection: postgres.Connection, data: mmap.mmap) -> float:
    connection.execute("CREATE TABLE floor (LIKE customer_profiles)")
    started = perf_counter()
    with memoryview(data) as whole, connection.cursor().copy("COPY floor FROM STDIN") as into:
        for start in range(0, len(whole), _PIECE_BYTES):
            into.write(bytes(whole[start : start + _PIECE_BYTES]))
    return perf_counter() - started


def _seconds(*arguments: object) -> float:
    done = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main() -> None:
    """Print the seconds of one floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["parse", "load", "bare"])
    parser.add_argument("of", help="the file, or the database's URL")
    parser.add_argument("rows", nargs="?", default=ALL_ROWS)
    asked = parser.parse_args()
    if asked.kind == "parse":
        print(parse_seconds(Path(asked.of)))
    else:
        print(copy_seconds(asked.of, asked.rows, is_bare=asked.kind == "bare"))


if __name__ == "__main__":
    main()
