"""Everybody in the engine, assigned a batch at a time.

Takes the engine's customer_features and a model; gives membership batches, and the measures that
they were made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from segpipe.core.schema import CUSTOMER_FEATURES, METRICS, TICKETS
from segpipe.engines.duckdb import Connection, quote
from segpipe.model.assign import Tally, assign_batches, needed_measures
from segpipe.model.compare import rescored_axes
from segpipe.model.document import Model, measures_of


@dataclass(frozen=True)
class Since:
    """Observation dates of the previous run and of this one."""

    previous_as_of: date
    as_of: date


def assign_population(
    engine: Connection,
    model: Model,
    batch_size: int,
    tally: Tally,
    previous: Model | None = None,
    since: Since | None = None,
) -> Iterator[pa.RecordBatch]:
    """Membership batches of all customers; `tally` is filled on the way.

    With the model of the `previous` run a batch also says what that model makes of the same
    measures, and who has a ticket `since`. The measures are the new run's: medians of the shop that
    they lean on, such as prices of categories, are today's.
    """
    former = rescored_axes(previous, model)
    new_tickets = _new_tickets(engine, model, since) if former else frozenset()
    measures = dict.fromkeys((*needed_measures(model), *measures_of(former)))
    columns = ["customer_id", *METRICS, *(m for m in measures if m not in METRICS)]
    batches = engine.sql(_query(columns)).to_arrow_reader(batch_size)
    yield from assign_batches(batches, model, tally, former, new_tickets)


def measure_batches(engine: Connection, model: Model, batch_size: int) -> Iterator[pa.RecordBatch]:
    """customer_id and the measures that the model needs, of all customers."""
    query = _query(("customer_id", *needed_measures(model)))
    # A cursor, for the profiles are read from the engine at the same time.
    yield from engine.cursor().sql(query).to_arrow_reader(batch_size)


def _query(columns: Sequence[str]) -> str:
    return f"SELECT {', '.join(map(quote, columns))} FROM {CUSTOMER_FEATURES.name}"


def _new_tickets(engine: Connection, model: Model, since: Since | None) -> frozenset[str]:
    """Customers with a ticket of a day after the one run's date, up to the other's."""
    if "tickets" not in model.inputs or since is None:
        return frozenset()
    found = engine.execute(
        f"SELECT DISTINCT customer_id FROM {TICKETS.name}"
        " WHERE created_at::DATE > $previous AND created_at::DATE <= $now",
        {"previous": since.previous_as_of, "now": since.as_of},
    ).fetchall()
    return frozenset(row[0] for row in found)
