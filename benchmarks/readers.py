"""Readers who query while runs are published, each in its own process.

`everybody` sums all profiles by axis and segment through current_profiles: in READ COMMITTED one
statement at a time, in REPEATABLE READ twice in one transaction. `one` reads one customer. `locks`
checks whether the whole table is locked. Each writes at its end, as JSON, what it saw.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe import postgres
from segpipe.postgres import Connection, fetch_one

KINDS = ("everybody, read committed", "everybody, repeatable read", "one", "locks")
_SUMS = """
    SELECT md5(string_agg(axis || '=' || segment || ':' || n, ',' ORDER BY axis, segment)),
        coalesce(max(of_axis), 0)::bigint, coalesce(min(of_axis), 0)::bigint
    FROM (
        SELECT axis COLLATE "C", segment COLLATE "C", n, sum(n) OVER (PARTITION BY axis) AS of_axis
        FROM ({}) AS counted (axis, segment, n)
    ) AS sums
"""
IN_PROFILES = _SUMS.format(
    "SELECT key, value, count(*) FROM current_profiles, jsonb_each_text(segment_memberships)"
    " WHERE store_id = 'default' GROUP BY 1, 2"
)
IN_LEDGER = _SUMS.format(
    "SELECT axis, segment, n_customers FROM segment_counts"
    " WHERE store_id = 'default' AND run_id = %s"
)
_ONE = "SELECT run_id FROM customer_profiles WHERE customer_id = %s"
_LOCKS = """
    SELECT bool_or(granted) FROM pg_locks
    WHERE relation = %s AND mode = 'AccessExclusiveLock' AND locktype = 'relation'
"""


@dataclass(frozen=True)
class Reader:
    """A running reader."""

    kind: str
    process: subprocess.Popen[str]
    result_path: Path


@contextmanager
def open_readers(url: str, folder: Path, kinds: Sequence[str]) -> Iterator[list[Reader]]:
    """Readers who have all read once; they end, with their results written, when the block ends."""
    stop = folder / "readers.stop"
    readers = []
    for number, kind in enumerate(kinds):
        result_path = folder / f"reader_{number}.json"
        command = [sys.executable, __file__, kind, url, str(stop), str(result_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        readers.append(Reader(kind, process, result_path))
    try:
        for reader in readers:
            assert reader.process.stdout  # noqa: S101 - it is a pipe
            reader.process.stdout.readline()
        yield readers
    finally:
        stop.touch()
        for reader in readers:
            reader.process.communicate(timeout=300)
        stop.unlink()


def seen_by(reader: Reader) -> dict[str, Any]:
    """What a reader saw that has ended."""
    found: dict[str, Any] = json.loads(reader.result_path.read_text(encoding="utf-8"))
    reader.result_path.unlink()
    return found


def main() -> None:
    """Read until there is a stop file, then write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("url")
    parser.add_argument("stop", type=Path)
    parser.add_argument("result", type=Path)
    asked = parser.parse_args()
    with postgres.connect(asked.url) as connection:
        # On two cores, readers with workers of their own would leave the run none.
        connection.execute("SET max_parallel_workers_per_gather = 0")
        read = _reading(connection, asked.kind)
        found = _locks(read, asked.stop) if asked.kind == "locks" else _reads(read, asked.stop)
    asked.result.write_text(json.dumps(found), encoding="utf-8")


def _reading(connection: Connection, kind: str) -> Callable[[], Any]:
    if kind == "locks":
        oid = fetch_one(connection, "SELECT 'customer_profiles'::regclass::oid")[0]
        return lambda: fetch_one(connection, _LOCKS, [oid])[0]
    if kind == "one":
        someone = fetch_one(connection, "SELECT max(customer_id) FROM customer_profiles")[0]
        return lambda: fetch_one(connection, _ONE, [someone])[0]
    if kind.endswith("committed"):
        return lambda: [fetch_one(connection, IN_PROFILES)]

    def twice() -> list[Any]:
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            first = fetch_one(connection, IN_PROFILES)
            time.sleep(0.2)
            return [first, fetch_one(connection, IN_PROFILES)]

    return twice


def _reads(read: Callable[[], Any], stop: Path) -> dict[str, Any]:
    """The different results in order of appearance, the number of reads, and the longest one."""
    results: list[Any] = []
    n_reads, failures, seconds = 0, [], []
    while not (stop.exists() and n_reads):
        started = time.perf_counter()
        try:
            result = read()
        except postgres.ServerError as error:
            failures.append(str(error))
            break
        seconds.append(time.perf_counter() - started)
        if not results or results[-1] != result:
            results.append(result)
        if not n_reads:
            print("ready", flush=True)
        n_reads += 1
        time.sleep(0.02)
    return {
        "reads": n_reads,
        "failures": failures,
        "results": results,
        "median_seconds": sorted(seconds)[len(seconds) // 2] if seconds else None,
        "longest_seconds": max(seconds, default=None),
    }


def _locks(read: Callable[[], Any], stop: Path) -> dict[str, Any]:
    """Seconds for which the lock was held, and for which it was waited for, each time."""
    spans: list[tuple[bool, float]] = []
    before, since = None, 0.0
    print("ready", flush=True)
    n_looks = 0
    while not stop.exists():
        now = time.perf_counter()
        is_held = read()
        n_looks += 1
        if is_held != before:
            if before is not None:
                spans.append((before, now - since))
            before, since = is_held, now
        time.sleep(0.001)
    return {
        "looks": n_looks,
        "held_seconds": [round(seconds, 4) for held, seconds in spans if held],
        "waited_seconds": [round(seconds, 4) for held, seconds in spans if not held],
    }


if __name__ == "__main__":
    main()
