"""Reads what is exported, in one transaction: a run, its segments and its profiles in batches.

Every number is finite or None, every time is UTC, so that the same database gives the same files.
The connection's time zone is UTC.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, BinaryIO

from segpipe.axes import axes_for
from segpipe.axes.guidance import guidance_for
from segpipe.core.errors import InputError
from segpipe.core.schema import INPUTS, METRICS
from segpipe.postgres import Connection, column_list, fetch_dicts, sql
from segpipe.runs.current_run import latest_published
from segpipe.runs.past_runs import find_run as find_run_id
from segpipe.runs.past_runs import unknown_run

_BATCH_ROWS = 2_000  # in memory at a time, some 20 MB
_JSON_COLUMNS = (
    "segment_memberships",
    "membership_strengths",
    "previous_segments",
    "segment_since",
)


@dataclass(frozen=True)
class ExportedAxis:
    """An axis of the run, as its model has it."""

    name: str
    group: str | None
    question: str | None  # None: an axis of a user's own
    verdict: str | None
    reason: str | None
    silhouette: float | None


@dataclass(frozen=True)
class ExportedRun:
    """The run that is exported, and the table of its profiles."""

    run_id: int
    store_id: str
    as_of: date | None
    published_at: str
    previous_run_id: int | None
    version: str | None  # of segpipe
    axes: tuple[ExportedAxis, ...]
    profiles: sql.Composable  # their table

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes, in their order."""
        return tuple(axis.name for axis in self.axes)


def find_run(connection: Connection, store_id: str | None, run: str) -> ExportedRun:
    """The run of that number, or the newest one of the store.

    Raises InputError if there is none, if the store must be named, and for a run whose profiles are
    no longer kept.
    """
    run_id = find_run_id(connection, run, store_id)
    rows = fetch_dicts(
        connection,
        """
        SELECT store_id, status, as_of, finished_at, previous_run_id, profiles_table,
            versions->>'segpipe' AS version, model->'axes' AS axes
        FROM segmentation_runs WHERE run_id = %s AND coalesce(store_id = %s, true)
        """,
        [run_id, store_id],
    )
    if not rows:
        raise unknown_run(run_id, store_id)
    row = rows[0]
    if row["status"] != "published":
        raise InputError(
            f"Run {run_id} is {row['status']}, and only a published one can be exported;"
            " `segpipe runs` lists them."
        )
    return ExportedRun(
        run_id=run_id,
        store_id=row["store_id"],
        as_of=row["as_of"],
        published_at=_zulu(row["finished_at"].isoformat()),
        previous_run_id=row["previous_run_id"],
        version=row["version"],
        axes=_axes(connection, run_id, row["axes"] or []),
        profiles=_profiles_of(connection, row["store_id"], run_id, row["profiles_table"]),
    )


def read_segments(connection: Connection, run: ExportedRun) -> list[dict[str, Any]]:
    """The run's segments and states, in the order of the axes, segments first."""
    rows = fetch_dicts(
        connection,
        """
        SELECT axis, segment_id, segment, kind, description, n_customers, share, lifetime_value,
            value_share, silhouette, holds_for, centroid, guidance
        FROM segment_definitions WHERE store_id = %s AND run_id = %s
        """,
        [run.store_id, run.run_id],
    )
    for row in rows:
        row["guidance"] = row["guidance"] or guidance_for(row["axis"], row["segment"])
    place = {name: number for number, name in enumerate(run.axis_names)}
    rows.sort(key=lambda row: (place[row["axis"]], row["kind"], abs(row["segment_id"])))
    return [finite(row) for row in rows]


def read_totals(connection: Connection, run: ExportedRun) -> tuple[int, float]:
    """Customers of the run, and their lifetime value."""
    row = connection.execute(
        "SELECT sum(n_customers)::bigint, sum(lifetime_value) FROM segment_counts"
        " WHERE store_id = %s AND run_id = %s GROUP BY axis ORDER BY axis LIMIT 1",
        [run.store_id, run.run_id],
    ).fetchone()
    return (int(row[0]), round(float(row[1]), 2)) if row else (0, 0.0)


def spool_profiles(connection: Connection, run: ExportedRun, spool: BinaryIO) -> None:
    """Write the profiles by customer as the server sends them, a JSON object a line.

    To a file of their own first, since nothing can be published while the table is read.
    """
    columns = (
        "customer_id",
        "run_id",
        "absent_since_run_id",
        "first_seen_on",
        *METRICS,
        *_JSON_COLUMNS,
        "last_updated",
        "created_at",
    )
    statement = sql.SQL(
        "COPY (SELECT row_to_json(profile) FROM ("
        "SELECT {} FROM {} WHERE store_id = %s ORDER BY store_id, customer_id"
        ") AS profile) TO STDOUT"
    ).format(column_list(columns), run.profiles)
    with connection.cursor() as cursor, cursor.copy(statement, [run.store_id]) as copy:
        spool.writelines(copy)


def spooled_profiles(spool: BinaryIO, run: ExportedRun) -> Iterator[list[dict[str, Any]]]:
    """Batches of the profiles that were spooled."""
    spool.seek(0)
    while lines := list(islice(spool, _BATCH_ROWS)):
        # COPY doubles backslashes; JSON has already escaped what else COPY would escape.
        rows = (json.loads(line.replace(rb"\\", b"\\")) for line in lines)
        yield [_profile(row, run.axis_names) for row in rows]


def finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value with None in place of every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list) else value


def _profile(row: Mapping[str, Any], axes: Sequence[str]) -> dict[str, Any]:
    memberships, strengths, previous, moved = (_ordered(row[name], axes) for name in _JSON_COLUMNS)
    since = {axis: moved.get(axis, row["first_seen_on"]) for axis in memberships}
    return {
        "customer_id": row["customer_id"],
        "run_id": row["run_id"],
        "is_current": row["absent_since_run_id"] is None,
        **{name: _metric(row[name], kind) for name, kind in METRICS.items()},
        "segment_memberships": memberships,
        "membership_strengths": {axis: float(value) for axis, value in strengths.items()},
        "previous_segments": previous,
        "segment_since": since,
        "last_updated": _zulu(row["last_updated"]),
        "created_at": _zulu(row["created_at"]),
    }


def _ordered(values: Mapping[str, Any], axes: Sequence[str]) -> dict[str, Any]:
    """In the order of the axes; then axes that only an earlier run had, by name."""
    others = sorted(values.keys() - set(axes)) if len(values) > len(axes) else ()
    return {axis: values[axis] for axis in (*axes, *others) if axis in values}


def _axes(
    connection: Connection, run_id: int, models: Sequence[Mapping[str, Any]]
) -> tuple[ExportedAxis, ...]:
    """The axes of the model; of a run without one, those that were counted, by name."""
    questions = {axis.name: axis.question for axis in axes_for(frozenset(INPUTS))}
    named = {model["name"]: model for model in models}
    counted = connection.execute(
        "SELECT axis FROM segment_counts WHERE run_id = %(run)s"
        " UNION SELECT axis FROM segment_definitions WHERE run_id = %(run)s ORDER BY axis",
        {"run": run_id},
    )
    for (name,) in counted:
        named.setdefault(name, {})
    return tuple(
        ExportedAxis(
            name=name,
            group=model.get("group"),
            question=questions.get(name),
            verdict=model.get("verdict"),
            reason=model.get("reason"),
            silhouette=finite(model.get("silhouette")),
        )
        for name, model in named.items()
    )


def _profiles_of(
    connection: Connection, store_id: str, run_id: int, table: str | None
) -> sql.Composable:
    """The table of the run's profiles: customer_profiles for the current run."""
    newest = latest_published(connection, store_id)
    if run_id == newest:
        return sql.Identifier("customer_profiles")
    row = connection.execute(
        """
        SELECT n.nspname FROM pg_class AS parent
        JOIN pg_namespace AS n ON n.oid = parent.relnamespace
        JOIN pg_class AS kept ON kept.relnamespace = n.oid AND kept.relname = %(table)s
        WHERE parent.oid = 'customer_profiles'::regclass
            AND NOT EXISTS (  -- a later run that changed rows in place has the same table
                SELECT FROM segmentation_runs
                WHERE run_id > %(run)s AND status = 'published' AND profiles_table = %(table)s
            )
        """,
        {"table": table, "run": run_id},
    ).fetchone()
    if row is None or table is None:
        raise InputError(
            f"The profiles of run {run_id} are no longer there as they were;"
            f" export the current run, {newest}, by leaving --run out."
        )
    return sql.Identifier(row[0], table)


def _metric(value: float | str | None, kind: str) -> float | str | None:
    """The server writes a number that is not finite as text, and a whole one without a point."""
    if kind == "VARCHAR":
        return value
    if value is None or isinstance(value, str):
        return None
    return float(value) if kind == "DOUBLE" else value


def _zulu(moment: str) -> str:
    return moment.replace("+00:00", "Z")
