"""Whether churn risk can be relied on: learnt as of 90 days ago, held against what came since.

On shops that are drawn customer by customer, with a rhythm to learn and without, and on the
orders of Complete Journey. Neither the fit nor its own check has seen the days after.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from backtest import rfm_scores
from measured import as_table

from segpipe.core.arrays import Floats
from segpipe.core.settings import EngineSettings, SourceSettings
from segpipe.datasets.demo import write_demo_lines
from segpipe.discovery.outlook import Activity, ReadActivity, learn_outlook
from segpipe.discovery.regression import area_under_curve
from segpipe.model.outlook import OUTLOOK_MEASURES
from segpipe.pipeline.engine import open_run_engine

CUSTOMERS = 2000
SHOPS = 50  # of each kind
DAYS = 455  # of orders, of which the last 90 are the truth
HORIZON = 90
EARLIER = (93, 31, 0)  # days before the last 90 of Complete Journey: July, September, October

Draw = np.random.Generator
Days = Sequence[Floats]  # of orders, a customer each


def _stopping(draw: Draw) -> Days:
    """A rate of their own, and an end that nobody announces."""
    return [_poisson(draw, rate, draw.exponential(200)) for rate in _rates(draw)]


def _steady(draw: Draw) -> Days:
    """A rate of their own, and nobody stops."""
    return [_poisson(draw, rate, np.inf) for rate in _rates(draw)]


def _alike(draw: Draw) -> Days:
    """One rate for all, and nobody stops: nothing to tell customers apart by."""
    return [_poisson(draw, 1 / 90, np.inf) for _ in range(CUSTOMERS)]


def _coin(draw: Draw) -> Days:
    """Anything until 180 days ago; then in each 90 days half of them order once, by a coin."""
    days = []
    for _ in range(CUSTOMERS):
        own = draw.uniform(0, DAYS - 2 * HORIZON, draw.integers(1, 9))
        late = [DAYS - part * HORIZON + draw.uniform(0, HORIZON) for part in (2, 1)]
        days.append(np.append(own, [day for day in late if draw.random() < 0.5]))
    return [np.unique(np.floor(own)) for own in days]


def _season(draw: Draw) -> Days:
    """As the stopping ones; in the last 90 days everybody orders half as often."""
    return [own[(own < DAYS - HORIZON) | (draw.random(len(own)) < 0.5)] for own in _stopping(draw)]


def _rates(draw: Draw) -> Floats:
    return draw.gamma(1.2, 1 / 40, CUSTOMERS)


def _poisson(draw: Draw, rate: float, life: float) -> Floats:
    """Days of orders from a first one to the end of the customer's life or of the data."""
    start = draw.uniform(0, DAYS * 0.8)
    end = min(start + life, DAYS)
    later = draw.uniform(start, end, draw.poisson(rate * (end - start)))
    return np.unique(np.floor(np.append(start, later)))


KINDS: dict[str, Callable[[Draw], Days]] = {
    "own rates, some stop": _stopping,
    "own rates, nobody stops": _steady,
    "one rate for all": _alike,
    "a coin": _coin,
    "some stop, and half the orders since": _season,
}


def measure() -> dict[str, Any]:
    """Every kind of shop, and Complete Journey."""
    kinds = []
    for number, (name, kind) in enumerate(KINDS.items()):
        shops = [kind(np.random.default_rng([number, shop])) for shop in range(SHOPS)]
        kinds.append({"shop": name, **_summary([_held(partial(_as_of, own)) for own in shops])})
    return {"customers": CUSTOMERS, "shops": kinds, "complete_journey": _complete_journey()}


def _as_of(days: Days, back: int, horizon: int) -> Activity:
    rows = []
    for own in days:
        ago = DAYS - back - own
        known, n_later = ago[ago > 0], int(((ago <= 0) & (ago > -horizon)).sum())
        if len(known):
            n = len(known)
            rows.append(
                (n, (known <= 90).sum(), known.min() - 1, known.max() - 1, 20.0 * n, n_later)
            )
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 6).T
    return Activity(dict(zip(OUTLOOK_MEASURES, table, strict=False)), table[5], 20.0 * table[5])


def _held(read: ReadActivity) -> dict[str, float | None]:
    """What the outlook of 90 days ago said, against the 90 days since; AUC None: withheld."""
    found = learn_outlook(lambda back, horizon: read(back + HORIZON, horizon))
    truth = read(HORIZON, HORIZON)
    is_lost = truth.n_later == 0
    risk = found.churn_risk(truth.columns)
    if np.isnan(risk).any():
        return {"auc": None, "said": found.check.decile_error if found.check else None}
    groups = np.array_split(np.argsort(risk, kind="stable"), 10)
    value = found.expected_value(truth.columns)
    return {
        "auc": area_under_curve(risk, is_lost),
        "recency_auc": area_under_curve(truth.columns["recency_days"], is_lost),
        "rfm_auc": area_under_curve(-_rfm_sum(truth.columns), is_lost),
        "decile_error": float(
            np.mean([abs(risk[rows].mean() - is_lost[rows].mean()) for rows in groups])
        ),
        "said": found.check.decile_error if found.check else None,
        "value_ratio": float(value.sum() / truth.later_value.sum()),
    }


def _rfm_sum(columns: Mapping[str, Floats]) -> Floats:
    names = ("recency_days", "n_occasions", "lifetime_value")
    total: Floats = rfm_scores(*(columns[name] for name in names)).sum(axis=1)
    return total


def _summary(shops: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    published = [shop for shop in shops if shop["auc"] is not None]
    names = ("auc", "recency_auc", "rfm_auc", "decile_error", "said", "value_ratio")
    known = {
        name: [value for shop in published if (value := shop[name]) is not None] for name in names
    }
    means = {name: _rounded(float(np.mean(values))) for name, values in known.items() if values}
    worst = max((shop["decile_error"] or 0.0 for shop in published), default=None)
    return {
        "n": len(shops),
        "published": len(published),
        **means,
        "worst_decile_error": None if worst is None else _rounded(worst),
    }


def _complete_journey() -> list[dict[str, Any]]:
    """Each of a few days before the last 90, as the day on which the risk is published."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "complete_journey.csv"
        write_demo_lines(path)
        with open_run_engine(EngineSettings()) as engine:
            source = engine.read_order_lines(
                SourceSettings(paths=(str(path),)), lambda _: None, is_forced=False
            )
            engine.compute_features(source.inputs, None, None, lambda _: None)

            def read(earlier: int, back: int, horizon: int) -> Activity:
                return Activity.of_table(engine.read_activity(earlier + back, horizon))

            return [
                {"days_earlier": earlier, **_summary([_held(partial(read, earlier))])}
                for earlier in EARLIER
            ]


def table(result: Mapping[str, Any]) -> str:
    """A row a kind of shop."""
    names = (
        "n", "published", "auc", "recency_auc", "rfm_auc", "decile_error", "said",
        "worst_decile_error",
    )  # fmt: skip
    heads = ("Shops", "Published", "AUC", "of recency", "of RFM", "Decile error", "Said", "Worst")
    real = [
        {"shop": f"Complete Journey, {HORIZON + found['days_earlier']} days ago", **found}
        for found in result["complete_journey"]
    ]
    shops = [*result["shops"], *real]
    rows = [
        [shop["shop"], *("-" if shop.get(name) is None else shop[name] for name in names)]
        for shop in shops
    ]
    return as_table(("Shop", *heads), rows)


def _rounded(value: float) -> float:
    return round(value, 4)
