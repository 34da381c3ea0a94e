"""Customers in real time get the same answers as in the batch, whatever the file is like."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segpipe.api.request_models import CustomerIn
from segpipe.axes import AXES
from segpipe.core.progress import Quiet
from segpipe.core.schema import METRICS, strength_column
from segpipe.core.settings import (
    ClusterSettings,
    FeatureSettings,
    RunSettings,
    SampleSettings,
    SourceSettings,
)
from segpipe.datasets.synthetic import generate_order_lines
from segpipe.engines.duckdb import open_engine
from segpipe.engines.duckdb_tables import DuckDbTables
from segpipe.features import compute_features
from segpipe.model.assign import Tally, as_published
from segpipe.model.document import Model, read_model
from segpipe.parity import documents, draw_customers
from segpipe.pipeline.memberships import assign_population
from segpipe.pipeline.run import run
from segpipe.realtime import Assigned, Refused, assign_customers, customer_of, prepare_features
from segpipe.sources import read_order_lines

Row = dict[str, str]
Change = Callable[[list[Row]], list[Row]]


@dataclass(frozen=True)
class File:
    """A shop's export, and how it is read."""

    change: Change
    timezone: str = "UTC"
    has_tickets: bool = False
    as_of: date | None = None


def _as_it_is(rows: list[Row]) -> list[Row]:
    return rows


def _with_blanks(rows: list[Row]) -> list[Row]:
    """Some blank cells, some times with an offset in the hour that autumn repeats, some gifts."""
    rng = random.Random(5)  # noqa: S311 - a made-up shop
    for row in rows:
        for name in ("ProductId", "Category", "Source", "TotalDiscount", "QTY", "Price"):
            if rng.random() < 0.1:
                row[name] = ""
        if rng.random() < 0.1:
            row["Date"] = "2024-10-27T02:30:00+01:00"
        if rng.random() < 0.02:
            row["Sales"] = "0"
        if rng.random() < 0.02:
            row["QTY"], row["Sales"] = "-0.5", "-7.1234"
    return rows


def _bare(rows: list[Row]) -> list[Row]:
    """Only the columns that are required, without times of day."""
    return [
        {
            "customer_id": row["Customer_ID"],
            "ordered_at": row["Date"][:10],
            "line_amount": row["Sales"],
        }
        for row in rows
    ]


FILES = {
    "as it is": File(_as_it_is),
    "tickets, blanks and time zones": File(_with_blanks, "Europe/Berlin", has_tickets=True),
    "as of a day in its past": File(_with_blanks, "America/New_York", as_of=date(2025, 1, 15)),
    "bare": File(_bare),
}


@pytest.mark.parametrize("name", FILES)
def test_replayed_customers_get_what_the_batch_gave_them(name: str, tmp_path: Path) -> None:
    file = FILES[name]
    source, features = _settings(file, tmp_path)
    model = _model(source, features, tmp_path)
    with open_engine(RunSettings().engine) as engine:
        inputs = read_order_lines(engine, source).inputs
        info, _ = compute_features(engine, inputs, features.as_of, model.reference)
        batches = assign_population(DuckDbTables(engine), model, 1000, Tally())
        published = {row["customer_id"]: row for batch in batches for row in batch.to_pylist()}
        ids = draw_customers(engine, info.as_of, 250, seed=1)
        bodies = list(documents(engine, inputs, file.timezone, info.as_of, ids))
    assert len(bodies) == 250
    answers = _assigned(model, [parsed(body) for body in bodies])

    states: dict[str, set[str]] = {axis.name: set() for axis in model.axes}
    for answer in answers:
        assert isinstance(answer, Assigned), answer
        assert not answer.unavailable
        wanted = published[answer.customer_id]
        for axis in model.axes:
            states[axis.name].add(answer.segment_memberships[axis.name])
            assert answer.segment_memberships[axis.name] == wanted[axis.name]
            strength = float(as_published(np.array(wanted[strength_column(axis.name)])))
            assert answer.membership_strengths[axis.name] == strength
        assert answer.metrics == {metric: wanted[metric] for metric in METRICS}
        assert wanted["rfm_score"]
    assert {axis.name for axis in AXES} <= set(states)
    if name != "bare":
        met = set().union(*states.values())
        named = {rule.state for axis in model.axes for rule in axis.eligibility}
        assert len(met & named) >= 5, "too few customers in a state"


def test_a_customer_gets_the_same_answer_alone_and_among_others(tmp_path: Path) -> None:
    source, features = _settings(FILES["as it is"], tmp_path)
    model = _model(source, features, tmp_path)
    with open_engine(RunSettings().engine) as engine:
        inputs = read_order_lines(engine, source).inputs
        ids = draw_customers(engine, model.reference.as_of, 12, seed=2)
        bodies = [
            parsed(body) for body in documents(engine, inputs, "UTC", model.reference.as_of, ids)
        ]
    customers = [customer_of(body) for body in bodies]
    with prepare_features(model) as prepared:
        together = assign_customers(prepared, model, customers)
        alone = [assign_customers(prepared, model, [customer])[0] for customer in customers]
        twice = assign_customers(prepared, model, [customers[0], customers[1], customers[0]])
    assert [_figures(answer) for answer in together] == [_figures(answer) for answer in alone]
    assert _figures(twice[0]) == _figures(twice[2]) == _figures(together[0])


def parsed(document: dict[str, Any]) -> dict[str, Any]:
    """The document as the service's schema parses it."""
    return CustomerIn.model_validate(document).model_dump(exclude_unset=True)


def _settings(file: File, folder: Path) -> tuple[SourceSettings, FeatureSettings]:
    path, tickets = folder / "lines.csv", folder / "tickets.csv"
    generate_order_lines(path, 400, 3, tickets_path=tickets)
    with path.open(encoding="utf-8", newline="") as read:
        rows = file.change(list(csv.DictReader(read)))
    with path.open("w", encoding="utf-8", newline="") as written:
        writer = csv.DictWriter(written, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    source = SourceSettings(
        paths=(str(path),),
        timezone=file.timezone,
        tickets_path=tickets if file.has_tickets else None,
    )
    return source, FeatureSettings(as_of=file.as_of, axis_paths=(Path("rfm"),))


def _model(source: SourceSettings, features: FeatureSettings, folder: Path) -> Model:
    settings = RunSettings(
        source=source,
        features=features,
        sample=SampleSettings(size=300),
        cluster=ClusterSettings(max_k=3, restarts=2),
        model_out_path=folder / "model.json",
        is_dry_run=True,
    )
    run(settings, Quiet())
    return read_model(folder / "model.json")


def _assigned(model: Model, bodies: Sequence[dict[str, Any]]) -> list[Assigned | Refused]:
    with prepare_features(model) as prepared:
        return assign_customers(prepared, model, [customer_of(body) for body in bodies])


def _figures(answer: Assigned | Refused) -> tuple[Any, ...]:
    assert isinstance(answer, Assigned), answer
    return (
        answer.customer_id,
        answer.segment_memberships,
        answer.membership_strengths,
        answer.metrics,
    )
