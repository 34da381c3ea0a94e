"""How fast the example queries are on many profiles, and what their indexes cost.

The profiles are those of a smaller real run, repeated under other ids.
Each `->>` query is also timed with the indexes turned off. Writes benchmarks/results/queries.json.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from floor import copy_seconds
from measured import (
    RESULTS,
    Server,
    as_table,
    facts,
    middle,
    open_database,
    open_server,
    run_process,
    show,
)
from speed import generate

from segpipe import postgres, publishing, runs
from segpipe.core.settings import EngineSettings, SourceSettings
from segpipe.engines.duckdb import open_engine
from segpipe.engines.duckdb_tables import DuckDbTables
from segpipe.features import compute_features
from segpipe.model.assign import Tally
from segpipe.model.document import Model, read_model
from segpipe.pipeline.memberships import assign_population
from segpipe.pipeline.summary import segment_definitions
from segpipe.postgres import Connection, fetch_one, migrate, sql
from segpipe.postgres.example_queries import bound, read_query
from segpipe.runs import profiles_table
from segpipe.sources import read_order_lines

N_REAL = 20_000  # customers of the run that the profiles come from
TIMES, TIMES_AN_AXIS = 7, 3
STORE = "default"
_BATCH = 5000
_PAIRS = ("whales_who_wait_for_discounts", "declining_worth_keeping")
_OTHERS = ("one_customer", "segment_sizes", "overlap_of_two_axes", "run_history")
_SCANS = ("enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan")
_COUNTS = (
    "SELECT axis, segment, n_customers FROM segment_counts"
    " ORDER BY run_id DESC, axis, n_customers DESC"
)
_RAREST = """
    SELECT DISTINCT ON (axis) axis, segment FROM segment_counts ORDER BY axis, n_customers, segment
"""
_INDEXES = """
    SELECT c.relname, pg_get_indexdef(c.oid), pg_relation_size(c.oid)
    FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid
    WHERE indrelid = %s::regclass ORDER BY indisprimary DESC, c.oid
"""
_TABLE = """
    SELECT pg_relation_size(oid), pg_total_relation_size(reltoastrelid), pg_indexes_size(oid),
        pg_total_relation_size(oid)
    FROM pg_class WHERE oid = %s::regclass
"""


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--real", type=int, default=N_REAL, help="customers of the real run")
    parser.add_argument("--out", type=Path, default=RESULTS / "queries.json")
    asked = parser.parse_args()
    with open_server() as server, open_database(server, "queries") as url:
        found = facts(server)
        filled = fill(server, url, asked.customers, min(asked.real, asked.customers))
        with postgres.connect(url) as connection:
            result = {
                "what": "example queries on many profiles, warm, milliseconds",
                "profiles": asked.customers,
                "times": TIMES,
                **found,
                "publication": filled,
                "queries": measure_queries(connection),
                "axes": measure_axes(connection),
                **measure_indexes(connection),
            }
    show(result, table(result), asked.out)


def fill(server: Server, url: str, n_profiles: int, n_real: int) -> dict[str, Any]:
    """Publish the profiles; returns what that took, compared with a COPY of the same bytes."""
    lines, model_path = server.home / "lines.csv", server.home / "model.json"
    generate(lines, n_real)
    segpipe = ("-m", "segpipe", "run", "--dry-run", "--quiet", "--model-out", model_path)
    ended = run_process(server, sys.executable, *segpipe, "--csv-path", lines)
    if ended.status:
        raise SystemExit(ended.err)
    model = read_model(model_path)
    real = _real_batches(lines, model)
    axes = [axis.name for axis in model.axes]
    with postgres.connect(url) as connection:
        migrate.upgrade(connection)
        run_id = runs.start_run(connection, STORE)
        started = perf_counter()
        publishing.publish(
            connection,
            publishing.Publication(
                run_id,
                STORE,
                _repeated(real, n_profiles),
                axes=axes,
                definitions=segment_definitions(model),
                model=model.document(),
            ),
        )
        seconds = perf_counter() - started
    floor = copy_seconds(url, "SELECT * FROM customer_profiles", is_bare=False)
    ratio = round(seconds / floor, 2)
    return {"seconds": round(seconds, 2), "floor_seconds": round(floor, 2), "ratio_to_floor": ratio}


def _real_batches(lines: Path, model: Model) -> list[pa.RecordBatch]:
    with open_engine(EngineSettings()) as engine:
        source = read_order_lines(engine, SourceSettings(paths=(str(lines),)))
        compute_features(engine, source.inputs, None, model.reference)
        return list(assign_population(DuckDbTables(engine), model, _BATCH, Tally()))


def _repeated(real: Sequence[pa.RecordBatch], n_profiles: int) -> Iterator[pa.RecordBatch]:
    """`n_profiles` profiles: each repetition has other ids, and a few cents more."""
    n_left, turn = n_profiles, 0
    while n_left:
        for batch in real:
            some = batch.slice(0, n_left)
            if turn:
                ids = pc.binary_join_element_wise(some["customer_id"], str(turn), "-")
                values = pc.add(some["lifetime_value"], turn / 100)
                some = some.set_column(0, "customer_id", ids)
                at = some.schema.get_field_index("lifetime_value")
                some = some.set_column(at, "lifetime_value", values)
            yield some
            n_left -= some.num_rows
            if not n_left:
                return
        turn += 1


def measure_queries(connection: Connection) -> dict[str, Any]:
    """The examples: in both forms if they have two, and the plain one also without indexes."""
    someone = fetch_one(connection, "SELECT max(customer_id) FROM customer_profiles")[0]
    found: dict[str, Any] = {}
    for name in _PAIRS:
        plain, through_gin = read_query(name).sql, read_query(f"{name}_gin").sql
        found[name] = _both(connection, plain, through_gin, {}, TIMES)
    for name in _OTHERS:
        query = read_query(name)
        found[name] = _timed(
            connection, bound(query.sql), dict.fromkeys(query.parameters, someone), TIMES
        )
    found["segment_counts_of_all_axes"] = _timed(connection, _COUNTS, {}, TIMES)
    return found


def measure_axes(connection: Connection) -> dict[str, Any]:
    """The rarest segment of each axis, all of its customers, in both forms."""
    found = {}
    for axis, segment in connection.execute(_RAREST).fetchall():
        asked = "SELECT customer_id, lifetime_value FROM customer_profiles WHERE "
        key = sql.Literal(axis).as_string(connection)
        plain = f"{asked}segment_memberships->>{key} = %(segment)s"
        through_gin = f"{asked}segment_memberships @> %(document)s::jsonb"
        given = {"segment": segment, "document": json.dumps({axis: segment})}
        both = _both(connection, plain, through_gin, given, TIMES_AN_AXIS)
        found[axis] = {"segment": segment, **both}
    return found


def _both(
    connection: Connection, plain: str, through_gin: str, given: Mapping[str, Any], times: int
) -> dict[str, Any]:
    arrow = _timed(connection, plain, given, times)
    contains = _timed(connection, through_gin, given, times)
    with _without_indexes(connection):
        scan = _timed(connection, plain, given, times)
    if not arrow["rows"] == contains["rows"] == scan["rows"]:
        raise SystemExit(f"The forms do not agree: {plain}")
    return {
        "->>": arrow,
        "@>": contains,
        "->> by sequential scan": scan,
        "times_faster_than_scan": {
            "->>": round(scan["ms"] / arrow["ms"], 1),
            "@>": round(scan["ms"] / contains["ms"], 1),
        },
    }


def _timed(
    connection: Connection, query: str, given: Mapping[str, Any], times: int
) -> dict[str, Any]:
    """Milliseconds to the last row fetched, and of the server alone; the plan; rows found."""
    statement, values = query.rstrip().rstrip(";").encode(), given or None
    explained = b"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statement
    rows = connection.execute(statement, values).fetchall()
    whole, server = [], []
    for _ in range(times):
        started = perf_counter()
        connection.execute(statement, values).fetchall()
        whole.append((perf_counter() - started) * 1000)
        plan = _fetch(connection, explained, values)[0]
        server.append(plan["Execution Time"])
    nodes = [node for node in _nodes(plan["Plan"]) if "Scan" in node["Node Type"]]
    return {
        "ms": middle(whole),
        "server_ms": middle(server),
        "rows": len(rows),
        "scans": [" ".join(filter(None, (n["Node Type"], n.get("Index Name")))) for n in nodes],
    }


def _fetch(connection: Connection, statement: bytes, values: Any) -> Any:  # noqa: ANN401 - a JSON
    row = connection.execute(statement, values).fetchone()
    assert row is not None  # noqa: S101 - EXPLAIN gives one
    return row[0]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


@contextmanager
def _without_indexes(connection: Connection) -> Iterator[None]:
    for name in _SCANS:
        connection.execute(sql.SQL("SET {} = off").format(sql.Identifier(name)))
    yield
    for name in _SCANS:
        connection.execute(sql.SQL("RESET {}").format(sql.Identifier(name)))


def measure_indexes(connection: Connection) -> dict[str, Any]:
    """Bytes of the table and of each index, and the seconds to build each one by itself."""
    parent = profiles_table.find_parent(connection)
    current_run = profiles_table.find_partition(connection, parent, STORE)
    assert current_run  # noqa: S101 - it has just been filled
    name = current_run.identifier.as_string(connection)
    heap, toast, indexes, whole = fetch_one(connection, _TABLE, [name])
    found = {}
    for index, definition, size in connection.execute(_INDEXES, [name]).fetchall():
        found[index] = {
            "on": re.sub(r"^.* USING ", "", definition),
            "bytes": size,
            "build_seconds": round(_build_seconds(connection, definition), 2),
        }
    return {
        "table_bytes": {"rows": heap, "toast": toast, "indexes": indexes, "all": whole},
        "indexes": found,
        "build_seconds": round(sum(index["build_seconds"] for index in found.values()), 2),
    }


def _build_seconds(connection: Connection, definition: str) -> float:
    statement = re.sub(r" INDEX \S+ ON ", " INDEX ON ", definition, count=1)
    with connection.transaction(force_rollback=True):
        started = perf_counter()
        connection.execute(statement.encode())
        return perf_counter() - started


def table(result: dict[str, Any]) -> str:
    """The queries and the indexes, as Markdown."""
    axes = {f"{axis} = {found['segment']}": found for axis, found in result["axes"].items()}
    head = ["query", "rows", "->> ms", "@> ms", "scan ms", "scan / ->>", "scan / @>", "->> by"]
    asked = {**result["queries"], **axes}
    both = as_table(head, [_row(name, found) for name, found in asked.items() if "@>" in found])
    others = as_table(
        ["query", "rows", "ms", "server ms", "by"],
        [
            [name, f"{found['rows']:,}", found["ms"], found["server_ms"], _by(found)]
            for name, found in asked.items()
            if "ms" in found
        ],
    )
    sizes = [
        [_short(name), index["on"][:60], round(index["bytes"] / 1e6, 1), index["build_seconds"]]
        for name, index in result["indexes"].items()
    ]
    listed = as_table(["index", "on", "MB", "build s"], sizes)
    bytes_of = f"table_bytes: {result['table_bytes']}"
    return f"{both}\n\n{others}\n\n{listed}\n\n{bytes_of}\npublication: {result['publication']}"


def _row(name: str, found: dict[str, Any]) -> list[object]:
    arrow, contains, scan = found["->>"], found["@>"], found["->> by sequential scan"]
    faster = found["times_faster_than_scan"]
    times = (arrow["ms"], contains["ms"], scan["ms"], faster["->>"], faster["@>"])
    return [name, f"{arrow['rows']:,}", *times, _by(arrow)]


def _by(timed: dict[str, Any]) -> str:
    return ", ".join(dict.fromkeys(map(_short, timed["scans"])))


def _short(text: str) -> str:
    """The name without the prefix that all indexes of the partition share."""
    return re.sub(r"customer_profiles_\w{10}_r\d+_", "", text)


if __name__ == "__main__":
    main()
