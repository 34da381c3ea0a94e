"""The formats: takes profiles, segments and the agent's document, gives the text of their files.

A format is a record of functions; profiles pass through in batches and are never all in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segpipe.export import text
from segpipe.schema import METRICS, strength_column

Record = Mapping[str, Any]
Axes = Sequence[str]


@dataclass(frozen=True)
class Format:
    """How one format writes its three files; `profiles` and so on are their endings."""

    profiles: str  # a record a line is no JSON document, and is not named like one
    segments: str
    agent: str  # a document even beside tables
    head: Callable[[Axes], str]
    batch: Callable[[Sequence[Record], Axes], str]
    nobody: str  # what the file of profiles holds besides the head where there are none
    segments_text: Callable[[Record], str]
    agent_text: Callable[[Record], str]


def _no_head(_: Axes) -> str:
    return ""


def _json_batch(profiles: Sequence[Record], _: Axes) -> str:
    return text.json_lines(profiles)


def _yaml_batch(profiles: Sequence[Record], _: Axes) -> str:
    return text.yaml_items(profiles)


def _csv_head(axes: Axes) -> str:
    return text.csv_text([profile_head(axes)])


def _csv_batch(profiles: Sequence[Record], axes: Axes) -> str:
    return text.csv_text(profile_row(profile, axes) for profile in profiles)


def _csv_segments(document: Record) -> str:
    return text.csv_text(segment_rows(document["segments"]))


def profile_head(axes: Sequence[str]) -> list[str]:
    """Columns of profiles.csv."""
    return [
        "customer_id",
        "run_id",
        "is_current",
        *METRICS,
        *axes,
        *(strength_column(axis) for axis in axes),
        *(f"{axis}_previous" for axis in axes),
        *(f"{axis}_since" for axis in axes),
        "last_updated",
        "created_at",
    ]


def profile_row(profile: Mapping[str, Any], axes: Sequence[str]) -> list[Any]:
    """A profile under those columns; empty where it has nothing on an axis."""
    by_axis = (
        profile[name].get(axis)
        for name in (
            "segment_memberships",
            "membership_strengths",
            "previous_segments",
            "segment_since",
        )
        for axis in axes
    )
    return [
        profile["customer_id"],
        profile["run_id"],
        profile["is_current"],
        *(profile[name] for name in METRICS),
        *by_axis,
        profile["last_updated"],
        profile["created_at"],
    ]


def segment_rows(segments: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """Head and rows of segments.csv; the centroid is JSON."""
    plain = (
        "axis",
        "segment_id",
        "segment",
        "kind",
        "description",
        "n_customers",
        "share",
        "lifetime_value",
        "value_share",
        "silhouette",
    )
    lines = [("marketing", "do"), ("marketing", "dont"), ("support", "do"), ("support", "dont")]
    head = [*plain, "centroid", "strategy", *("_".join(line) for line in lines)]
    rows = [
        [
            *(segment[name] for name in plain),
            json.dumps(segment["centroid"]) if segment["centroid"] is not None else None,
            segment["guidance"]["strategy"],
            *(segment["guidance"][to][kind] for to, kind in lines),
        ]
        for segment in segments
    ]
    return [head, *rows]


FORMATS = {
    "json": Format(
        profiles="jsonl",
        segments="json",
        agent="json",
        head=_no_head,
        batch=_json_batch,
        nobody="",
        segments_text=text.json_text,
        agent_text=text.json_text,
    ),
    "yaml": Format(
        profiles="yaml",
        segments="yaml",
        agent="yaml",
        head=_no_head,
        batch=_yaml_batch,
        nobody="[]\n",
        segments_text=text.yaml_text,
        agent_text=text.yaml_text,
    ),
    "csv": Format(
        profiles="csv",
        segments="csv",
        agent="json",
        head=_csv_head,
        batch=_csv_batch,
        nobody="",
        segments_text=_csv_segments,
        agent_text=text.json_text,
    ),
}
