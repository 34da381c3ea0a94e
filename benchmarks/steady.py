"""Customers who never change, and shops without groups: what is said of them.

The share of steady customers who are called steady at the end of a chain of months, how many of
them move a month, and the axes that see groups where none were made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from statistics import mean
from typing import Any

import shops
from measured import Server, as_table, open_database, open_server
from published import GROUPS, publish, read_memberships

from segpipe import postgres

AXIS = "loyalty_trajectory"
STATES = ("too_early_to_tell", "unavailable", "no_structure")  # of customers who are not eligible
CUSTOMERS = 4000
MONTHS = 7
SHAPELESS = 6  # shops
SHAPELESS_CUSTOMERS = 2000


def measure() -> dict[str, Any]:
    """The chain of steady customers, and the shops without groups."""
    with open_server() as server:
        return {"customers": CUSTOMERS, **_chain(server), "shapeless": _shapeless(server)}


def _chain(server: Server) -> dict[str, Any]:
    shop = shops.steady(CUSTOMERS)
    found: list[dict[str, Any]] = []
    with open_database(server, "steady") as url:
        for month in shops.months(date(2025, 7, 1), MONTHS):
            lines = shop.export(server.home, month)
            outcome = publish(server, url, lines, month)
            moves = _moves(url, outcome.run_id)
            segments = Counter(read_memberships(url)[AXIS].values())
            n = sum(segments.values())
            found.append(
                {
                    "as_of": month.isoformat(),
                    "refused": bool(outcome.reasons),
                    "segments": dict(segments.most_common()),
                    "steady_of_eligible": round(_steady_share(segments), 4),
                    "moved": {cause: round(moved / n, 4) for cause, moved in moves.items()},
                    "axes_with_groups": _with_groups(outcome.axes),
                }
            )
    later = found[1:]
    return {
        "steady_of_eligible": found[-1]["steady_of_eligible"],
        "moved_a_month": round(mean(sum(month["moved"].values()) for month in later), 4),
        "axes_with_groups": sorted({axis for month in found for axis in month["axes_with_groups"]}),
        "months": found,
    }


def _moves(url: str, run_id: int) -> dict[str, int]:
    query = """
        SELECT cause, sum(n_customers)::bigint FROM segment_transitions
        WHERE run_id = %s AND axis = %s GROUP BY cause ORDER BY cause
    """
    with postgres.connect(url) as connection:
        return dict(connection.execute(query, (run_id, AXIS)).fetchall())


def _steady_share(segments: Mapping[str, int]) -> float:
    eligible = sum(n for name, n in segments.items() if name not in STATES)
    return segments.get("steady", 0) / max(1, eligible)


def _with_groups(axes: Sequence[Mapping[str, Any]]) -> list[str]:
    return [axis["name"] for axis in axes if axis["verdict"] in GROUPS]


def _shapeless(server: Server) -> dict[str, Any]:
    found = list(_found_without_shape(server))
    n_axes = sum(n for n, _ in found)
    return {
        "shops": SHAPELESS,
        "customers": SHAPELESS_CUSTOMERS,
        "axes": n_axes,
        "axes_with_groups": dict(Counter(axis for _, axes in found for axis in axes)),
    }


def _found_without_shape(server: Server) -> Iterator[tuple[int, list[str]]]:
    """Number of axes, and those that see groups, of each shop."""
    with open_database(server, "shapeless") as url:
        for seed in range(SHAPELESS):
            shop = shops.web_shop(SHAPELESS_CUSTOMERS, seed, has_groups=False)
            lines = shop.export(server.home, shop.ends_on)
            store = f"shop{seed}"
            outcome = publish(server, url, lines, shop.ends_on, *shop.options, store=store)
            yield len(outcome.axes), _with_groups(outcome.axes)


def table(result: Mapping[str, Any]) -> str:
    """Two rows: steady customers, and shops without groups."""
    shapeless = result["shapeless"]
    n_false = sum(shapeless["axes_with_groups"].values())
    rows: list[list[object]] = [
        [
            f"{result['customers']} steady customers",
            f"{result['steady_of_eligible']:.1%}",
            f"{result['moved_a_month']:.1%}",
            len(result["axes_with_groups"]),
        ],
        [f"{shapeless['shops']} shops without groups", "", "", f"{n_false} of {shapeless['axes']}"],
    ]
    return as_table(("", "Called steady", "Move a month", "Axes with groups"), rows)
