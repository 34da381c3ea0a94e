"""Whether one customer fewer, or other names for the same ones, changes the segments of a shop.

Each shop is segmented three times: as it is, without one customer, and with new customer ids in
another order. Counts the axes whose verdict, number of segments or figures of the partition change.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from measured import Server, as_table, open_database, open_server
from published import Memberships, publish, read_memberships, read_model
from shops import generate

SHOPS = 40
FEWEST, STEP = 300, 30  # customers: of the smallest shop, and more of each next one
AS_OF = date(2025, 7, 1)
CHANGES = ("one fewer", "new ids")
PARTS = ("partition", "rules")  # of an axis in the model, that say who is in which segment
TOLERANCE = 1e-6  # relative, of a cut or centroid
PARALLEL = 2  # shops at a time

Rows = Iterator[dict[str, str]]


@dataclass(frozen=True)
class _Segmented:
    """What a run found and published."""

    verdicts: Mapping[str, str]
    segments: Mapping[str, Sequence[str]]
    partitions: Mapping[str, Sequence[float]]
    memberships: Memberships


def measure() -> dict[str, Any]:
    """All shops, and how many axes change in each way."""
    with open_server() as server, open_database(server, "stability") as url:
        _first(server, url)
        with ThreadPoolExecutor(PARALLEL) as pool:
            found = list(pool.map(lambda seed: _shop(server, url, seed), range(SHOPS)))
    return {
        "shops": SHOPS,
        "customers": [FEWEST, FEWEST + STEP * (SHOPS - 1)],
        **{change: _summary([shop[change] for shop in found]) for change in CHANGES},
    }


def _first(server: Server, url: str) -> None:
    """A small run, so that those side by side find the tables made."""
    path = server.home / "first.csv"
    generate(path, 60, 0)
    publish(server, url, path, AS_OF, store="first")


def _shop(server: Server, url: str, seed: int) -> dict[str, Any]:
    path = server.home / f"shop_{seed}.csv"
    generate(path, FEWEST + STEP * seed, seed)
    with path.open(newline="", encoding="utf-8") as file:
        ids = sorted({row["Customer_ID"] for row in csv.DictReader(file)} - {""})
    draw = np.random.default_rng(seed)
    left_out = ids[int(draw.integers(len(ids)))]
    new_ids = dict(zip(ids, (f"n{name:06d}" for name in draw.permutation(len(ids))), strict=True))
    as_is = _segmented(server, url, path, f"{seed} as it is")
    fewer = _edited(path, "fewer", lambda rows: (r for r in rows if r["Customer_ID"] != left_out))
    renamed = _edited(
        path, "renamed",
        lambda rows: (r | {"Customer_ID": new_ids.get(r["Customer_ID"], "")} for r in rows),
    )  # fmt: skip
    same = {name: name for name in ids if name != left_out}
    return {
        "one fewer": _compare(as_is, _segmented(server, url, fewer, f"{seed} one fewer"), same),
        "new ids": _compare(as_is, _segmented(server, url, renamed, f"{seed} new ids"), new_ids),
    }


def _edited(path: Path, name: str, edit: Callable[[Rows], Rows]) -> Path:
    edited = path.with_name(f"{path.stem}_{name}.csv")
    with (
        path.open(newline="", encoding="utf-8") as whole,
        edited.open("w", newline="", encoding="utf-8") as part,
    ):
        rows = csv.DictReader(whole)
        table = csv.DictWriter(part, rows.fieldnames or ())
        table.writeheader()
        table.writerows(edit(rows))
    return edited


def _segmented(server: Server, url: str, lines: Path, store: str) -> _Segmented:
    outcome = publish(server, url, lines, AS_OF, "--threads", 1, store=store)
    axes = read_model(url, outcome.run_id)["axes"]
    return _Segmented(
        {axis["name"]: axis["verdict"] for axis in axes},
        {axis["name"]: sorted(segment["name"] for segment in axis["segments"]) for axis in axes},
        {axis["name"]: sorted(_figures([axis.get(part) for part in PARTS])) for axis in axes},
        read_memberships(url, store),
    )


def _figures(part: object) -> Iterator[float]:
    """Every figure of a part of the model: cuts, or centroids."""
    if isinstance(part, Mapping):
        part = list(part.values())
    if isinstance(part, list):
        for value in part:
            yield from _figures(value)
    elif isinstance(part, int | float):
        yield float(part)


def _compare(one: _Segmented, other: _Segmented, ids: Mapping[str, str]) -> dict[str, Any]:
    """Axes that changed, and the share of memberships that did; `ids` from one to the other."""
    moved = {
        axis: mean(segments[a] != other.memberships[axis][b] for a, b in ids.items())
        for axis, segments in one.memberships.items()
    }
    k_changed = [
        axis for axis, names in one.segments.items() if len(names) != len(other.segments[axis])
    ]
    return {
        "axes": len(moved),
        "verdict": [axis for axis, name in one.verdicts.items() if name != other.verdicts[axis]],
        "k": k_changed,
        "names": [axis for axis, names in one.segments.items() if names != other.segments[axis]],
        "figures": [
            axis
            for axis, figures in one.partitions.items()
            if not _are_close(figures, other.partitions[axis])
        ],
        "moved": mean(moved.values()),
        "worst_axis": max(moved.values()),
    }


def _are_close(one: Sequence[float], other: Sequence[float]) -> bool:
    return len(one) == len(other) and np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)


def _summary(shops: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kinds = ("verdict", "k", "names", "figures")
    return {
        "axes": sum(shop["axes"] for shop in shops),
        **{f"{kind}_changed": sum(len(shop[kind]) for shop in shops) for kind in kinds},
        "memberships_moved": round(mean(shop["moved"] for shop in shops), 6),
        "worst_axis_moved": round(max(shop["worst_axis"] for shop in shops), 4),
        "each_changed": [
            {"shop": number, **{kind: shop[kind] for kind in kinds[:3] if shop[kind]}}
            for number, shop in enumerate(shops)
            if any(shop[kind] for kind in kinds[:3])
        ],
    }


def table(result: Mapping[str, Any]) -> str:
    """A row a change; the figures of a partition may move a little with a customer fewer."""
    rows = [
        [
            change,
            result[change]["axes"],
            *(result[change][f"{kind}_changed"] for kind in ("verdict", "k", "names", "figures")),
            f"{result[change]['memberships_moved']:.3%}",
            f"{result[change]['worst_axis_moved']:.2%}",
        ]
        for change in CHANGES
    ]
    heads = ("Axes", "Verdict", "K", "Names", "Cuts or centroids", "Moved", "Worst axis")
    return as_table((f"{result['shops']} shops", *heads), rows)
