"""Runs that are killed while they publish, and readers who look on while they succeed.

Takes a store with a run in force, and kills the next one at random moments: segpipe itself, its
session, its backend, the whole server. After each the run in force must be whole, and the next one
succeed with no manual step. Writes benchmarks/results/faults.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from aftermath import (
    last_run,
    problems_at_once,
    problems_later,
    read_state,
    stage_at_work,
    told_of,
)
from exports import append_orders
from measured import (
    RESULTS,
    SCRIPT,
    Server,
    as_table,
    environment,
    facts,
    open_database,
    open_server,
    run_segpipe,
    show,
)
from readers import KINDS, open_readers, seen_by
from speed import USUAL, generate

from segpipe import postgres
from segpipe.core.errors import DatabaseError
from segpipe.datasets.synthetic import UNTIL
from segpipe.postgres import embedded

WAYS = ("whole partition", "changed rows in place")
_PATIENCE_SECONDS = 300.0
_BACKENDS = """
    SELECT pid FROM pg_stat_activity WHERE application_name = 'segpipe'
    AND datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid
"""


@dataclass(frozen=True)
class Ground:
    """A store, and two exports to publish into it by turns."""

    server: Server
    url: str
    lines: tuple[Path, Path]
    model: Path

    def arguments(self, way: str, turn: int) -> tuple[object, ...]:
        """Of a run; in place it must have the model and the date of the run before."""
        as_of = UNTIL + timedelta(days=1)
        model = ("--model", self.model) if way == WAYS[1] else ()
        return ("--csv-path", self.lines[turn % 2], "--as-of", as_of, "--force", *model)


@dataclass(frozen=True)
class Kill:
    """One kill and what was found after it."""

    number: int
    what: str  # segpipe, session, backend, server
    way: str
    seconds: float  # from the start of the run, or from that of its load
    stage: str = ""  # at work by the ledger when it came; empty before there is a row
    status: int | None = None  # exit status of the run; minus the signal
    said: str = ""  # its last line
    outcome: str = ""
    ledger: str = ""  # of that run once the next one had begun
    next_run_seconds: float = 0.0
    problems: tuple[str, ...] = field(default=())


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=USUAL)
    parser.add_argument("--kills", type=int, default=20, help="of segpipe")
    parser.add_argument("--server-kills", type=int, default=4, help="of each other kind")
    parser.add_argument("--publishes", type=int, default=2, help="under readers, each way")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, default=RESULTS / "faults.json")
    asked = parser.parse_args()
    with open_server() as server, open_database(server, "faults") as url:
        result = {
            "what": "runs killed at random moments, and readers through publications",
            "customers": asked.customers,
            "seed": asked.seed,
            **facts(server),
        }
        ground = prepare(server, url, asked.customers)
        result["readers"] = [watch_readers(ground, way, asked.publishes) for way in WAYS]
        kills = kill_all(ground, asked.kills, asked.server_kills, random.Random(asked.seed))  # noqa: S311 - to be repeated
        result |= {"kills": [asdict(kill) for kill in kills], "summary": summary(kills)}
    show(result, table(result), asked.out)
    sys.exit(1 if result["summary"]["problems"] or _reader_problems(result) else 0)


def prepare(server: Server, url: str, n_customers: int) -> Ground:
    """Two exports, the second with an order more of a tenth of the customers; the first is run."""
    lines, grown = server.home / "product_sales_order.csv", server.home / "grown.csv"
    generate(lines, n_customers)
    as_of = UNTIL + timedelta(days=1)
    append_orders(lines, grown, as_of, 10, 0)
    ground = Ground(server, url, (lines, grown), server.home / "model.json")
    run_segpipe(server, url, "--csv-path", lines, "--as-of", as_of, "--model-out", ground.model)
    return ground


def kill_all(ground: Ground, n_segpipe: int, n_server: int, rng: random.Random) -> list[Kill]:
    """Kill, look, run again; a third of the runs change rows in place."""
    whats = ["segpipe"] * n_segpipe
    whats += [what for what in ("session", "backend", "server") for _ in range(n_server)]
    kills: list[Kill] = []
    for way in WAYS:
        own = [w for n, w in enumerate(whats) if (n % 3 == 2) == (way == WAYS[1])]
        run_segpipe(ground.server, ground.url, *ground.arguments(way, 1))
        told, cost = run_segpipe(ground.server, ground.url, *ground.arguments(way, 0))
        usual = {stage["name"]: stage["seconds"] for stage in told["stages"]}
        usual["whole"] = cost.wall_seconds
        for turn, what in enumerate(own, start=1):
            in_load = what != "segpipe" and turn % 4 > 0
            moment = rng.uniform(0, usual["load" if in_load else "whole"])
            kill = Kill(len(kills) + 1, what, way, round(moment, 3))
            kills.append(kill_one(ground, kill, turn, in_load=in_load, rng=rng))
            print(json.dumps(asdict(kills[-1])), flush=True)
    return kills


def kill_one(ground: Ground, kill: Kill, turn: int, *, in_load: bool, rng: random.Random) -> Kill:
    """Start a run, kill it at its moment, look, and run again."""
    before = read_state(ground.url)
    arguments = ground.arguments(kill.way, turn)
    command = [sys.executable, SCRIPT, *arguments, "--quiet", "--database-url", ground.url]
    process = subprocess.Popen(
        [str(part) for part in command],
        env=environment(ground.server),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    started = time.monotonic()
    if in_load:
        _await(lambda: stage_at_work(ground.url) == "load" or process.poll() is not None)
        started = time.monotonic()
    time.sleep(max(0.0, started + kill.seconds - time.monotonic()))
    stage = stage_at_work(ground.url)
    _strike(ground, kill, process, rng)
    err = process.communicate(timeout=_PATIENCE_SECONDS)[1]
    _await_server(ground, kill)
    after = read_state(ground.url)
    victim = last_run(ground.url)
    is_published = after.run_id != before.run_id
    outcome = "published" if is_published else "previous run in force"
    problems = problems_at_once(before, after, is_published=is_published)
    if "Traceback" in err:
        problems.append("a traceback")
    told, cost = run_segpipe(ground.server, ground.url, *arguments)
    found = read_state(ground.url)
    problems += problems_later(ground.url, found, told["load"]["run_id"], victim)
    return replace(
        kill,
        stage=stage,
        status=process.returncode,
        said=(err.splitlines() or [""])[-1],
        outcome=outcome,
        ledger=told_of(ground.url, victim) if victim > before.run_id else "no row yet",
        next_run_seconds=round(cost.wall_seconds, 2),
        problems=tuple(problems),
    )


def _strike(ground: Ground, kill: Kill, process: subprocess.Popen[str], rng: random.Random) -> None:
    """The kill itself; whatever has ended by then is left in peace."""
    if kill.what == "segpipe":
        process.kill()
        return
    if kill.what == "server":
        pid = embedded.status(ground.server.home).pid
        assert pid  # noqa: S101 - it was started by this process
        os.kill(pid, signal.SIGKILL)
        _await(lambda: not embedded.status(ground.server.home).is_running)
        if kill.number % 2:  # as a supervisor would; else only once the run has given up
            _restart(ground.server)
        return
    with postgres.connect(ground.url) as connection:
        backends = [row[0] for row in connection.execute(_BACKENDS).fetchall()]
        if not backends:
            return
        chosen = rng.choice(backends)
        if kill.what == "session":
            connection.execute("SELECT pg_terminate_backend(%s)", [chosen])
        else:
            os.kill(chosen, signal.SIGKILL)


def _restart(server: Server) -> None:
    def starts() -> bool:
        try:
            return bool(embedded.start(server.home))
        except DatabaseError:  # backends of the dead server are still on their way out
            return False

    _await(starts)


def _await_server(ground: Ground, kill: Kill) -> None:
    if kill.what == "server":
        _restart(ground.server)

    def answers() -> bool:
        try:
            with postgres.connect(ground.url):
                return True
        except DatabaseError:
            return False

    _await(answers)


def _await(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("It never came to that.")
        time.sleep(0.05)


def watch_readers(ground: Ground, way: str, n_publishes: int) -> dict[str, Any]:
    """Readers through so many publications; what each found must be one run or another, whole."""
    run_segpipe(ground.server, ground.url, *ground.arguments(way, 1))
    states = [read_state(ground.url)]
    kinds = KINDS
    seconds = []
    with open_readers(ground.url, ground.server.home, kinds) as readers:
        for turn in range(n_publishes):
            told, _ = run_segpipe(ground.server, ground.url, *ground.arguments(way, turn))
            seconds += [s["seconds"] for s in told["stages"] if s["name"] == "load"]
            states.append(read_state(ground.url))
    published = [list(state.sums) for state in states]
    return {
        "way": way,
        "publishes": n_publishes,
        "load_seconds": [round(s, 2) for s in seconds],
        "different_results": len({state.sums for state in states}),
        "readers": [_judged(r.kind, seen_by(r), published) for r in readers],
    }


def _judged(kind: str, seen: dict[str, Any], published: Sequence[list[Any]]) -> dict[str, Any]:
    """The same without the results, which are counted."""
    results = seen.pop("results", [])
    if kind.startswith("everybody"):
        mixed = [r for r in results if any(list(map(str, one)) not in published for one in r)]
        seen["mixed"] = len(mixed)
        seen["changed_within_a_transaction"] = sum(
            one != result[0] for result in results for one in result
        )
        seen["results_seen"] = len(results)
    return {"kind": kind, **seen}


def _reader_problems(result: dict[str, Any]) -> int:
    counted = ("mixed", "changed_within_a_transaction")
    readers = [reader for way in result["readers"] for reader in way["readers"]]
    wrong = sum(reader.get(name, 0) for reader in readers for name in counted)
    return int(wrong + sum(len(reader.get("failures", ())) for reader in readers))


def summary(kills: Sequence[Kill]) -> dict[str, Any]:
    """Kills by kind, and what came of them."""
    whats = dict.fromkeys(kill.what for kill in kills)
    return {
        "kills": {what: sum(kill.what == what for kill in kills) for what in whats},
        "previous_run_in_force": sum(k.outcome == "previous run in force" for k in kills),
        "published_all_the_same": sum(k.outcome == "published" for k in kills),
        "stages": sorted({kill.stage for kill in kills if kill.stage}),
        "problems": [f"kill {k.number}: {problem}" for k in kills for problem in k.problems],
    }


def table(result: dict[str, Any]) -> str:
    """Every kill, then the readers, as Markdown."""
    names = ["number", "what", "way", "seconds", "stage", "status", "outcome", "ledger"]
    names += ["next_run_seconds", "problems"]
    told = as_table(names, [[kill[name] for name in names] for kill in result["kills"]])
    for way in result["readers"]:
        told += f"\n\n{way['publishes']} publications, {way['way']}:"
        told += "".join(f"\n  {reader}" for reader in way["readers"])
    return f"{told}\n\n{result['summary']}"


if __name__ == "__main__":
    main()
