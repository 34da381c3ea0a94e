"""The formats: takes profiles, segments and the agent's document, gives the text of their files.

A format is a record of functions; profiles are written in batches and are never all in memory. It
can split its file of profiles into records again, so that one can be removed.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segpipe.core.schema import METRICS, strength_column
from segpipe.export import text

Record = Mapping[str, Any]
Axes = Sequence[str]


@dataclass(frozen=True)
class Format:
    """How one format writes its three files; the first three fields are their endings."""

    profiles: str  # jsonl for a JSON object a line, which is no JSON document
    segments: str
    agent: str  # a document, even for CSV
    head: Callable[[Axes], str]
    batch: Callable[[Sequence[Record], Axes], str]
    empty: str  # what follows the head if there are no profiles
    segments_text: Callable[[Record], str]
    agent_text: Callable[[Record], str]
    items: Callable[[Iterable[str]], Iterator[str]]  # lines of the profiles → text of each record
    begins: Callable[[str], str]  # customer_id → start of the record, up to the run_id
    n_heads: int  # items before the first record


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


def _lines(lines: Iterable[str]) -> Iterator[str]:
    return iter(lines)


def _yaml_items(lines: Iterable[str]) -> Iterator[str]:
    item: list[str] = []
    for line in lines:
        if line.startswith("- ") and item:
            yield "".join(item)
            item.clear()
        item.append(line)
    if item:
        yield "".join(item)


def _csv_items(lines: Iterable[str]) -> Iterator[str]:
    """A quoted text may span several lines."""
    seen: list[str] = []

    def watched() -> Iterator[str]:
        for line in lines:
            seen.append(line)
            yield line

    for _ in csv.reader(watched()):
        yield "".join(seen)
        seen.clear()


def _json_begins(customer_id: str) -> str:
    return text.json_lines([{"customer_id": customer_id}])[:-2] + ', "run_id": '


def _yaml_begins(customer_id: str) -> str:
    return text.yaml_items([{"customer_id": customer_id}]) + "  run_id: "


def _csv_begins(customer_id: str) -> str:
    return text.csv_text([[customer_id, None]]).removesuffix("\r\n")


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
    """A profile in those columns; empty where it has no value for an axis."""
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
        "holds_for",
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
        empty="",
        segments_text=text.json_text,
        agent_text=text.json_text,
        items=_lines,
        begins=_json_begins,
        n_heads=0,
    ),
    "yaml": Format(
        profiles="yaml",
        segments="yaml",
        agent="yaml",
        head=_no_head,
        batch=_yaml_batch,
        empty="[]\n",
        segments_text=text.yaml_text,
        agent_text=text.yaml_text,
        items=_yaml_items,
        begins=_yaml_begins,
        n_heads=0,
    ),
    "csv": Format(
        profiles="csv",
        segments="csv",
        agent="json",
        head=_csv_head,
        batch=_csv_batch,
        empty="",
        segments_text=_csv_segments,
        agent_text=text.json_text,
        items=_csv_items,
        begins=_csv_begins,
        n_heads=1,
    ),
}
