"""Whether expected value can be relied on: learnt as of 90 days ago, held against what came since.

On shops that are drawn customer by customer, on shops of `segpipe generate`, and on Complete
Journey. Neither the fit nor its own check has seen the days after.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import churn
import numpy as np
from measured import as_table
from shops import generate

from segpipe.core.arrays import Floats
from segpipe.core.settings import EngineSettings, SourceSettings
from segpipe.datasets.demo import write_demo_lines
from segpipe.discovery.outlook import Activity, ReadActivity, learn_outlook, value_error
from segpipe.discovery.regression import group_means, rank_correlation
from segpipe.model.outlook import OUTLOOK_MEASURES
from segpipe.pipeline.engine import open_run_engine

SIZES = (2000, 400)  # customers of a made shop
SHOPS = 50  # of each kind and size
SEEDS, MONTHS = (42, 1, 2, 3), (0, 61, 151)  # of `segpipe generate`, and days before its last 90
GENERATED = 3000  # customers
QUARTERS = 4  # of customers by lifetime value


@dataclass(frozen=True)
class _Kind:
    """Rhythms of churn.KINDS, and deviations of log order values."""

    rhythm: str
    between: float  # customers
    within: float  # one customer


KINDS = {
    "own rates and values far apart, some stop": _Kind("own rates, some stop", 1.5, 0.6),
    "own rates and values, nobody stops": _Kind("own rates, nobody stops", 0.7, 0.7),
    "own rates, one value for all, some stop": _Kind("own rates, some stop", 0.0, 0.8),
    "one rate, own values": _Kind("one rate for all", 0.7, 0.7),
    "one rate, one value: no signal": _Kind("one rate for all", 0.0, 0.8),
    "the same, orders far apart": _Kind("one rate for all", 0.0, 1.5),
    "own values, half the orders since": _Kind("some stop, and half the orders since", 0.7, 0.7),
    "own values, a change before: a coin": _Kind("a coin", 0.7, 0.7),
}


def measure() -> dict[str, Any]:
    """Every kind of shop, the generated ones and Complete Journey."""
    made = [
        {"shop": name, "customers": size, **_summary([_made(kind, size, i) for i in range(SHOPS)])}
        for size in SIZES
        for name, kind in KINDS.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.csv"
        generated = []
        for seed in SEEDS:
            generate(path, GENERATED, seed)
            generated += _file(path, MONTHS)
        write_demo_lines(path)
        journey = _file(path, churn.EARLIER)
    cuts = [{"days_earlier": cut["days_earlier"], **_summary([cut])} for cut in journey]
    return {"shops": made, "generated": _summary(generated), "complete_journey": cuts}


def _made(kind: _Kind, size: int, seed: int) -> dict[str, Any]:
    draw = np.random.default_rng([7, size, seed])
    days = churn.KINDS[kind.rhythm](draw)[:size]
    centres = 3 + draw.normal(0, kind.between, len(days))
    values = [
        np.exp(centre + draw.normal(0, kind.within, len(own)))
        for centre, own in zip(centres, days, strict=True)
    ]
    return _held(partial(_as_of, days, values))


def _as_of(days: Sequence[Floats], values: Sequence[Floats], back: int, horizon: int) -> Activity:
    rows = []
    for own, value in zip(days, values, strict=True):
        ago = churn.DAYS - back - own
        known, later = ago > 0, (ago <= 0) & (ago > -horizon)
        if known.any():
            past = ago[known]
            measures = (len(past), (past <= 90).sum(), past.min() - 1, past.max() - 1)
            rows.append((*measures, value[known].sum(), later.sum(), value[later].sum()))
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 7).T
    return Activity(dict(zip(OUTLOOK_MEASURES, table, strict=False)), table[5], table[6])


def _file(path: Path, earlier: Sequence[int]) -> list[dict[str, Any]]:
    """The lines of a file, each of a few days before the last 90 as the day of publishing."""
    with open_run_engine(EngineSettings()) as engine:
        source = engine.read_order_lines(
            SourceSettings(paths=(str(path),)), lambda _: None, is_forced=False
        )
        engine.compute_features(source.inputs, None, None, lambda _: None)

        def read(days: int, back: int, horizon: int) -> Activity:
            return Activity.of_table(engine.read_activity(days + back, horizon))

        return [{"days_earlier": days, **_held(partial(read, days))} for days in earlier]


def _held(read: ReadActivity) -> dict[str, Any]:
    """What the outlook of 90 days ago said, against the 90 days since."""
    found = learn_outlook(lambda back, horizon: read(back + churn.HORIZON, horizon))
    truth = read(churn.HORIZON, churn.HORIZON)
    value, lifetime = truth.later_value, truth.columns["lifetime_value"]
    expected = found.expected_value(truth.columns)
    said = {
        "is_provisional": found.is_provisional,
        "said": found.check.value_error if found.check else None,
        "error": None,
    }
    if np.isnan(expected).any():
        return said
    by_lifetime = group_means(lifetime, (expected, value), QUARTERS)
    return {
        **said,
        "error": value_error(expected, value),
        "ratio": float(expected.sum() / value.sum()),
        "rank": rank_correlation(expected, value),
        "lifetime_rank": rank_correlation(lifetime, value),
        **{f"quarter_{i + 1}": ratio for i, ratio in enumerate(by_lifetime[0] / by_lifetime[1])},
    }


_FIGURES = (
    "error", "said", "ratio", "rank", "lifetime_rank", "quarter_1", "quarter_2", "quarter_3",
    "quarter_4",
)  # fmt: skip


def _summary(shops: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over the shops where it is published; quarters by median: one may have sold little."""
    published = [shop for shop in shops if shop["error"] is not None]
    figures: dict[str, Any] = {
        "n": len(shops),
        "published": len(published),
        "provisional": sum(shop["is_provisional"] for shop in published),
    }
    for name in _FIGURES:
        known = [shop[name] for shop in published if shop[name] is not None]
        middle: Callable[[Any], Any] = np.median if name.startswith("quarter") else np.mean
        figures |= {name: round(float(middle(known)), 4)} if known else {}
    worst = max((shop["error"] for shop in published), default=None)
    return {**figures, "worst_error": None if worst is None else round(worst, 4)}


def table(result: Mapping[str, Any]) -> str:
    """A row a kind of shop."""
    made = [{**shop, "shop": f"{shop['shop']} ({shop['customers']})"} for shop in result["shops"]]
    real = [
        {"shop": f"Complete Journey, {churn.HORIZON + found['days_earlier']} days ago", **found}
        for found in result["complete_journey"]
    ]
    shops = [*made, {"shop": "segpipe generate", **result["generated"]}, *real]
    names = ("n", "published", "provisional", *_FIGURES, "worst_error")
    heads = (
        "Shops",
        "Published",
        "Provisional",
        "Error",
        "Said",
        "Total",
        "Rank",
        "of lifetime",
        "Quarter 1",
        "2",
    )
    rows = [
        [shop["shop"], *("-" if shop.get(name) is None else shop[name] for name in names)]
        for shop in shops
    ]
    return as_table(("Shop", *heads, "3", "4", "Worst"), rows)
