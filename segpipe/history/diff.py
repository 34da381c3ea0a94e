"""Compares two runs of a store: takes their numbers, gives what changed.

All of it is read from the ledger and the counts, so it also works for runs whose profiles are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from segpipe.core.errors import InputError
from segpipe.core.schema import CAUSES
from segpipe.history.kept import store_of_run
from segpipe.history.record import AxisDiff, Change, RunDiff, RunSide, SegmentDiff
from segpipe.postgres import Connection, fetch_dicts, fetch_one, plain_errors
from segpipe.runs.past_runs import axes_of_run, in_order

Row = Mapping[str, Any]
_NOBODY: Row = {"n_customers": 0, "share": 0.0, "lifetime_value": 0.0}


def diff_runs(
    connection: Connection, before: str, after: str, store_id: str | None = None
) -> RunDiff:
    """What changed from one run to the other, each given by its number or as `latest`.

    Raises InputError if there is no such run, and for runs of different stores.
    """
    with plain_errors(), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        store, first = store_of_run(connection, before, store_id)
        other, second = store_of_run(connection, after, store_id)
        if store != other:
            raise InputError(
                f"Run {first} is of store {store!r}, run {second} of store {other!r};"
                " name two runs of one store."
            )
        sides = [_side(connection, run_id) for run_id in (first, second)]
        steps = _steps(connection, first, second)
        axes = _axes(connection, first, second, steps)
    one, two = sides
    return RunDiff(
        store_id=store,
        before=_record(one),
        after=_record(two),
        parameters=_changes(one["parameters"], two["parameters"]),
        versions=_changes(*(_versions(side) for side in sides)),
        axes=axes,
        steps=steps,
    )


def _side(connection: Connection, run_id: int) -> Row:
    """Ledger row, with the newest order and the customers of runs that did not record them."""
    (row,) = fetch_dicts(
        connection,
        """
        SELECT run_id, status, as_of, finished_at, input_hash, rows_read, rows_rejected,
            parameters, versions, (model->>'format')::int AS model_format,
            coalesce(last_order_on, (report->'source'->>'last_ordered_at')::date) AS last_order_on,
            coalesce(runs.n_customers, sizes.n_customers) AS n_customers, sizes.lifetime_value
        FROM segmentation_runs AS runs LEFT JOIN (
            SELECT sum(n_customers)::bigint AS n_customers, sum(lifetime_value) AS lifetime_value
            FROM segment_counts WHERE run_id = %(run)s GROUP BY axis ORDER BY axis LIMIT 1
        ) AS sizes ON true
        WHERE run_id = %(run)s
        """,
        {"run": run_id},
    )
    return row


def _record(row: Row) -> RunSide:
    return RunSide(**{name: row[name] for name in RunSide.__dataclass_fields__})


def _steps(connection: Connection, first: int, second: int) -> tuple[int, ...] | None:
    """Runs on the way from the one to the other, without where it begins."""
    rows = connection.execute(
        "SELECT run_id, previous_run_id FROM segmentation_runs WHERE previous_run_id IS NOT NULL"
    ).fetchall()
    previous: dict[int, int] = dict(rows)
    for start, end in ((first, second), (second, first)):
        steps, run_id = [], end
        while run_id != start and run_id in previous:
            steps.append(run_id)
            run_id = previous[run_id]
        if run_id == start:
            return tuple(reversed(steps))
    return None


def _versions(row: Row) -> Row:
    """Those of the packages, and the format of the model, by which an upgrade is seen as well."""
    return {**row["versions"], "model_format": row["model_format"]}


def _changes(before: Row, after: Row) -> tuple[Change, ...]:
    old, new = dict(_flat(before)), dict(_flat(after))
    return tuple(
        Change(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    )


def _flat(values: Row, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their full name, as in source.timezone."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value not in ([], None):  # a list that is empty is the same as none
            yield f"{prefix}{name}", value


def _axes(
    connection: Connection, first: int, second: int, steps: Sequence[int] | None
) -> tuple[AxisDiff, ...]:
    models = [_models(connection, run_id) for run_id in (first, second)]
    segments = [_segments(connection, run_id) for run_id in (first, second)]
    moves = None if steps is None else _moves(connection, steps)
    ordered = [*axes_of_run(connection, second), *axes_of_run(connection, first)]
    names = in_order({*segments[0], *segments[1]}, ordered)
    decisions = _decisions(connection, second)
    return tuple(
        _axis(
            name,
            [model.get(name, {}) for model in models],
            [found.get(name, []) for found in segments],
            moves,
            decisions.get(name),
        )
        for name in names
    )


def _axis(
    name: str,
    models: Sequence[Row],
    segments: Sequence[Sequence[Row]],
    moves: Mapping[tuple[str, str], int] | None,
    decision: str | None,
) -> AxisDiff:
    n_clusters = [sum(row["kind"] == "segment" for row in rows) for rows in segments]
    return AxisDiff(
        axis=name,
        verdict_before=models[0].get("verdict"),
        verdict_after=models[1].get("verdict"),
        n_clusters_before=n_clusters[0],
        n_clusters_after=n_clusters[1],
        silhouette_before=models[0].get("silhouette"),
        silhouette_after=models[1].get("silhouette"),
        moves=None if moves is None else {cause: moves.get((name, cause), 0) for cause in CAUSES},
        segments=_matched(*segments),
        decision=decision,
    )


def _decisions(connection: Connection, run_id: int) -> dict[str, str]:
    """Axis → what the run did with its segments, and why."""
    query = "SELECT axis_decisions FROM segmentation_runs WHERE run_id = %s"
    found: dict[str, Row] = fetch_one(connection, query, [run_id])[0]
    return {
        axis: ": ".join(part for part in (one["decision"], one["cause"]) if part)
        for axis, one in found.items()
    }


def _matched(before: Sequence[Row], after: Sequence[Row]) -> tuple[SegmentDiff, ...]:
    """Every segment of both runs once: those of the later one first, states last."""
    old = {_identity(row): row for row in before}
    new = {_identity(row): row for row in after}
    keys = [*new, *(key for key in old if key not in new)]
    found = [_segment(old.get(key), new.get(key)) for key in keys]
    found = [s for s in found if s.kind == "segment" or s.n_customers_before or s.n_customers_after]
    return tuple(sorted(found, key=lambda s: s.kind))


def _identity(row: Row) -> tuple[str, int | str]:
    """A segment is the same by its permanent id, a state by its name."""
    by_id = row["kind"] == "segment" and row["segment_id"] is not None
    return row["kind"], row["segment_id"] if by_id else row["segment"]


def _segment(before: Row | None, after: Row | None) -> SegmentDiff:
    known = after or before or {}
    old, new = before or _NOBODY, after or _NOBODY
    return SegmentDiff(
        segment_id=known["segment_id"],
        kind=known["kind"],
        name_before=before["segment"] if before else None,
        name_after=after["segment"] if after else None,
        n_customers_before=old["n_customers"],
        n_customers_after=new["n_customers"],
        share_before=old["share"],
        share_after=new["share"],
        lifetime_value_before=old["lifetime_value"],
        lifetime_value_after=new["lifetime_value"],
    )


def _models(connection: Connection, run_id: int) -> dict[str, Row]:
    """Axis → verdict and silhouette; empty for a run without a model."""
    rows = fetch_dicts(
        connection,
        "SELECT axis->>'name' AS name, axis->>'verdict' AS verdict,"
        " (axis->>'silhouette')::double precision AS silhouette"
        " FROM segmentation_runs, json_array_elements(model->'axes') AS axis WHERE run_id = %s",
        [run_id],
    )
    return {row["name"]: row for row in rows}


def _segments(connection: Connection, run_id: int) -> dict[str, list[Row]]:
    """Axis → its segments and states, the largest first."""
    rows = fetch_dicts(
        connection,
        """
        SELECT axis, segment, segment_id, coalesce(kind, 'segment') AS kind,
            coalesce(counts.n_customers, 0) AS n_customers,
            coalesce(counts.lifetime_value, 0) AS lifetime_value,
            coalesce(counts.n_customers / nullif(sum(counts.n_customers)
                OVER (PARTITION BY axis), 0), 0)::double precision AS share
        FROM (SELECT * FROM segment_counts WHERE run_id = %(run)s) AS counts
        FULL JOIN (SELECT * FROM segment_definitions WHERE run_id = %(run)s) AS defined
            USING (axis, segment)
        ORDER BY axis, n_customers DESC, segment
        """,
        {"run": run_id},
    )
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["axis"], []).append(row)
    return found


def _moves(connection: Connection, run_ids: Sequence[int]) -> dict[tuple[str, str], int]:
    rows = connection.execute(
        "SELECT axis, cause, sum(n_customers)::bigint FROM segment_transitions"
        " WHERE run_id = ANY(%s) GROUP BY axis, cause",
        [list(run_ids)],
    ).fetchall()
    return {(axis, cause): int(n) for axis, cause, n in rows}
