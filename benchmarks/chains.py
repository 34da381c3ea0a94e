"""Months in a row through one store: whether each is published, and why customers move.

A move by the model is announced where the run says that it replaced the axis. A month that the
gates refuse is forced, so that the next one is compared with it; how many would be published if
nobody forced one is found by a chain of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Any

import shops
from measured import Server, as_table, open_database, open_server
from published import Outcome, decision, publish, try_publish

from segpipe import postgres

MONTHS = 7
KINDS = ("announced", "unannounced", "behaviour", "time")  # the first two are by the model


def measure() -> dict[str, Any]:
    """A chain of each shop."""
    with open_server() as server:
        chains = [chain(server, shop, months) for shop, months in _shops(server.home)]
    return {"chains": chains, "total": _total(chains)}


def chain(server: Server, shop: shops.Shop, months: Sequence[date]) -> dict[str, Any]:
    """Every month of one shop, and what holds over all of them."""
    found, before = [], None
    with open_database(server, "chain") as url:
        for month in months:
            lines = shop.export(server.home, month)
            outcome = publish(server, url, lines, month, *shop.options)
            found.append(_month(url, month, outcome, before))
            before = outcome
    is_refused = any(month["refused"] for month in found)
    published = _n_unforced(server, shop, months) if is_refused else len(months)
    return {"shop": shop.name, "published": published, **_summary(found), "each_month": found}


def _n_unforced(server: Server, shop: shops.Shop, months: Sequence[date]) -> int:
    """Months that are published where nobody forces one."""
    with open_database(server, "unforced") as url:
        runs = [
            try_publish(server, url, shop.export(server.home, month), month, *shop.options)
            for month in months
        ]
    return len(runs) - runs.count(None)


def _shops(folder: Path) -> Iterator[tuple[shops.Shop, list[date]]]:
    yield shops.complete_journey(), shops.months(date(2017, 7, 1), MONTHS)
    yield shops.generated(folder, 2000, 42), shops.months(date(2025, 1, 1), MONTHS)
    yield shops.web_shop(), shops.months(date(2025, 1, 1), MONTHS)


def _month(url: str, month: date, outcome: Outcome, before: Outcome | None) -> dict[str, Any]:
    decided = {axis["name"]: decision(axis) for axis in outcome.axes}
    named = {axis: found.get("decision", "not said") for axis, found in decided.items()}
    changed = {
        axis: f"{named[axis]}: {found.get('cause')}"
        for axis, found in decided.items()
        if named[axis] in {"replaced", "held back"}
    }
    replaced = {axis for axis, name in named.items() if name in {"new", "replaced"}}
    return {
        "as_of": month.isoformat(),
        "customers": outcome.n_customers,
        "refused": list(outcome.reasons),
        "decisions": dict(Counter(named.values())),
        "changed": changed,
        "said_to_move": sum(decided[axis].get("n_moved") or 0 for axis in replaced),
        "memberships": before.n_customers * len(before.axes) if before else 0,
        "moves": _moves(url, outcome.run_id, replaced),
    }


def _moves(url: str, run_id: int, replaced: set[str]) -> dict[str, int]:
    query = "SELECT axis, cause, n_customers FROM segment_transitions WHERE run_id = %s"
    moves = dict.fromkeys(KINDS, 0)
    with postgres.connect(url) as connection:
        for axis, cause, n_customers in connection.execute(query, (run_id,)).fetchall():
            by_model = "announced" if axis in replaced else "unannounced"
            moves[by_model if cause == "model" else cause] += n_customers
    return moves


def _summary(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    later = found[1:]
    shares = {
        kind: [month["moves"][kind] / month["memberships"] for month in later] for kind in KINDS
    }
    return {
        "months": len(found),
        "refused": sum(bool(month["refused"]) for month in found),
        "axes_replaced": _n_decided(later, "replaced"),
        "axes_held_back": _n_decided(later, "held back"),
        "moves_a_month": {kind: round(mean(shares[kind]), 4) for kind in KINDS},
        "most_by_the_model": round(
            max(sum(both) for both in zip(shares["announced"], shares["unannounced"], strict=True)),
            4,
        ),
    }


def _n_decided(found: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(month["decisions"].get(name, 0) for month in found)


def _total(chains: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = ("months", "published", "refused", "axes_replaced", "axes_held_back")
    return {
        **{name: sum(shop[name] for shop in chains) for name in names},
        "moves_a_month": {
            kind: round(mean(shop["moves_a_month"][kind] for shop in chains), 4) for kind in KINDS
        },
        "most_by_the_model": max(shop["most_by_the_model"] for shop in chains),
    }


def table(result: Mapping[str, Any]) -> str:
    """A row a shop; moves are shares of all memberships, a month."""
    rows = [
        [
            shop["shop"],
            f"{shop['published']} of {shop['months']}",
            shop["axes_replaced"],
            shop["axes_held_back"],
            *(f"{shop['moves_a_month'][kind]:.2%}" for kind in KINDS),
            f"{shop['most_by_the_model']:.2%}",
        ]
        for shop in (*result["chains"], {"shop": "all", **result["total"]})
    ]
    heads = ("Published", "Replaced", "Held back", *(kind.capitalize() for kind in KINDS))
    return as_table(("Shop", *heads, "Most by the model"), rows)
