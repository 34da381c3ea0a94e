"""The state of a database after a run was killed: the current run, leftovers, and problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from readers import IN_LEDGER, IN_PROFILES

from segpipe import postgres
from segpipe.postgres import fetch_one

_CURRENT_RUN = """
    SELECT max(run_id) FROM (
        SELECT run_id FROM segmentation_runs WHERE store_id = 'default' AND status = 'published'
        ORDER BY finished_at DESC LIMIT 1
    ) AS newest
"""
_LEFTOVER_TABLES = """
    SELECT coalesce(array_agg(relname::text ORDER BY relname), '{}') FROM pg_class
    WHERE relkind = 'r' AND relname ~ '^customer_(profiles|measures)_' AND relname NOT IN (
        SELECT name FROM segmentation_runs, unnest(
            ARRAY[profiles_table, measures_table, undo_table, measures_undo_table]
        ) AS name WHERE name IS NOT NULL
    )
"""
_NEWEST = "SELECT run_id, status, stage, failed_stage FROM segmentation_runs WHERE run_id = %s"


@dataclass(frozen=True)
class State:
    """What readers find."""

    run_id: int
    sums: tuple[Any, ...]  # of every axis and segment, and the customers of an axis
    is_whole: bool  # profiles and ledger agree
    leftover_tables: tuple[str, ...]  # the ledger does not know them


def read_state(url: str) -> State:
    """The current run, as readers see it and as the ledger has it."""
    with postgres.connect(url) as connection:
        run_id = int(fetch_one(connection, _CURRENT_RUN)[0])
        sums = fetch_one(connection, IN_PROFILES)
        ledger = fetch_one(connection, IN_LEDGER, [run_id])
        leftover_tables = fetch_one(connection, _LEFTOVER_TABLES)[0]
    is_whole = sums == ledger and sums[1] == sums[2]
    return State(run_id, tuple(map(str, sums)), is_whole, tuple(leftover_tables))


def running_stage(url: str) -> str:
    """Stage of the running run by the ledger, empty before it has one."""
    with postgres.connect(url) as connection:
        row = connection.execute(
            "SELECT stage FROM segmentation_runs WHERE status = 'running' ORDER BY run_id DESC"
        ).fetchone()
    return str(row[0] or "") if row else ""


def last_run(url: str) -> int:
    """Number of the newest run, whatever its status."""
    with postgres.connect(url) as connection:
        return int(fetch_one(connection, "SELECT max(run_id) FROM segmentation_runs")[0])


def describe_run(url: str, run_id: int) -> str:
    """Status of a run in the ledger, and its stage."""
    with postgres.connect(url) as connection:
        _, status, stage, failed = fetch_one(connection, _NEWEST, [run_id])
    return f"{status} at {failed}" if status == "failed" else f"{status}, {stage}"


def problems_at_once(before: State, after: State, *, is_published: bool) -> list[str]:
    """What is wrong right after a kill."""
    problems = []
    if not after.is_whole:
        problems.append("the current run is not whole")
    if not is_published and after.sums != before.sums:
        problems.append("the previous run has changed")
    if after.leftover_tables:
        problems.append(f"tables unknown to the ledger: {', '.join(after.leftover_tables)}")
    return problems


def problems_later(url: str, found: State, run_id: int, victim: int) -> list[str]:
    """What is wrong once the next run has been published."""
    problems = []
    if found.run_id != run_id or not found.is_whole:
        problems.append("the next run is not current, or not whole")
    if found.leftover_tables:
        problems.append(f"tables left over: {', '.join(found.leftover_tables)}")
    status = describe_run(url, victim)
    if status.startswith("running"):
        problems.append("the killed run is still marked as running")
    if status.startswith("failed") and status.endswith("None"):
        problems.append("the ledger does not know the stage")
    return problems
