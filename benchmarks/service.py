"""How fast the service answers under a load from other processes, and what an answer costs.

Lookups, assignments of customers with 20 lines, both at once, batches of 100, and the highest rate
within the bound; each with a floor measured next to it. Writes benchmarks/results/service.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alone import STORE, alone, read_lines
from measured import (
    RESULTS,
    Server,
    as_table,
    environment,
    facts,
    middle,
    open_database,
    open_server,
    postgres_cpu_seconds,
    run_segpipe,
    show,
)
from served import Load, Program, offer, program, wait_until_idle
from speed import generate

from segpipe import postgres
from segpipe.access.key_table import create_key
from segpipe.answers import current_run
from segpipe.core.settings import EngineSettings, SourceSettings
from segpipe.engines.duckdb import Connection, open_engine
from segpipe.parity import documents, draw_customers
from segpipe.sources import read_order_lines

CUSTOMERS = 20_000
LINES = 20  # of a customer who is assigned
BATCH = 100
LOOKUPS, ASSIGNMENTS, BATCHES, BOTH = "lookups", "assignments", "batches of 100", "at once"
RATES: Mapping[str, float] = {LOOKUPS: 300, ASSIGNMENTS: 50, BATCHES: 2}
BOUNDS: Mapping[str, float] = {LOOKUPS: 20, ASSIGNMENTS: 50}  # milliseconds, of p99
FEW, MANY = 4, 32  # connections
STEP = 1.3  # from one rate to the next, on the way to the highest
_LEAST_ACHIEVED = 0.98  # of the rate


@dataclass(frozen=True)
class Bench:
    """What is measured, and where."""

    server: Server
    url: str  # of the database
    key: str
    requests: Mapping[str, Path]
    seconds: float
    repeats: int
    is_poisson: bool

    def load(self, kind: str, rate: float | None = None) -> Load:
        """The load of that kind."""
        n_connections = FEW if kind == BATCHES else MANY
        usual = Load(self.requests[kind], rate or RATES[kind], self.seconds)
        return replace(usual, connections=n_connections, is_poisson=self.is_poisson)


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load, after 2 more")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--poisson", action="store_true", help="arrivals at random, same rate")
    parser.add_argument("--no-highest", action="store_true", help="skip the highest rates")
    parser.add_argument("--out", type=Path, default=RESULTS / "service.json")
    asked = parser.parse_args()
    with open_server() as server, open_database(server, "served") as url:
        result: dict[str, Any] = {
            "what": "segpipe serve under a constant arrival rate, latency from when it was due",
            **facts(server),
            "customers": asked.customers,
            "lines_of_an_assignment": LINES,
            "arrivals": "poisson" if asked.poisson else "evenly",
            "bounds_p99_ms": BOUNDS,
        }
        bench = prepare(server, url, asked)
        result["without_http"] = alone(
            bench.url, bench.requests[LOOKUPS], bench.requests[ASSIGNMENTS]
        )
        result["workers"] = [
            measure(bench, n_workers, is_highest=not asked.no_highest)
            for n_workers in asked.workers
        ]
    show(result, table(result), asked.out)


def prepare(server: Server, url: str, asked: argparse.Namespace) -> Bench:
    """A published shop, a key, and files of requests."""
    lines = server.home / "product_sales_order.csv"
    generate(lines, asked.customers)
    run_segpipe(server, url, "--csv-path", lines)
    with postgres.connect(url) as connection:
        _, key = create_key(connection, "benchmark", "read", 1_000_000)
        run = current_run(connection, STORE)
        assert run is not None  # noqa: S101 - it has just been published
        assert run.as_of is not None  # noqa: S101 - as above
    requests = write_requests(server.home, lines, run.as_of)
    return Bench(server, url, key, requests, asked.seconds, asked.repeats, asked.poisson)


def write_requests(folder: Path, lines: Path, as_of: date) -> dict[str, Path]:
    """File of requests of each kind."""
    with open_engine(EngineSettings()) as engine:
        source = read_order_lines(engine, SourceSettings(paths=(str(lines),)), is_forced=True)
        ids = draw_customers(engine, as_of, 5_000, seed=1)
        some = list(documents(engine, source.inputs, "UTC", as_of, _ids_of(engine)))
    if len(some) < BATCH or any(len(one["items"]) != LINES for one in some):
        raise SystemExit(
            f"only {len(some)} customers have {LINES} lines; expected {BATCH}: more --customers"
        )
    batches = [some[at : at + BATCH] for at in range(0, len(some) - BATCH + 1, BATCH)]
    requests = {
        LOOKUPS: [{"path": f"/segments/customer/{quote(one, safe='')}"} for one in ids],
        ASSIGNMENTS: [_post("/segments/assign", one) for one in some],
        BATCHES: [_post("/segments/assign/batch", {"customers": batch}) for batch in batches],
    }
    paths = {kind: folder / f"{kind}.jsonl" for kind in requests}
    for kind, path in paths.items():
        path.write_text("".join(json.dumps(one) + "\n" for one in requests[kind]))
    return paths


def _ids_of(engine: Connection) -> list[str]:
    rows = engine.execute(
        "SELECT customer_id FROM order_lines GROUP BY 1 HAVING count(*) = $n"
        " ORDER BY customer_id LIMIT 500",
        {"n": LINES},
    ).fetchall()
    return [row[0] for row in rows]


def _post(path: str, body: object) -> dict[str, Any]:
    return {"method": "POST", "path": path, "body": body}


def measure(bench: Bench, n_workers: int, *, is_highest: bool) -> dict[str, Any]:
    """Figures of a service with `n_workers` workers."""
    found: dict[str, Any] = {"workers": n_workers}
    with serve(bench, n_workers) as service:
        for kind in RATES:
            found[kind] = with_floor(bench, service, kind)
        found[BOTH] = loaded(bench, service, bench.load(LOOKUPS), bench.load(ASSIGNMENTS))
        if is_highest:
            found["highest"] = {kind: highest(bench, service, kind) for kind in BOUNDS}
        found["peak_memory_mb"] = service.peak_memory_mb()[:n_workers]
        found["cpu_seconds_of_each"] = service.cpu_of_each()[:n_workers]
    return found


@contextmanager
def serve(bench: Bench, n_workers: int) -> Iterator[Program]:
    """The service, once its workers are up."""
    folder = bench.server.home / f"workers_{n_workers}"
    folder.mkdir()
    command = [sys.executable, "-m", "segpipe", "serve", "--port", 0, "--workers", n_workers]
    command += ["--database-url", bench.url]
    with program(command, folder, environment(bench.server)) as service:
        wait_until_idle(service)
        yield service


def with_floor(bench: Bench, service: Program, kind: str) -> dict[str, Any]:
    """The load on the service, and the same on a server with a constant answer, in turn."""
    runs, floors = [], []
    bare = Path(__file__).with_name("bare.py")
    request = read_lines(bench.requests[kind])[0]
    size = len(service.ask(request["path"], bench.key, request.get("body")))
    for number in range(bench.repeats):
        folder = bench.server.home / f"bare_{service.pid}_{kind}_{number}"
        folder.mkdir()
        with program([sys.executable, bare, size], folder, os.environ) as floor:
            floors.append(loaded(bench, floor, bench.load(kind)))
        runs.append(loaded(bench, service, bench.load(kind)))
        log(f"{kind}: p99 {runs[-1]['loads'][0]['p99_ms']} ms")
    service_figures, floor_figures = middles(runs), middles(floors)
    ratios = {
        name: round(service_figures[name] / floor_figures[name], 2)
        for name in ("p50_ms", "p99_ms", "cpu_ms")
        if floor_figures[name]
    }
    return {
        **service_figures,
        "floor": floor_figures,
        "ratio_to_floor": ratios,
        "runs": runs,
    }


def loaded(bench: Bench, served: Program, *loads: Load) -> dict[str, Any]:
    """Results of the loads, sent at once, and the processor time that a request took."""
    before = served.cpu_seconds(), postgres_cpu_seconds(bench.server)
    answers = offer(served, bench.key, *loads)
    after = served.cpu_seconds(), postgres_cpu_seconds(bench.server)
    n_requests = sum(answer["sent_with_warm_up"] for answer in answers)
    own = after[0] - before[0]
    database = 0.0 if None in (before[1], after[1]) else after[1] - before[1]  # type: ignore[operator]
    for answer in answers:
        if answer["errors"] or set(answer["statuses"]) != {"200"}:
            log(f"not all were answered: {answer['statuses']} {answer['errors']}")
    return {
        "loads": answers,
        "cpu_ms": round(1000 * own / n_requests, 3),
        "postgres_cpu_ms": round(1000 * database / n_requests, 3),
        "requests_a_core_second": round(n_requests / max(own + database, 0.01)),
    }


def middles(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Medians over the runs of one load."""
    loads = [run["loads"][0] for run in runs]
    found: dict[str, Any] = {"rate": loads[0]["rate"]}
    for name in ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"):
        found[name] = middle([load[name] for load in loads], 3)
    for name in ("cpu_ms", "postgres_cpu_ms", "requests_a_core_second"):
        found[name] = middle([run[name] for run in runs], 3)
    found["errors"] = sum(sum(load["errors"].values()) for load in loads)
    found["not_200"] = sum(sum(load["statuses"].values()) for load in loads) - sum(
        load["statuses"].get("200", 0) for load in loads
    )
    return found


def highest(bench: Bench, service: Program, kind: str) -> dict[str, Any]:
    """The highest rate whose p99 is within the bound, and the next one, which failed twice."""
    rate, best, failed = RATES[kind] / STEP**3, None, 0
    while failed < 2:  # one failure may be the machine's
        load = replace(bench.load(kind, round(rate)), seconds=bench.seconds / 2, connections=64)
        found = loaded(bench, service, load)
        if is_within(found["loads"][0], BOUNDS[kind]):
            best, failed = found, 0
            rate *= STEP
        else:
            failed += 1
    log(f"{kind}: highest {best and best['loads'][0]['rate']} a second")
    return {"within": best, "beyond": found}


def is_within(load: Mapping[str, Any], bound: float) -> bool:
    """Whether all requests were answered at that rate, in time."""
    is_kept = load["achieved_rate"] >= _LEAST_ACHIEVED * load["rate"]
    is_whole = not load["errors"] and set(load["statuses"]) == {"200"}
    return is_kept and is_whole and load["p99_ms"] <= bound


def table(result: dict[str, Any]) -> str:
    """The loads, as Markdown."""
    head = ["load", "workers", "a second", "p50 ms", "p99 ms", "floor p99", "CPU ms", "server CPU"]
    head += ["a core", "highest"]
    rows = []
    for found in result["workers"]:
        for kind in RATES:
            got = found[kind]
            best = found.get("highest", {}).get(kind, {}).get("within")
            rows.append(
                [
                    kind,
                    found["workers"],
                    got["rate"],
                    got["p50_ms"],
                    got["p99_ms"],
                    got["floor"]["p99_ms"],
                    got["cpu_ms"],
                    got["postgres_cpu_ms"],
                    got["requests_a_core_second"],
                    best["loads"][0]["rate"] if best else "",
                ]
            )
    return as_table(head, rows)


def log(text: str) -> None:
    """Show progress on stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
