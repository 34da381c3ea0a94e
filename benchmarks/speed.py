"""How long the main script takes, as a ratio to the floor of the same machine and minute.

Floor: the engine's count and sum over the CSV, plus COPY of the published rows' bytes into a table
without indexes. Writes benchmarks/results/speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from segpipe import __version__, embedded, postgres
from segpipe.config import EngineSettings
from segpipe.engine import literal, open_engine
from segpipe.generate import generate_order_lines

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "load_efficient_segments_to_db.py"


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=93_564)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "speed.json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="segpipe-") as folder:
        home = Path(folder)
        try:
            result = measure(home, asked.customers, asked.runs)
        finally:
            embedded.stop(home)
    asked.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def measure(home: Path, n_customers: int, n_runs: int) -> dict[str, Any]:
    """Figures of `n_runs` runs, the first into an empty table."""
    lines = home / "product_sales_order.csv"
    started = perf_counter()
    made = generate_order_lines(lines, n_customers, seed=42)
    generate_seconds = perf_counter() - started
    url = embedded.start(home)
    runs = [run_script(lines, url) for _ in range(n_runs)]
    parse_floor = min(parse_seconds(lines) for _ in range(3))
    load_floor = min(copy_seconds(url) for _ in range(3))
    floor = parse_floor + load_floor
    walls = sorted(run["wall_seconds"] for run in runs)
    median = walls[len(walls) // 2]
    return {
        "what": "scripts/load_efficient_segments_to_db.py, from process start to published",
        "customers": made.customers,
        "lines": made.lines,
        "generate_seconds": round(generate_seconds, 2),
        "parse_floor_seconds": round(parse_floor, 2),
        "load_floor_seconds": round(load_floor, 2),
        "wall_seconds_median": round(median, 2),
        "ratio_to_floor": round(median / floor, 2),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "runs": runs,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "segpipe": __version__,
        "commit": commit(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def run_script(lines: Path, url: str) -> dict[str, Any]:
    """One run in a process of its own: wall time, and the stages as it reports them."""
    command = [sys.executable, str(SCRIPT), "--csv-path", str(lines), "--json", "--quiet"]
    started = perf_counter()
    done = subprocess.run(
        [*command, "--database-url", url], check=True, capture_output=True, text=True
    )
    wall = perf_counter() - started
    report = json.loads(done.stdout)
    stages = {stage["name"]: round(stage["seconds"], 2) for stage in report["stages"]}
    memory = round(report["peak_memory_mb"])
    return {"wall_seconds": round(wall, 2), "stages": stages, "peak_memory_mb": memory}


def parse_seconds(lines: Path) -> float:
    """The engine's own count and sum over the CSV."""
    with open_engine(EngineSettings()) as engine:
        started = perf_counter()
        engine.execute(
            f"SELECT count(*), sum(Sales) FROM read_csv({literal(str(lines))})"
        ).fetchall()
        return perf_counter() - started


def copy_seconds(url: str) -> float:
    """COPY of the published profiles' bytes into a table without indexes."""
    with postgres.connect(url) as connection:
        with connection.cursor().copy("COPY (SELECT * FROM customer_profiles) TO STDOUT") as out:
            blocks = [bytes(block) for block in out]
        connection.execute("DROP TABLE IF EXISTS floor")
        connection.execute("CREATE TABLE floor (LIKE customer_profiles)")
        started = perf_counter()
        with connection.cursor().copy("COPY floor FROM STDIN") as into:
            into.write(b"".join(blocks))
        seconds = perf_counter() - started
        connection.execute("DROP TABLE floor")
        return seconds


def commit() -> str:
    """Commit that was measured."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
