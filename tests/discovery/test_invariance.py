"""What must not matter: ids, the order of rows, and one customer more or less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from segpipe.axes import AXES
from segpipe.core.settings import ClusterSettings, SampleSettings
from segpipe.discovery.discover import discover
from segpipe.discovery.outcome import Discovery
from segpipe.discovery.refit import Population
from segpipe.discovery.sampling import Sample, draw_sample
from segpipe.engines.duckdb_tables import DuckDbTables
from segpipe.model.document import Model
from tests.support.shops import AS_OF, EVERYTHING, Shop, measured, mixed_lines, mixed_shop

SETTINGS = ClusterSettings(restarts=6, max_k=5)
Found = list[Discovery]


@pytest.fixture(scope="module")
def shop() -> Shop:
    return mixed_shop(700, seed=8)


def _run(
    shop: Shop, sample: Sample, method: str = "auto", previous: Model | None = None
) -> list[Discovery]:
    settings = replace(SETTINGS, method=method)
    return discover(*(sample, AXES, shop.inputs, settings, 1), as_of=shop.as_of, previous=previous)


@pytest.fixture(scope="module")
def found(shop: Shop) -> Found:
    return _run(shop, shop.sample)


def _model(shop: Shop, found: Found) -> Model:
    axes = tuple(discovery.model for discovery in found)
    return Model(1, tuple(sorted(shop.inputs)), "UTC", shop.reference, axes)


def _shuffled(sample: Sample, seed: int) -> Sample:
    """The same customers in another order, under other ids."""
    order = np.random.default_rng(seed).permutation(sample.customers.num_rows)
    table = sample.customers.take(pa.array(order))
    ids = pa.array([f"x{number:05}" for number in range(len(order))])
    return Sample(table.set_column(0, "customer_id", ids), sample.weights[order])


@pytest.mark.parametrize("method", ["auto", "kmeans"])
def test_neither_ids_nor_the_order_of_rows_change_a_model(shop: Shop, method: str) -> None:
    first = _model(shop, _run(shop, shop.sample, method))
    for seed in (1, 2):
        again = _model(shop, _run(shop, _shuffled(shop.sample, seed), method))
        assert again.to_json() == first.to_json()


def _verdicts(found: Found) -> dict[str, tuple[str, int]]:
    return {d.model.name: (d.model.verdict, len(d.model.segments)) for d in found}


def test_one_customer_less_changes_no_verdict_and_no_number_of_segments(
    shop: Shop, found: Found
) -> None:
    expected = _verdicts(found)
    for customer in np.random.default_rng(3).integers(0, 700, 6):
        assert _verdicts(_run(shop, shop.without(int(customer)))) == expected


def test_one_customer_less_changes_nothing_of_current_segments(shop: Shop, found: Found) -> None:
    current = _model(shop, found)
    for customer in (0, 333):
        for before, after in zip(
            found, _run(shop, shop.without(customer), previous=current), strict=True
        ):
            assert after.decision.decision == "kept", before.model.name
            assert after.model.rules == before.model.rules
            assert after.model.partition == before.model.partition
            if before.model.segments:
                assert after.model.priors == before.model.priors
            assert [(s.segment_id, s.name) for s in after.model.segments] == [
                (s.segment_id, s.name) for s in before.model.segments
            ]


def _of_everybody(lines: dict[str, list[object]]) -> Found:
    """All axes of the shop of these lines, refitted on everybody, who are also the sample."""
    with measured(lines, EVERYTHING) as (engine, _):
        tables = DuckDbTables(engine)
        sample, info = draw_sample(tables, SampleSettings(size=5000))
        population = Population(tables, info.n_drawn, info.n_customers)
        return discover(
            *(sample, AXES, EVERYTHING, SETTINGS, 1), as_of=AS_OF, population=population
        )


def test_a_run_of_a_shop_under_other_ids_gives_the_same_segments() -> None:
    lines = mixed_lines(500, seed=9)
    numbers = np.random.default_rng(4).permutation(10_000)
    ids = [f"z{numbers[int(str(old)[1:])]:05}" for old in lines["customer_id"]]
    first, renamed = _of_everybody(lines), _of_everybody({**lines, "customer_id": [*ids]})
    for one, other in zip(first, renamed, strict=True):
        assert one.model.verdict == other.model.verdict
        assert one.model.rules == other.model.rules
        assert one.model.priors == other.model.priors
        names = [(s.segment_id, s.name, s.holds) for s in one.model.segments]
        assert names == [(s.segment_id, s.name, s.holds) for s in other.model.segments]
        assert one.candidates == other.candidates
        if one.agreement:
            assert one.agreement.share == 1.0
