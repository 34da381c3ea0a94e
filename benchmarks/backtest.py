"""What the labels say of the next quarter, against RFM quintiles of the same customers.

Segments of the lines before a day; then ridge regression of what each customer buys in the 90 days
after it on the labels as dummies, out of fold. The churn risk of the same run is judged too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import shops
from measured import Server, as_table, open_database, open_server
from published import Memberships, publish, read_memberships, read_profiles
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict

from segpipe.core.arrays import Flags, Floats

DAYS = 90
FOLDS, REPEATS = 5, 4
PREDICTORS = ("labels", "rfm", "both")
FIGURES = ("r2", "spearman", "auc")


@dataclass(frozen=True)
class _Quarter:
    """Customers on a day, and what they did in the 90 days after it; arrays (n,)."""

    ids: Sequence[str]
    labels: Memberships
    recency_days: Floats
    n_orders: Floats
    lifetime_value: Floats
    churn_risk: Floats  # NaN: withheld
    revenue: Floats
    has_bought: Flags


def measure() -> dict[str, Any]:
    """Every shop and day."""
    with open_server() as server:
        found = [
            {"shop": shop.name, "as_of": day.isoformat(), **_judged(_quarter(server, shop, day))}
            for shop, day in _shops(server.home)
        ]
    return {"days": DAYS, "folds": FOLDS, "repeats": REPEATS, "quarters": found}


def rfm_scores(recency_days: Floats, n_orders: Floats, value: Floats) -> Floats:
    """Quintiles 0 to 4 of recency, orders and value, the best 4; shape (n, 3)."""
    return np.column_stack([_quintiles(-recency_days), _quintiles(n_orders), _quintiles(value)])


def _quintiles(values: Floats) -> Floats:
    cuts = np.quantile(values, [0.2, 0.4, 0.6, 0.8])
    return np.searchsorted(cuts, values, side="right").astype(np.float64)


def _shops(folder: Path) -> Iterator[tuple[shops.Shop, date]]:
    for day in (date(2017, 7, 1), date(2017, 9, 1), date(2017, 10, 2)):
        yield shops.complete_journey(), day
    yield shops.generated(folder, 2000, 42), date(2025, 4, 1)
    yield shops.web_shop(), date(2025, 4, 1)
    online_retail = shops.online_retail()
    if online_retail:
        yield online_retail, online_retail.ends_on - timedelta(days=DAYS)


def _quarter(server: Server, shop: shops.Shop, day: date) -> _Quarter:
    """What came after is the difference of the profiles 90 days later to those of the day."""
    after = day + timedelta(days=DAYS)
    with open_database(server, "backtest") as url:
        for at, store in ((day, "now"), (after, "later")):
            publish(server, url, shop.export(server.home, at), at, *shop.options, store=store)
        labels = read_memberships(url, "now")
        now, later = read_profiles(url, "now"), read_profiles(url, "later")
    ids = sorted(now)

    def column(name: str, profiles: Mapping[str, Mapping[str, float | None]] = now) -> Floats:
        return np.array([profiles[customer][name] for customer in ids], dtype=np.float64)

    more_orders = column("total_orders", later) - column("total_orders")
    return _Quarter(
        ids,
        labels,
        column("days_since_last_purchase"),
        column("total_orders"),
        column("lifetime_value"),
        column("churn_risk_score"),
        column("lifetime_value", later) - column("lifetime_value"),
        more_orders > 0,
    )


def _judged(quarter: _Quarter) -> dict[str, Any]:
    axes = {
        axis: _dummies([found[customer] for customer in quarter.ids])
        for axis, found in quarter.labels.items()
    }
    scores = rfm_scores(quarter.recency_days, quarter.n_orders, quarter.lifetime_value)
    rfm = np.hstack([_dummies(list(column)) for column in scores.T])
    labels = np.hstack(list(axes.values()))
    predictors = {"labels": labels, "rfm": rfm, "both": np.hstack([labels, rfm])}
    return {
        "customers": len(quarter.ids),
        "bought": round(float(quarter.has_bought.mean()), 4),
        **{name: _figures(dummies, quarter) for name, dummies in predictors.items()},
        "r2_of_each_axis": {
            axis: _figures(dummies, quarter, repeats=1)["r2"] for axis, dummies in axes.items()
        },
        "churn": {
            "risk": _auc(~quarter.has_bought, quarter.churn_risk),
            "recency": _auc(~quarter.has_bought, quarter.recency_days),
            "rfm_sum": _auc(~quarter.has_bought, -scores.sum(axis=1)),
        },
    }


def _dummies(labels: Sequence[object]) -> Floats:
    _, codes = np.unique(np.array(labels), return_inverse=True)
    return np.eye(codes.max() + 1)[codes]


def _figures(dummies: Floats, quarter: _Quarter, repeats: int = REPEATS) -> dict[str, float]:
    """R² of log revenue, rank correlation of it, and AUC of buying; means over the repeats."""
    revenue = np.log1p(np.maximum(quarter.revenue, 0.0))
    found = []
    for repeat in range(repeats):
        folds = KFold(FOLDS, shuffle=True, random_state=repeat)
        spent = cross_val_predict(Ridge(), dummies, revenue, cv=folds)
        bought = cross_val_predict(Ridge(), dummies, quarter.has_bought.astype(float), cv=folds)
        rank = spearmanr(spent, revenue).statistic
        auc = roc_auc_score(quarter.has_bought, bought)
        found.append((r2_score(revenue, spent), rank, auc))
    means = (round(float(mean(values)), 4) for values in zip(*found, strict=True))
    return dict(zip(FIGURES, means, strict=True))


def _auc(is_true: Flags, score: Floats) -> float | None:
    if np.isnan(score).any():
        return None
    return round(float(roc_auc_score(is_true, score)), 4)


def table(result: Mapping[str, Any]) -> str:
    """A row a shop and day: R², rank correlation and AUC of each, then AUC of not buying."""
    rows = [
        [
            f"{found['shop']}, {found['as_of']}",
            *(" / ".join(f"{found[name][key]:.3f}" for key in FIGURES) for name in PREDICTORS),
            " / ".join(
                "withheld" if auc is None else f"{auc:.3f}" for auc in found["churn"].values()
            ),
        ]
        for found in result["quarters"]
    ]
    return as_table(
        ("R² / Spearman / AUC", "Labels", "RFM", "Both", "Churn: risk / recency / RFM"), rows
    )
