"""Everybody in the engine, assigned a batch at a time.

Takes the engine and a model; gives membership batches, and the measures that they were made from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from segpipe.core.schema import FEATURE_METRICS
from segpipe.engines.base import CustomerTable
from segpipe.model.assign import Tally, assign_batches, batch_measures, needed_measures
from segpipe.model.compare import rescored_axes
from segpipe.model.document import Model, raw_measures_of


@dataclass(frozen=True)
class Since:
    """Observation dates of the previous run and of this one."""

    previous_as_of: date
    as_of: date


def assign_population(
    customers: CustomerTable,
    model: Model,
    batch_size: int,
    tally: Tally,
    previous: Model | None = None,
    since: Since | None = None,
    not_asked: Collection[str] = (),
) -> Iterator[pa.RecordBatch]:
    """Membership batches of all customers; `tally` is filled on the way.

    With the model of the `previous` run a batch also has the segments which that model gives for
    the same measures, but on the axes `not_asked`, and who has a ticket `since`.
    """
    former = tuple(axis for axis in rescored_axes(previous, model) if axis.name not in not_asked)
    new_tickets: frozenset[str] = frozenset()
    if previous and since and "tickets" in model.inputs:
        new_tickets = customers.customers_with_tickets(since.previous_as_of, since.as_of)

    def assign(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return assign_batches(batches, model, tally, former, new_tickets)

    measures = (*batch_measures(model), *raw_measures_of(former))
    return customers.map_customers(assign, assignment_columns(measures), batch_size)


def measure_batches(
    customers: CustomerTable, model: Model, batch_size: int
) -> Iterator[pa.RecordBatch]:
    """customer_id and the measures that the model needs, of all customers."""
    return customers.map_customers(iter, ("customer_id", *needed_measures(model)), batch_size)


def assignment_columns(measures: Sequence[str]) -> tuple[str, ...]:
    """Columns of customer_features that assignment by these measures looks at, each once."""
    return tuple(dict.fromkeys(("customer_id", *FEATURE_METRICS, *measures)))
