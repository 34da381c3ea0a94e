"""Of what share of its members a segment's name is true, for every segment that is published.

The share is the one that the run publishes; a run that publishes none is judged by the claims of
its model, customer by customer. The plain words of a name are held against the figures as well.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import shops
from measured import ROOT, Server, as_table, open_database, open_server
from plain_claims import plain_shares, raw_figures
from published import Outcome, publish, read_memberships, read_model
from scipy.stats import rankdata

from segpipe import postgres
from segpipe.core.arrays import Flags, Floats
from segpipe.postgres import fetch_one, sql

WANTED = 0.8
PUBLISHED, CLAIMS = "published", "claims of the model"
YARDSTICKS = ("holds_for", "plain_words")

_Share = tuple[str, str, float]  # axis, name, share of its members


@dataclass(frozen=True)
class _Read:
    """What a run published of its customers, in one order."""

    axes: Sequence[Mapping[str, Any]]  # of the model
    segments: Mapping[str, Sequence[str]]  # axis → names
    labels: Mapping[str, Sequence[str]]  # axis → segment or state of each customer
    columns: Mapping[str, Floats]  # measure → figure of each customer

    @staticmethod
    def of(url: str, outcome: Outcome) -> _Read:
        customers, columns = _measures(url, outcome.run_id)
        model = read_model(url, outcome.run_id)
        axes, channels = model["axes"], model["reference"]["biggest_channels"]
        return _Read(
            axes,
            {axis["name"]: [segment["name"] for segment in axis["segments"]] for axis in axes},
            {axis: [own[c] for c in customers] for axis, own in read_memberships(url).items()},
            raw_figures(columns, channels),
        )


def measure() -> dict[str, Any]:
    """Every name of every shop at hand."""
    with open_server() as server:
        found = [
            {"shop": shop.name, "as_of": day.isoformat(), **_names(server, shop, day)}
            for shop, day in _shops(server.home)
        ]
    return {
        "wanted": WANTED,
        "composed": sum(shop["composed"] for shop in found),
        **{key: _total([shop[key] for shop in found]) for key in YARDSTICKS},
        "shops": found,
    }


def _total(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "names": sum(shop["names"] for shop in found),
        "n_below_wanted": sum(len(shop["below_wanted"]) for shop in found),
        "least": min(shop["least"] for shop in found),
    }


def _shops(folder: Path) -> Iterator[tuple[shops.Shop, date]]:
    for day in (date(2017, 7, 1), date(2017, 10, 1), date(2018, 1, 1)):
        yield shops.complete_journey(), day
    made = [
        shops.generated(folder, 2000, 42),
        shops.steady(),
        shops.web_shop(),
        shops.web_shop(has_groups=False),
    ]
    for shop in (*made, shops.online_retail()):
        if shop:
            yield shop, shop.ends_on


def _names(server: Server, shop: shops.Shop, day: date) -> dict[str, Any]:
    with open_database(server, "names") as url:
        outcome = publish(server, url, shop.export(server.home, day), day, *shop.options)
        read = _Read.of(url, outcome)
        published = _published(url, outcome)
    known = _known_names()
    names = [(axis, name) for axis, segments in read.segments.items() for name in segments]
    return {
        "source": CLAIMS if published is None else PUBLISHED,
        "composed": sum(name not in known.get(axis, {name}) for axis, name in names),
        "holds_for": _summary(_by_claims(read) if published is None else published),
        "plain_words": _summary(_by_plain_words(read)),
    }


def _summary(shares: Sequence[_Share]) -> dict[str, Any]:
    return {
        "names": len(shares),
        "least": round(min(share for *_, share in shares), 4),
        "median": round(median(share for *_, share in shares), 4),
        "below_wanted": [
            {"axis": axis, "name": name, "share": round(share, 4)}
            for axis, name, share in sorted(shares, key=lambda row: row[2])
            if share < WANTED
        ],
    }


def _published(url: str, outcome: Outcome) -> list[_Share] | None:
    """Axis, name and the share that the run published; None: it publishes none."""
    with postgres.connect(url) as connection:
        has_column = fetch_one(
            connection,
            "SELECT count(*) FROM information_schema.columns"
            " WHERE table_name = 'segment_definitions' AND column_name = 'holds_for'",
        )[0]
        if not has_column:
            return None
        query = """
            SELECT axis, segment, holds_for FROM segment_definitions
            WHERE run_id = %s AND kind = 'segment' AND n_customers > 0
        """
        rows = connection.execute(query, (outcome.run_id,)).fetchall()
    return [(axis, name, 0.0 if share is None else share) for axis, name, share in rows]


def _by_claims(read: _Read) -> list[_Share]:
    """Axis, name and the share of members who are on the claimed side of every claim."""
    found = []
    for axis in read.axes:
        labels = np.array(read.labels[axis["name"]])
        is_eligible = np.isin(labels, read.segments[axis["name"]])
        for segment in axis["segments"]:
            mine = labels[is_eligible] == segment["name"]
            if mine.any() and segment["claims"]:
                holds = np.ones(int(is_eligible.sum()), np.bool_)
                # a measure in which nobody differs is not published
                claims = [c for c in segment["claims"] if c["measure"] in read.columns]
                for claim in claims:
                    holds &= _meets(read.columns[claim["measure"]][is_eligible], claim)
                found.append((axis["name"], segment["name"], float(holds[mine].mean())))
    return found


def _by_plain_words(read: _Read) -> list[_Share]:
    return [
        (axis, name, share)
        for axis, labels in read.labels.items()
        for name, share in plain_shares(axis, labels, read.segments[axis], read.columns)
    ]


def _meets(values: Floats, claim: Mapping[str, Any]) -> Flags:
    """Who is on the claimed side; against a quantile by the middle rank among the eligible."""
    known = ~np.isnan(values)
    compared = np.full(len(values), np.nan)
    compared[known] = values[known]
    bound = claim["value"]
    if bound is None:
        compared[known] = (rankdata(values[known]) - 0.5) / max(1, known.sum())
        bound = claim["quantile"]
    meets: Flags = compared >= bound if claim["side"] == "above" else compared <= bound
    return meets


def _measures(url: str, run_id: int) -> tuple[list[str], dict[str, Floats]]:
    """Customers, and each measure of theirs."""
    with postgres.connect(url) as connection:
        query = "SELECT measures_table FROM segmentation_runs WHERE run_id = %s"
        table_name = fetch_one(connection, query, (run_id,))[0]
        cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table_name)))
        names = [column.name for column in cursor.description or ()]
        columns = dict(zip(names, zip(*cursor.fetchall(), strict=True), strict=True))
    customers = [str(customer) for customer in columns.pop("customer_id")]
    return customers, {name: np.array(c, dtype=np.float64) for name, c in columns.items()}


def _known_names() -> dict[str, set[str]]:
    """Axis → its vocabulary, which is what it has guidance for; any other name is composed."""
    files = (ROOT / "config" / "guidance").glob("*.toml")
    return {path.stem: set(tomllib.loads(path.read_text(encoding="utf-8"))) for path in files}


def table(result: Mapping[str, Any]) -> str:
    """A row a shop and day, and one for all; then the names that were least true."""
    shops_found = [
        [f"{shop['shop']}, {shop['as_of']}", *_cells(shop), shop["composed"]]
        for shop in result["shops"]
    ]
    total = {
        key: {**result[key], "below_wanted": range(result[key]["n_below_wanted"])}
        for key in YARDSTICKS
    }
    rows = [*shops_found, ["all", *_cells(total), result["composed"]]]
    heads = ("Names", "Least", f"Under {result['wanted']:.0%}")
    plain = [f"{head}, plain words" for head in heads]
    return as_table(("Shop", *heads, *plain, "Composed"), rows)


def _cells(found: Mapping[str, Any]) -> Iterator[object]:
    for key in YARDSTICKS:
        yield found[key]["names"]
        yield f"{found[key]['least']:.0%}"
        yield len(found[key]["below_wanted"])
