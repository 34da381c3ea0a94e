"""How long the main script takes, as a ratio to the floor of the same machine at the same time.

Each run counts from process start to published: first runs, each into its own database, then the
same file again with --force. floor.py defines the floor. Writes benchmarks/results/speed.json.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from floor import Floor, measure_floor
from measured import (
    RESULTS,
    ROOT,
    SCRIPT,
    Cost,
    Server,
    as_table,
    facts,
    middle,
    open_database,
    open_server,
    run_segpipe,
    show,
)

from segpipe import postgres
from segpipe.postgres import fetch_one

USUAL, LARGE, PAPER = 93_564, 1_000_000, 10_000_000
MANY = 200_000  # customers from which on one run is enough
START_UPS = 5
STATEMENT = """
    SELECT pg_database_size(current_database()),
        (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('customer_profiles')),
        (SELECT count(*) FROM customer_profiles)
"""


@dataclass(frozen=True)
class Run:
    """What a run reported, and what it cost."""

    figures: dict[str, Any]
    cost: Cost


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, nargs="+", default=[USUAL])
    parser.add_argument(
        "--scale", action="store_true", help=f"{USUAL:,} and {LARGE:,} customers, and how it grows"
    )
    parser.add_argument("--runs", type=int, default=3, help=f"of a size below {MANY:,}")
    parser.add_argument("--no-repeat", action="store_true", help="skip the second run")
    parser.add_argument("--memory-limit", help="of the engine; by default segpipe's own")
    parser.add_argument("--out", type=Path, default=RESULTS / "speed.json")
    asked = parser.parse_args()
    sizes = [USUAL, LARGE] if asked.scale else sorted(asked.customers)
    options = ("--memory-limit", asked.memory_limit) if asked.memory_limit else ()
    with open_server() as server:
        found = {"what": f"{SCRIPT.relative_to(ROOT)}, from process start to published"}
        result: dict[str, Any] = {**found, "start_up": measure_start_up(), "sizes": []}
        result |= facts(server)
        for n_customers in sizes:
            n_runs = asked.runs if n_customers < MANY else 1
            measured = measure(server, n_customers, n_runs, options, repeat=not asked.no_repeat)
            result["sizes"].append(measured)
    if len(sizes) > 1:
        result["growth"] = growth(result["sizes"][0], result["sizes"][-1])
        result["on_paper"] = on_paper(result["sizes"][0], result["sizes"][-1], PAPER)
    show(result, table(result), asked.out)


def measure_start_up() -> dict[str, Any]:
    """Seconds of `segpipe --help`, and of a Python that does nothing, in turn."""
    program = Path(sys.executable).with_name("segpipe")
    module = [sys.executable, "-m", "segpipe"]
    command = [*([str(program)] if program.exists() else module), "--help"]
    help_seconds, floor_seconds = [], []
    for _ in range(START_UPS):
        floor_seconds.append(_seconds([sys.executable, "-c", "pass"]))
        help_seconds.append(_seconds(command))
    found, floor = middle(help_seconds, 3), middle(floor_seconds, 3)
    return {
        "help_seconds": found,
        "python_floor_seconds": floor,
        "ratio_to_floor": round(found / floor, 2),
    }


def measure(
    server: Server, n_customers: int, n_runs: int, options: Sequence[str], *, repeat: bool
) -> dict[str, Any]:
    """Figures of `n_runs` first runs, and of a second one."""
    lines = server.home / "product_sales_order.csv"
    made = generate(lines, n_customers)
    runs: list[Run] = []
    for number in range(1, n_runs):
        with open_database(server, f"run_{number}") as url:
            runs.append(_run(server, url, lines, options))
    with open_database(server, "run_last") as url:
        runs.append(_run(server, url, lines, options))
        floor = measure_floor(lines, url)
        disk = _disk(url, lines)
        again = [_run(server, url, lines, (*options, "--force"))] if repeat else []
        floor = measure_floor(lines, url).or_less(floor)
    lines.unlink()
    beside = max(run.cost.peak_disk_bytes for run in runs)
    result = {
        "customers": n_customers,
        **made,
        **floor.plain(),
        "first": _summary(runs, floor),
        "runs": [run.figures for run in runs],
        "disk": {**disk, "peak_beside_the_database_bytes": beside},
    }
    if again:
        result["repeat"] = {**_summary(again, floor), "run": again[0].figures}
    return result


def generate(lines: Path, n_customers: int) -> dict[str, Any]:
    """Write the order lines in their own process; returns their number, seconds and bytes."""
    code = (
        "import sys; from pathlib import Path;"
        "from segpipe.datasets.synthetic import generate_order_lines;"
        "print(generate_order_lines(Path(sys.argv[1]), int(sys.argv[2]), seed=42).lines)"
    )
    started = perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, str(lines), str(n_customers)],
        check=True,
        capture_output=True,
        text=True,
    )
    return {
        "lines": int(done.stdout),
        "csv_bytes": lines.stat().st_size,
        "generate_seconds": round(perf_counter() - started, 2),
    }


def _run(server: Server, url: str, lines: Path, options: Sequence[str]) -> Run:
    """One run in its own process: its cost, and the stages as it reports them."""
    report, cost = run_segpipe(server, url, "--csv-path", lines, *options)
    stages = {stage["name"]: round(stage["seconds"], 2) for stage in report["stages"]}
    load = {name: report["load"][name] for name in ("n_inserted", "n_updated", "n_unchanged")}
    memory = round(report["peak_memory_mb"])
    figures = {**cost.plain(), "stages": stages, "load": load, "peak_memory_mb_reported": memory}
    return Run(figures, cost)


def _summary(runs: Sequence[Run], floor: Floor) -> dict[str, Any]:
    costs = [run.cost for run in runs]
    wall = middle([cost.wall_seconds for cost in costs])
    server = [cost.postgres_cpu_seconds for cost in costs if cost.postgres_cpu_seconds is not None]
    return {
        "runs": len(costs),
        "wall_seconds_median": wall,
        "ratio_to_floor": round(wall / floor.whole, 2),
        "cpu_seconds_median": middle([cost.cpu_seconds for cost in costs]),
        "postgres_cpu_seconds_median": middle(server) if server else None,
        "peak_memory_mb": round(max(cost.peak_memory_mb for cost in costs)),
        "wal_bytes": max(cost.wal_bytes for cost in costs),
    }


def _disk(url: str, lines: Path) -> dict[str, Any]:
    with postgres.connect(url) as connection:
        database, profiles, n_rows = fetch_one(connection, STATEMENT)
    return {
        "csv_bytes": lines.stat().st_size,
        "database_bytes": int(database),
        "profiles_bytes": int(profiles),
        "profiles_bytes_a_row": round(int(profiles) / max(1, n_rows)),
    }


def growth(small: dict[str, Any], large: dict[str, Any]) -> dict[str, Any]:
    """Powers of the number of customers with which time, processor time and memory grow."""
    by = math.log(large["customers"] / small["customers"])

    def exponent(name: str) -> float:
        return round(math.log(large["first"][name] / small["first"][name]) / by, 3)

    return {
        "customers": [small["customers"], large["customers"]],
        "wall_exponent": exponent("wall_seconds_median"),
        "cpu_exponent": exponent("cpu_seconds_median"),
        "memory_exponent": exponent("peak_memory_mb"),
        "floor_exponent": round(math.log(large["floor_seconds"] / small["floor_seconds"]) / by, 3),
    }


def on_paper(small: dict[str, Any], large: dict[str, Any], customers: int) -> dict[str, Any]:
    """What `customers` would take, by the slope between the two sizes."""
    first, last = small["runs"][0], large["runs"][0]

    def at(low: float, high: float) -> float:
        slope = (high - low) / (large["customers"] - small["customers"])
        return float(round(high + slope * (customers - large["customers"])))

    walls = [size["first"]["wall_seconds_median"] for size in (small, large)]
    memory = [size["first"]["peak_memory_mb"] for size in (small, large)]
    names = [name for name in last["stages"] if name in first["stages"]]
    disk = [name for name in large["disk"] if not name.endswith("a_row")]
    return {
        "customers": customers,
        "wall_seconds": at(*walls),
        "peak_memory_mb": at(*memory),
        "stages": {
            name: max(0.0, at(first["stages"][name], last["stages"][name])) for name in names
        },
        "disk": {name: at(small["disk"][name], large["disk"][name]) for name in disk},
    }


def table(result: dict[str, Any]) -> str:
    """The sizes, as Markdown."""
    head = ["customers", "lines", "run", "s", "floor s", "ratio", "CPU s", "server CPU s"]
    head += ["peak MB", "WAL MB"]
    rows = []
    for size in result["sizes"]:
        for run in ("first", "repeat"):
            if run in size:
                got = size[run]
                rows.append(
                    [
                        f"{size['customers']:,}",
                        f"{size['lines']:,}",
                        run,
                        got["wall_seconds_median"],
                        size["floor_seconds"],
                        got["ratio_to_floor"],
                        got["cpu_seconds_median"],
                        got["postgres_cpu_seconds_median"],
                        got["peak_memory_mb"],
                        round(got["wal_bytes"] / 1e6, 1),
                    ]
                )
    start_up = result["start_up"]
    text = f"segpipe --help: {start_up['help_seconds']} s, {start_up['ratio_to_floor']} times"
    text += f" `python -c pass` ({start_up['python_floor_seconds']} s)"
    if "growth" in result:
        text += f"\ngrowth: customers to the power of {result['growth']['wall_exponent']}"
        text += f"\non paper, {result['on_paper']['customers']:,} customers: {result['on_paper']}"
    return f"{as_table(head, rows)}\n\n{text}"


def _seconds(command: Sequence[str]) -> float:
    started = perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return perf_counter() - started


if __name__ == "__main__":
    main()
