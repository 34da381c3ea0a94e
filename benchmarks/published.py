"""What a run published, read as its users read it: the report's JSON and the SQL tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from measured import Ended, Server, run_process

from segpipe import postgres
from segpipe.postgres import fetch_one, sql

REFUSED = 3  # exit status
GROUPS = ("groups", "clustered", "weak")  # verdicts that say so, of both editions
Memberships = Mapping[str, Mapping[str, str]]  # axis → customer → segment or state


@dataclass(frozen=True)
class Outcome:
    """A run that was published; `reasons` are why it was refused before it was forced."""

    report: Mapping[str, Any]
    reasons: tuple[str, ...] = ()

    @property
    def run_id(self) -> int:
        """The run's number in the ledger."""
        return int(self.report["load"]["run_id"])

    @property
    def axes(self) -> list[Mapping[str, Any]]:
        """The report of each axis."""
        return list(self.report["axes"])

    @property
    def n_customers(self) -> int:
        """Customers of the file."""
        return int(self.report["features"]["n_customers"])


def publish(
    server: Server, url: str, lines: Path, as_of: date, *options: object, store: str = "default"
) -> Outcome:
    """Run and publish; a run that the gates refuse is forced, and keeps their reasons."""
    ended = _run(server, url, lines, as_of, "--store-id", store, *options)
    if ended.status != REFUSED:
        return Outcome(json.loads(ended.out))
    found = (line.strip() for line in ended.err.splitlines())
    reasons = tuple(line.removeprefix("- ") for line in found if line.startswith("- "))
    forced = _run(server, url, lines, as_of, "--store-id", store, *options, "--force")
    return Outcome(json.loads(forced.out), reasons)


def try_publish(
    server: Server, url: str, lines: Path, as_of: date, *options: object
) -> Outcome | None:
    """Run and publish; None: the gates refuse it."""
    ended = _run(server, url, lines, as_of, *options)
    return None if ended.status == REFUSED else Outcome(json.loads(ended.out))


def _run(server: Server, url: str, lines: Path, as_of: date, *options: object) -> Ended:
    command = [sys.executable, "-m", "segpipe", "run", "--csv-path", lines, "--as-of", as_of]
    command += ["--database-url", url, "--json", "--quiet", *options]
    ended = run_process(server, *command)
    if ended.status not in {0, REFUSED}:
        shown = " ".join(map(str, command))
        raise SystemExit(f"{shown}\nended with {ended.status}:\n{ended.err}")
    print(f"{lines.stem}, {as_of}: {ended.cost.wall_seconds:.1f} s", file=sys.stderr, flush=True)
    return ended


def read_memberships(url: str, store: str = "default") -> Memberships:
    """The segment or state of every customer on every axis."""
    query = """
        SELECT axis, jsonb_object_agg(customer_id, segment) FROM current_profiles,
            jsonb_each_text(segment_memberships) AS of_axis (axis, segment)
        WHERE store_id = %s GROUP BY axis ORDER BY axis
    """
    with postgres.connect(url) as connection:
        return dict(connection.execute(query, (store,)).fetchall())


def read_profiles(url: str, store: str = "default") -> dict[str, dict[str, float | None]]:
    """Customer → the figures of their profile."""
    names = (
        "lifetime_value", "total_orders", "days_since_last_purchase", "churn_risk_score",
        "expected_value_90d",
    )  # fmt: skip
    query = sql.SQL("SELECT customer_id, {} FROM current_profiles WHERE store_id = %s").format(
        sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with postgres.connect(url) as connection:
        rows = connection.execute(query, (store,)).fetchall()
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}


def read_model(url: str, run_id: int) -> Mapping[str, Any]:
    """The model of a run."""
    with postgres.connect(url) as connection:
        query = "SELECT model FROM segmentation_runs WHERE run_id = %s"
        model: Mapping[str, Any] = fetch_one(connection, query, (run_id,))[0]
        return model


def decision(axis: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was decided on an axis: new, kept, replaced, held back; nothing before it is known."""
    return axis.get("decision") or {}
