"""What stands in a database after a run was killed: what is in force, left over, and wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from readers import IN_LEDGER, IN_PROFILES

from segpipe import postgres
from segpipe.postgres import fetch_one

_IN_FORCE = """
    SELECT max(run_id) FROM (
        SELECT run_id FROM segmentation_runs WHERE store_id = 'default' AND status = 'published'
        ORDER BY finished_at DESC LIMIT 1
    ) AS newest
"""
_LEFT_OVER = """
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
    is_whole: bool  # profiles and ledger say the same
    left_over: tuple[str, ...]  # tables that the ledger does not know


def read_state(url: str) -> State:
    """What is in force, as readers find it and as the ledger has it."""
    with postgres.connect(url) as connection:
        run_id = int(fetch_one(connection, _IN_FORCE)[0])
        sums = fetch_one(connection, IN_PROFILES)
        ledger = fetch_one(connection, IN_LEDGER, [run_id])
        left_over = fetch_one(connection, _LEFT_OVER)[0]
    is_whole = sums == ledger and sums[1] == sums[2]
    return State(run_id, tuple(map(str, sums)), is_whole, tuple(left_over))


def stage_at_work(url: str) -> str:
    """Stage of the run at work by the ledger, empty before it has one."""
    with postgres.connect(url) as connection:
        row = connection.execute(
            "SELECT stage FROM segmentation_runs WHERE status = 'running' ORDER BY run_id DESC"
        ).fetchone()
    return str(row[0] or "") if row else ""


def last_run(url: str) -> int:
    """Number of the newest run, however it stands."""
    with postgres.connect(url) as connection:
        return int(fetch_one(connection, "SELECT max(run_id) FROM segmentation_runs")[0])


def told_of(url: str, run_id: int) -> str:
    """How a run stands in the ledger, and its stage."""
    with postgres.connect(url) as connection:
        _, status, stage, failed = fetch_one(connection, _NEWEST, [run_id])
    return f"{status} at {failed}" if status == "failed" else f"{status}, {stage}"


def problems_at_once(before: State, after: State, *, is_published: bool) -> list[str]:
    """What is wrong right after a kill."""
    found = []
    if not after.is_whole:
        found.append("the run in force is not whole")
    if not is_published and after.sums != before.sums:
        found.append("the previous run has changed")
    if after.left_over:
        found.append(f"tables unknown to the ledger: {', '.join(after.left_over)}")
    return found


def problems_later(url: str, found: State, run_id: int, victim: int) -> list[str]:
    """What is wrong once the next run has been published."""
    problems = []
    if found.run_id != run_id or not found.is_whole:
        problems.append("the next run is not in force and whole")
    if found.left_over:
        problems.append(f"tables left: {', '.join(found.left_over)}")
    told = told_of(url, victim)
    if told.startswith("running"):
        problems.append("the killed run still stands as running")
    if told.startswith("failed") and told.endswith("None"):
        problems.append("the ledger does not know the stage")
    return problems
