"""Kill runs while they publish, and query the database while others succeed.

Takes a store with a published run, and kills the next run at random moments: segpipe itself, its
session, its backend, or the whole server. After each kill the current run must be whole, and the
next run must succeed with no manual step. Writes benchmarks/results/faults.json.
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
    describe_run,
    last_run,
    problems_at_once,
    problems_later,
    read_state,
    running_stage,
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
_TIMEOUT_SECONDS = 300.0
_BACKENDS = """
    SELECT pid FROM pg_stat_activity WHERE application_name = 'segpipe'
    AND datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid
"""


@dataclass(frozen=True)
class Target:
    """A store, and two exports that are published into it in turn."""

    server: Server
    url: str
    lines: tuple[Path, Path]
    model: Path

    def arguments(self, way: str, turn: int) -> tuple[object, ...]:
        """Options of a run; in place it needs the model and the date of the run before."""
        as_of = UNTIL + timedelta(days=1)
        model = ("--model", self.model) if way == WAYS[1] else ()
        return ("--csv-path", self.lines[turn % 2], "--as-of", as_of, "--force", *model)


@dataclass(frozen=True)
class Kill:
    """One kill and the state after it."""

    number: int
    what: str  # segpipe, session, backend, server
    way: str
    seconds: float  # after the start of the run, or of its load
    stage: str = ""  # by the ledger at that moment; empty before there is a row
    status: int | None = None  # exit status of the run; minus the signal
    last_line: str = ""  # on its stderr
    outcome: str = ""
    ledger: str = ""  # status of that run once the next one had begun
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
            "what": "runs killed at random moments, and readers during publications",
            "customers": asked.customers,
            "seed": asked.seed,
            **facts(server),
        }
        target = prepare(server, url, asked.customers)
        result["readers"] = [watch_readers(target, way, asked.publishes) for way in WAYS]
        kills = kill_all(target, asked.kills, asked.server_kills, random.Random(asked.seed))  # noqa: S311 - to be repeated
        result |= {"kills": [asdict(kill) for kill in kills], "summary": summary(kills)}
    show(result, table(result), asked.out)
    sys.exit(1 if result["summary"]["problems"] or _reader_problems(result) else 0)


def prepare(server: Server, url: str, n_customers: int) -> Target:
    """Write two exports, the second with more orders of a tenth of the customers; run the first."""
    lines, grown = server.home / "product_sales_order.csv", server.home / "grown.csv"
    generate(lines, n_customers)
    as_of = UNTIL + timedelta(days=1)
    append_orders(lines, grown, as_of, 10, 0)
    target = Target(server, url, (lines, grown), server.home / "model.json")
    run_segpipe(server, url, "--csv-path", lines, "--as-of", as_of, "--model-out", target.model)
    return target


def kill_all(target: Target, n_segpipe: int, n_server: int, rng: random.Random) -> list[Kill]:
    """Kill, check, run again; a third of the runs change rows in place."""
    whats = ["segpipe"] * n_segpipe
    whats += [what for what in ("session", "backend", "server") for _ in range(n_server)]
    kills: list[Kill] = []
    for way in WAYS:
        own = [w for n, w in enumerate(whats) if (n % 3 == 2) == (way == WAYS[1])]
        run_segpipe(target.server, target.url, *target.arguments(way, 1))
        report, cost = run_segpipe(target.server, target.url, *target.arguments(way, 0))
        usual = {stage["name"]: stage["seconds"] for stage in report["stages"]}
        usual["whole"] = cost.wall_seconds
        for turn, what in enumerate(own, start=1):
            in_load = what != "segpipe" and turn % 4 > 0
            moment = rng.uniform(0, usual["load" if in_load else "whole"])
            kill = Kill(len(kills) + 1, what, way, round(moment, 3))
            kills.append(kill_one(target, kill, turn, in_load=in_load, rng=rng))
            print(json.dumps(asdict(kills[-1])), flush=True)
    return kills


def kill_one(target: Target, kill: Kill, turn: int, *, in_load: bool, rng: random.Random) -> Kill:
    """Start a run, kill it at its moment, check, and run again."""
    before = read_state(target.url)
    arguments = target.arguments(kill.way, turn)
    command = [sys.executable, SCRIPT, *arguments, "--quiet", "--database-url", target.url]
    process = subprocess.Popen(
        [str(part) for part in command],
        env=environment(target.server),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    started = time.monotonic()
    if in_load:
        _await(lambda: running_stage(target.url) == "load" or process.poll() is not None)
        started = time.monotonic()
    time.sleep(max(0.0, started + kill.seconds - time.monotonic()))
    stage = running_stage(target.url)
    _kill(target, kill, process, rng)
    err = process.communicate(timeout=_TIMEOUT_SECONDS)[1]
    _await_server(target, kill)
    after = read_state(target.url)
    victim = last_run(target.url)
    is_published = after.run_id != before.run_id
    outcome = "published" if is_published else "not published"
    problems = problems_at_once(before, after, is_published=is_published)
    if "Traceback" in err:
        problems.append("a traceback")
    report, cost = run_segpipe(target.server, target.url, *arguments)
    found = read_state(target.url)
    problems += problems_later(target.url, found, report["load"]["run_id"], victim)
    return replace(
        kill,
        stage=stage,
        status=process.returncode,
        last_line=(err.splitlines() or [""])[-1],
        outcome=outcome,
        ledger=describe_run(target.url, victim) if victim > before.run_id else "no row yet",
        next_run_seconds=round(cost.wall_seconds, 2),
        problems=tuple(problems),
    )


def _kill(target: Target, kill: Kill, process: subprocess.Popen[str], rng: random.Random) -> None:
    """Kill what the kill names, unless it has ended by then."""
    if kill.what == "segpipe":
        process.kill()
        return
    if kill.what == "server":
        pid = embedded.status(target.server.home).pid
        assert pid  # noqa: S101 - it was started by this process
        os.kill(pid, signal.SIGKILL)
        _await(lambda: not embedded.status(target.server.home).is_running)
        if kill.number % 2:  # at once, as a supervisor would; otherwise after the run has given up
            _restart(target.server)
        return
    with postgres.connect(target.url) as connection:
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
        except DatabaseError:  # backends of the dead server have not ended yet
            return False

    _await(starts)


def _await_server(target: Target, kill: Kill) -> None:
    if kill.what == "server":
        _restart(target.server)

    def answers() -> bool:
        try:
            with postgres.connect(target.url):
                return True
        except DatabaseError:
            return False

    _await(answers)


def _await(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing happened within {_TIMEOUT_SECONDS} s")
        time.sleep(0.05)


def watch_readers(target: Target, way: str, n_publishes: int) -> dict[str, Any]:
    """Query during `n_publishes` publications; each result must be one whole run."""
    run_segpipe(target.server, target.url, *target.arguments(way, 1))
    states = [read_state(target.url)]
    kinds = KINDS
    seconds = []
    with open_readers(target.url, target.server.home, kinds) as readers:
        for turn in range(n_publishes):
            report, _ = run_segpipe(target.server, target.url, *target.arguments(way, turn))
            seconds += [s["seconds"] for s in report["stages"] if s["name"] == "load"]
            states.append(read_state(target.url))
    published = [list(state.sums) for state in states]
    return {
        "way": way,
        "publishes": n_publishes,
        "load_seconds": [round(s, 2) for s in seconds],
        "different_results": len({state.sums for state in states}),
        "readers": [_judged(r.kind, seen_by(r), published) for r in readers],
    }


def _judged(kind: str, seen: dict[str, Any], published: Sequence[list[Any]]) -> dict[str, Any]:
    """What a reader saw, with its results counted."""
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
        "not_published": sum(k.outcome == "not published" for k in kills),
        "published": sum(k.outcome == "published" for k in kills),
        "stages": sorted({kill.stage for kill in kills if kill.stage}),
        "problems": [f"kill {k.number}: {problem}" for k in kills for problem in k.problems],
    }


def table(result: dict[str, Any]) -> str:
    """Every kill, then the readers, as Markdown."""
    names = ["number", "what", "way", "seconds", "stage", "status", "outcome", "ledger"]
    names += ["next_run_seconds", "problems"]
    text = as_table(names, [[kill[name] for name in names] for kill in result["kills"]])
    for way in result["readers"]:
        text += f"\n\n{way['publishes']} publications, {way['way']}:"
        text += "".join(f"\n  {reader}" for reader in way["readers"])
    return f"{text}\n\n{result['summary']}"


if __name__ == "__main__":
    main()
