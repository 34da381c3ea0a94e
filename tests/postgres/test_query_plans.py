"""The example queries, unchanged, on a table that is large enough for the plan to matter."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from segpipe import publishing, runs
from segpipe.postgres import Connection
from segpipe.postgres.example_queries import read_query
from tests.conftest import AXES, Rows

BOTH = ("whales_who_wait_for_discounts", "declining_worth_keeping")
N_RARE = 40


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", []) for node in _nodes(part))]


def _plan(database: Connection, query: str) -> list[dict[str, Any]]:
    """Nodes of the plan, after the query has run."""
    explain = f"EXPLAIN (ANALYZE, FORMAT json) {query.rstrip(';')}"
    found = database.execute(explain.encode()).fetchall()
    return _nodes(found[0][0][0]["Plan"])


def _indexes(database: Connection, nodes: list[dict[str, Any]]) -> list[str]:
    """What the indexes of the plan are of."""
    names = [node["Index Name"] for node in nodes if "Index Name" in node]
    rows = database.execute(
        "SELECT pg_get_indexdef(name::regclass) FROM unnest(%s::text[]) AS name", [names]
    ).fetchall()
    return [definition for (definition,) in rows]


@pytest.fixture
def large(database: Connection, rows: Rows) -> Connection:
    """20,000 customers of whom forty are what the queries ask for."""
    middle = {"purchase_value": "modest", "loyalty_trajectory": "steady"}
    batches: list[pa.RecordBatch] = [
        rows([f"r{n}" for n in range(N_RARE)], 900.0),
        rows([f"c{n}" for n in range(20_000)], 600.0, middle),
    ]
    run_id = runs.start_run(database, "default")
    publishing.publish(database, publishing.Publication(run_id, "default", batches, axes=AXES))
    return database


def test_the_example_queries_use_an_index_in_both_forms(large: Connection) -> None:
    for is_analyzed in (False, True):  # autovacuum comes some time after a publication
        if is_analyzed:
            large.execute("ANALYZE customer_profiles")
        for name in BOTH:
            arrows, contains = read_query(name).sql, read_query(f"{name}_gin").sql
            assert "->>" in arrows
            assert "@>" in contains
            found = []
            for query, wanted in ((arrows, "->>"), (contains, "USING gin")):
                nodes = _plan(large, query)
                assert not [node for node in nodes if node["Node Type"] == "Seq Scan"], query
                definitions = _indexes(large, nodes)
                assert any(wanted in definition for definition in definitions), definitions
                found.append(large.execute(query.encode()).fetchall())
            assert found[0] == found[1]
            assert len(found[0]) == N_RARE


def test_each_axis_and_column_has_its_index(large: Connection) -> None:
    wanted = {
        f"segment_memberships->>'{axis}' = 'x'": f"(segment_memberships ->> '{axis}'::text)"
        for axis in AXES
    }
    for column in ("segment_memberships", "dominant_segments"):
        contains = f'{column} @> \'{{"purchase_value": "whale"}}\''
        wanted[contains] = f"USING gin ({column} jsonb_path_ops)"
    for condition, expected in wanted.items():
        nodes = _plan(large, f"SELECT * FROM customer_profiles WHERE {condition}")
        (definition,) = _indexes(large, nodes)
        assert expected in definition


def test_segment_sizes_are_read_by_an_index_after_many_runs(
    database: Connection,
) -> None:
    database.execute(
        """
        INSERT INTO segmentation_runs (store_id, status, finished_at)
        SELECT 's' || n % 3, 'published', now() + n * interval '1 hour'
        FROM generate_series(1, 900) AS n;
        INSERT INTO segment_counts
            (store_id, run_id, axis, segment, n_customers, lifetime_value)
        SELECT store_id, run_id, 'axis' || a, 'segment' || s, 10 * s, 5.0
        FROM segmentation_runs, generate_series(1, 13) AS a, generate_series(1, 4) AS s;
        ANALYZE segmentation_runs, segment_counts;
        """
    )
    query = read_query("segment_sizes").sql
    assert len(database.execute(query.encode()).fetchall()) == 3 * 13 * 4
    nodes = _plan(database, query)
    scans = [node for node in nodes if node.get("Relation Name") == "segment_counts"]
    assert scans
    assert [node["Node Type"] for node in scans] != ["Seq Scan"], scans
