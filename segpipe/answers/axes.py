"""Every axis of the current run: its question, its features, and its segments with sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from segpipe.axes import MEASURES, Axis, axes_for
from segpipe.axes.catalogue import read_axis, shipped_axes
from segpipe.core.schema import INPUTS
from segpipe.model.rules import rule_list_of
from segpipe.postgres import Connection, fetch_dicts, fetch_one
from segpipe.runs.current_run import CurrentRun, current_run, snapshot

_OF_AXIS = ("name", "group", "verdict", "reason", "silhouette", "scales", "rules")
_AXES = """
    SELECT {}, axis_decisions->(value->>'name') AS decision
    FROM segmentation_runs, json_array_elements(model->'axes') WITH ORDINALITY AS a
    WHERE run_id = %s ORDER BY ordinality
""".format(", ".join(f"value->'{name}' AS {name}" for name in _OF_AXIS))


def read_axes(connection: Connection, store_id: str) -> dict[str, Any] | None:
    """The axes in the model's order: features, segments, verdict, and what the run decided.

    None without a run.
    The description of a user's own axis is None, since a run keeps only its name.
    """
    with snapshot(connection):
        run = current_run(connection, store_id)
        if run is None:
            return None
        axes = fetch_dicts(connection, _AXES, [run.run_id])
        measures = _measures(connection, run.run_id)
        segments = _segments(connection, store_id, run)
    return {
        "axes": [_axis(axis, segments.get(axis["name"], []), measures) for axis in axes],
        "run": run.document(),
    }


def _segments(
    connection: Connection, store_id: str, run: CurrentRun
) -> dict[str, list[dict[str, Any]]]:
    """Axis → its segments by id, then its states."""
    rows = fetch_dicts(
        connection,
        """
        SELECT axis, segment, segment_id, kind, description, n_customers, share, value_share,
            silhouette, holds_for
        FROM segment_definitions WHERE store_id = %s AND run_id = %s
        ORDER BY kind, abs(segment_id)
        """,
        [store_id, run.run_id],
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row.pop("axis"), []).append(row)
    return found


def _measures(connection: Connection, run_id: int) -> dict[str, Any]:
    """Name → what the run's model says of its measures; nothing in a model of format 2."""
    query = "SELECT model->'measures' FROM segmentation_runs WHERE run_id = %s"
    return fetch_one(connection, query, [run_id])[0] or {}


def _axis(
    axis: Mapping[str, Any], segments: list[dict[str, Any]], measures: Mapping[str, Any]
) -> dict[str, Any]:
    known = _known_axes().get(axis["name"])
    return {
        "name": axis["name"],
        "description": known.question if known else None,
        "group": axis["group"],
        "features": [_feature(*judged, measures) for judged in _judged(axis)],
        "segments": segments,
        "verdict": axis["verdict"],
        "reason": axis["reason"],
        "silhouette": axis["silhouette"],
        "decision": axis["decision"],
    }


def _judged(axis: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Measures by which customers are divided, each with the scale on which it is looked at.

    Rules take figures as they are; tiers are cut on the scale that the axis gives its main measure,
    which is None of a user's own axis.
    """
    if axis["rules"]:
        rules = rule_list_of(axis["rules"])
        cut = rules.ladder.measure if rules.ladder else None
        return [
            (name, _scale_of_cuts(axis["name"], name) if name == cut else "identity")
            for name in rules.measures()
        ]
    return [(scale["measure"], scale["transform"]) for scale in axis["scales"]]


def _scale_of_cuts(axis: str, measure: str) -> str | None:
    known = _known_axes().get(axis)
    found = (main.transform for main in known.main if main.measure == measure) if known else ()
    return next(iter(found), None)


def _feature(name: str, transform: str | None, measures: Mapping[str, Any]) -> dict[str, Any]:
    known = MEASURES.get(name)  # None: of a newer segpipe
    measure = measures.get(name) or (asdict(known) if known else {"label": name, "unit": None})
    return {
        "measure": name,
        "label": measure["label"],
        "unit": measure["unit"],
        "transform": transform,
    }


@cache
def _known_axes() -> dict[str, Axis]:
    """Every axis that segpipe has, by name."""
    shipped = [read_axis(path) for path in shipped_axes().values()]
    return {axis.name: axis for axis in (*axes_for(frozenset(INPUTS)), *shipped)}
