"""The weighted sample stands for the population, in every figure that is made of it.

The sample is drawn again and again; the mean of each figure over the draws comes as near to the
population's as the number of draws allows, and without the weights it does not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from segpipe.axes import Feature
from segpipe.clustering.distances import nearest
from segpipe.clustering.kmeans import fit_each
from segpipe.clustering.silhouette import silhouette_scores
from segpipe.core.arrays import Floats
from segpipe.core.settings import EngineSettings, SampleSettings
from segpipe.discovery.naming import SegmentEvidence
from segpipe.discovery.sampling import draw_sample
from segpipe.engines.duckdb import Connection, open_engine
from segpipe.engines.duckdb_tables import DuckDbTables
from segpipe.model.preprocessing import fit_scales, scale_matrix
from tests.support.features import put_customers

Figures = dict[str, float]
N_CUSTOMERS, N_DRAWS = 2000, 30
FEATURES = (Feature("lifetime_value", "signed_log"), Feature("recency_days"))
COLUMNS = ("lifetime_value", "recency_days")


def _shop() -> dict[str, Floats]:
    """Three kinds of customers; the more valuable the kind, the rarer, and the later they came."""
    draw = np.random.default_rng(11)
    kind = draw.permutation(np.repeat([0, 1, 2], [1400, 450, 150]))
    value = np.array([20.0, 200.0, 3000.0])[kind] * draw.lognormal(0, 0.4, N_CUSTOMERS)
    recency = np.array([200.0, 90.0, 20.0])[kind] + draw.normal(0, 12, N_CUSTOMERS)
    recency[draw.permutation(N_CUSTOMERS)[:100]] = np.nan  # the median stands in
    return {"lifetime_value": value, "recency_days": recency}


def _figures(columns: dict[str, Floats], weights: Floats) -> Figures:
    """What scaling, k-means, silhouette and the profiles make of customers and weights."""
    scales, _ = fit_scales(columns, weights, FEATURES)
    points = scale_matrix(columns, scales)
    centroids = fit_each(points, weights, (3,), 3, seed=1)[0]
    labels = nearest(points, centroids)
    evidence = SegmentEvidence(columns, weights, labels, 3)
    shares = np.bincount(labels, weights, minlength=3) / weights.sum()
    found = {"silhouette": silhouette_scores(points, weights, [labels])[0]}
    found["upper fifth"] = evidence.quantile("lifetime_value", 0.8)
    for column, scale in enumerate(scales):
        found |= {f"fill of {scale.measure}": scale.fill, f"mean of {scale.measure}": scale.mean}
        found[f"deviation of {scale.measure}"] = scale.deviation
        for segment in range(3):
            place = centroids[segment, column] * scale.deviation + scale.mean
            found[f"centroid {segment} on {scale.measure}"] = float(place)
    for segment in range(3):
        found[f"share of {segment}"] = float(shares[segment])
        for measure in COLUMNS:
            found[f"median {measure} of {segment}"] = float(evidence.medians(measure)[segment])
    return found


@pytest.fixture(scope="module")
def engine() -> Iterator[Connection]:
    with open_engine(EngineSettings()) as opened:
        shop = _shop()
        ids = [f"c{number:04}" for number in range(N_CUSTOMERS)]
        put_customers(opened, {"customer_id": ids, **{k: v.tolist() for k, v in shop.items()}})
        opened.execute("UPDATE customer_features SET recency_days = NULL WHERE isnan(recency_days)")
        yield opened


@pytest.fixture(scope="module")
def draws(engine: Connection) -> list[tuple[dict[str, Floats], Floats]]:
    """Columns and weights of one sample of 300 a seed."""
    found = []
    for seed in range(N_DRAWS):
        sample, _ = draw_sample(DuckDbTables(engine), SampleSettings(size=300, seed=seed))
        rows = sample.customers
        columns = {name: rows[name].to_numpy().astype(np.float64) for name in COLUMNS}
        found.append((columns, sample.weights))
    return found


def _off(drawn: list[Figures], truth: Figures) -> dict[str, float]:
    """Figure → how far the mean over the draws is from the truth, in standard errors.

    On top, a tenth of the spread of one draw is allowed, for the silhouette of a small sample leans
    to one side, and a hundredth of the figure: where a stratum ends, a quantile hardly varies and
    lies between two customers.
    """
    off = {}
    for name, true in truth.items():
        values = np.array([figures[name] for figures in drawn])
        spread = float(values.std(ddof=1))
        allowed = max(spread / 10, abs(true) / 100)
        distance = max(0.0, abs(float(values.mean()) - true) - allowed)
        off[name] = distance / max(spread / np.sqrt(len(values)), 1e-12)
    return off


@pytest.mark.parametrize("n_draws", [10, N_DRAWS])
def test_the_mean_of_each_figure_comes_to_the_populations(
    draws: list[tuple[dict[str, Floats], Floats]], n_draws: int
) -> None:
    truth = _figures(_shop(), np.ones(N_CUSTOMERS))
    off = _off([_figures(*drawn) for drawn in draws[:n_draws]], truth)
    assert max(off.values()) < 3.5, {name: far for name, far in off.items() if far >= 3.5}


def test_without_the_weights_nearly_every_figure_is_wrong(
    draws: list[tuple[dict[str, Floats], Floats]],
) -> None:
    """What makes the test above one that can fail."""
    truth = _figures(_shop(), np.ones(N_CUSTOMERS))
    off = _off([_figures(columns, np.ones(len(w))) for columns, w in draws[:10]], truth)
    wrong = {name for name, far in off.items() if far >= 3.5}
    assert {"share of 0", "mean of lifetime_value", "upper fifth", "deviation of recency_days"} <= (
        wrong
    )
    assert len(wrong) > len(truth) / 2
