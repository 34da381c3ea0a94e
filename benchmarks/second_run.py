"""What a run costs when few customers have changed, and how much space many runs take.

A second run with a tenth of the customers changed, compared with a run that writes everybody; then
twelve monthly and twelve hourly runs. Writes benchmarks/results/second_run.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from exports import append_orders, cut_after
from floor import ALL_ROWS, measure_floor
from measured import RESULTS, Server, as_table, facts, open_database, open_server, run_segpipe, show
from speed import USUAL, generate

from segpipe import postgres
from segpipe.axes import AXES
from segpipe.core.schema import PROFILE_COLUMNS
from segpipe.datasets.synthetic import UNTIL
from segpipe.postgres import Connection, column_list, fetch_one, sql
from segpipe.runs import partition, profiles_table

ONE_IN = 10  # customers with a new order
N_IN_A_ROW = 12
STORE = "default"
_FRESH_RUN_ID = 10**12  # of a table that no run will make
_KEPT = """
    WITH runs AS (SELECT * FROM segmentation_runs WHERE store_id = %s), current_run AS (
        SELECT * FROM runs WHERE status = 'published' ORDER BY finished_at DESC LIMIT 1
    ), kept AS (
        SELECT profiles_table AS name FROM runs UNION SELECT measures_table FROM runs
        UNION SELECT undo_table FROM runs UNION SELECT measures_undo_table FROM runs
        EXCEPT SELECT profiles_table FROM current_run EXCEPT SELECT measures_table FROM current_run
    )
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class AS c
    JOIN kept ON kept.name = c.relname
"""
_VACUUM = """
    SELECT coalesce(sum(n_dead_tup), 0), coalesce(sum(autovacuum_count), 0),
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')
    FROM pg_stat_all_tables WHERE relname = ANY(%s)
"""


@dataclass(frozen=True)
class Step:
    """One of several runs in a row: its input and its options."""

    lines: Path
    options: tuple[object, ...]


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=USUAL)
    parser.add_argument("--in-a-row", type=int, default=N_IN_A_ROW, help="0 skips them")
    parser.add_argument(
        "--wal-level", default="replica", help="PostgreSQL's default; minimal is the embedded one's"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "second_run.json")
    asked = parser.parse_args()
    with open_server(asked.wal_level) as server:
        lines = server.home / "product_sales_order.csv"
        result: dict[str, Any] = {
            "what": "runs after the first, and the space of many",
            "customers": asked.customers,
            **facts(server),
            **generate(lines, asked.customers),
            "second_run": measure_second_run(server, lines),
        }
        if asked.in_a_row:
            result["monthly"] = in_a_row(server, _months(lines, asked.in_a_row))
            result["hourly"] = in_a_row(server, _hours(server, lines, asked.in_a_row))
            result["hourly_without_autovacuum"] = in_a_row(
                server, _hours(server, lines, asked.in_a_row), waits=False
            )
    show(result, table(result), asked.out)


def measure_second_run(server: Server, lines: Path) -> dict[str, Any]:
    """A first run; one with a tenth changed and the same model; one that discovers all again."""
    as_of = UNTIL + timedelta(days=1)
    grown = append_orders(lines, server.home / "grown.csv", as_of, ONE_IN, 0)
    model = server.home / "model.json"
    fixed = ("--as-of", as_of)
    with open_database(server, "second") as url:
        result: dict[str, Any] = {"customers_changed": grown.n_customers}
        steps = {
            "first": Step(lines, (*fixed, "--model-out", model)),
            "second": Step(grown.path, (*fixed, "--model", model)),
            "whole": Step(grown.path, (*fixed, "--force")),
        }
        for name, step in steps.items():
            figures = run_step(server, url, step)
            # The floor is that of the rows which this run wrote: they have its number.
            rows = f"{ALL_ROWS} WHERE run_id = {figures['run_id']}"
            floor = measure_floor(step.lines, url, rows=rows)
            ratio = round(figures["wall_seconds"] / floor.whole, 2)
            result[name] = {**figures, **floor.plain(), "ratio_to_floor": ratio}
    grown.path.unlink()
    second, whole = result["second"], result["whole"]
    return {
        **result,
        "second_to_whole": {
            name: round(second[name] / max(1e-9, whole[name]), 3)
            for name in ("wall_seconds", "load_seconds", "cpu_seconds", "rows_written", "wal_bytes")
        },
    }


def in_a_row(server: Server, steps: Iterator[Step], *, waits: bool = True) -> dict[str, Any]:
    """Runs into one store, and the size of its tables after each.

    Between two runs there is an hour or a month for autovacuum: wait until it is done, or turn it
    off.
    """
    runs = []
    with open_database(server, "row") as url:
        with postgres.connect(url) as connection:
            naptime = "1s" if waits else "1d"
            connection.execute(
                sql.SQL("ALTER SYSTEM SET autovacuum_naptime = {}").format(sql.Literal(naptime))
            )
            connection.execute("SELECT pg_reload_conf()")
        for step in steps:
            figures = run_step(server, url, step)
            if waits:
                _await_autovacuum(url)
            runs.append({**figures, **sizes(url)})
    later = runs[1:] or runs
    return {
        "runs": runs,
        "largest_size_ratio": max(run["size_ratio"] for run in later),
        "kept_runs_bytes": runs[-1]["kept_runs_bytes"],
    }


def run_step(server: Server, url: str, step: Step) -> dict[str, Any]:
    """One run: what it wrote, and what it cost."""
    report, cost = run_segpipe(server, url, "--csv-path", step.lines, *step.options)
    load = report["load"]
    stages = {stage["name"]: stage["seconds"] for stage in report["stages"]}
    is_in_place = any(note.startswith(("Only rows", "Rows were")) for note in load["notes"])
    return {
        "run_id": load["run_id"],
        "way": "changed rows in place" if is_in_place else "whole partition",
        "rows_written": load["n_published"] - load["n_unchanged"],
        "rows_unchanged": load["n_unchanged"],
        "load_seconds": round(stages["load"], 2),
        **cost.plain(),
    }


def sizes(url: str) -> dict[str, Any]:
    """Bytes of the current run's partition with its indexes, now and rebuilt; and of kept runs."""
    with postgres.connect(url) as connection:
        parent = profiles_table.find_parent(connection)
        current_run = profiles_table.find_partition(connection, parent, STORE)
        assert current_run  # noqa: S101 - a run has been published
        now = _size(connection, current_run)
        with connection.transaction(force_rollback=True):
            fresh = partition.create_partition(connection, parent, STORE, _FRESH_RUN_ID)
            partition.drop_copied_expression(connection, fresh)
            connection.execute(
                sql.SQL(
                    "INSERT INTO {new} ({columns}) SELECT {columns} FROM {old} ORDER BY customer_id"
                ).format(
                    new=fresh.identifier,
                    columns=column_list(PROFILE_COLUMNS),
                    old=current_run.identifier,
                )
            )
            partition.build_indexes(connection, parent, fresh, [axis.name for axis in AXES])
            rebuilt = _size(connection, fresh)
        kept = int(fetch_one(connection, _KEPT, [STORE])[0])
        dead, n_vacuums, _ = fetch_one(connection, _VACUUM, [[current_run.name]])
    return {
        "partition_bytes": now,
        "fresh_bytes": rebuilt,
        "size_ratio": round(now / rebuilt, 3),
        "kept_runs_bytes": kept,
        "dead_rows": int(dead),
        "autovacuums": int(n_vacuums),
    }


def _months(whole: Path, n_runs: int) -> Iterator[Step]:
    """The export at the end of each month, the last being the whole, and its observation date."""
    for number in range(n_runs + 1):
        first_of_next = _months_before(UNTIL + timedelta(days=1), n_runs - number)
        part = whole.with_name("month.csv")
        cut_after(whole, part, first_of_next - timedelta(days=1))
        yield Step(part, ("--as-of", first_of_next, "--force"))
        part.unlink()


def _hours(server: Server, whole: Path, n_runs: int) -> Iterator[Step]:
    """The export, each time with one more order for a tenth of the customers; one model for all."""
    day = UNTIL + timedelta(days=1)
    model = server.home / "hourly_model.json"
    before, after = whole.with_name("hour.csv"), whole.with_name("next_hour.csv")
    yield Step(whole, ("--as-of", day, "--model-out", model))
    before.hardlink_to(whole)
    for number in range(n_runs):
        append_orders(before, after, day, ONE_IN, number)
        after.replace(before)
        yield Step(before, ("--as-of", day, "--model", model, "--force"))
    before.unlink()


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, day.day)


def _await_autovacuum(url: str) -> None:
    """Return once no worker has been seen for so long that one would have been started."""
    idle_since, deadline = time.monotonic(), time.monotonic() + 300
    with postgres.connect(url) as connection:
        while time.monotonic() - idle_since < 4 and time.monotonic() < deadline:
            time.sleep(0.2)
            if fetch_one(connection, _VACUUM, [[""]])[2]:
                idle_since = time.monotonic()


def _size(connection: Connection, table: profiles_table.StoreTable) -> int:
    name = table.identifier.as_string(connection)
    return int(fetch_one(connection, "SELECT pg_total_relation_size(%s::regclass)", [name])[0])


def table(result: dict[str, Any]) -> str:
    """The second run compared with a whole one, and the runs in a row, as Markdown."""
    names = ["rows_written", "wall_seconds", "floor_seconds", "ratio_to_floor", "load_seconds"]
    names += ["cpu_seconds", "wal_bytes"]
    found = result["second_run"]
    rows = [[name, found[name]["way"], *(found[name][key] for key in names)] for name in _STEPS]
    text = as_table(["run", "way", *names], rows)
    keys = ["way", "rows_written", "wall_seconds", "load_seconds", "wal_bytes"]
    keys += ["partition_bytes", "size_ratio", "kept_runs_bytes", "autovacuums"]
    for name in _ROWS:
        if name in result:
            text += f"\n\n{name}: at most {result[name]['largest_size_ratio']} of the fresh size\n"
            text += as_table(["run", *keys], _listed(result[name]["runs"], keys))
    return text


_STEPS = ("first", "second", "whole")
_ROWS = ("monthly", "hourly", "hourly_without_autovacuum")


def _listed(runs: Sequence[dict[str, Any]], keys: Sequence[str]) -> list[list[object]]:
    return [[number, *(run[key] for key in keys)] for number, run in enumerate(runs)]


if __name__ == "__main__":
    main()
