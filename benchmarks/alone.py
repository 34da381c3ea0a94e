"""What an answer of the service takes without HTTP: the SQL statement, the model, one at a time.

Takes the database and the requests; gives milliseconds. Part of the floor of service.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, TypeVar
from urllib.parse import unquote

from load import percentile

from segpipe import postgres
from segpipe.answers import current_run, read_profile
from segpipe.api.body import validated
from segpipe.api.request_models import CustomerIn
from segpipe.model.document import model_of
from segpipe.realtime import Customer, assign_customers, customer_of, prepare_features
from segpipe.runs import read_model

T = TypeVar("T")
STORE = "default"
SIZES = (1, 10, 100)  # customers at once
_TIMES = 1_000


def alone(url: str, lookups: Path, assignments: Path) -> dict[str, Any]:
    """Milliseconds of the statement and of the model, one call after the other."""
    paths = [one["path"] for one in read_lines(lookups)]
    bodies = [json.dumps(one["body"]).encode() for one in read_lines(assignments)]
    customers = [customer_in(body) for body in bodies]
    with postgres.connect(url) as connection:
        run = current_run(connection, STORE)
        assert run is not None  # noqa: S101 - it is published
        document = read_model(connection, run.run_id)
        assert document is not None  # noqa: S101 - it was published with its model
        ids = [unquote(path.rpartition("/")[2]) for path in paths]
        profile = timed(lambda one: read_profile(connection, STORE, one), ids, _TIMES)
    found = {"profile": profile, "schema": timed(customer_in, bodies, _TIMES)}
    model = model_of(document, "of the benchmark")
    with prepare_features(model) as prepared:
        for size in SIZES:
            some = [customers[at : at + size] for at in range(0, len(customers) - size + 1, size)]
            found[f"assign_{size}"] = timed(
                lambda own: assign_customers(prepared, model, own), some, _TIMES // 10
            )
    return found


def customer_in(body: bytes) -> Customer:
    """The customer of a request body, as the service reads it."""
    return customer_of(validated(CustomerIn, body).model_dump(exclude_unset=True))


def timed(call: Callable[[T], object], values: Sequence[T], times: int) -> dict[str, float | None]:
    """Milliseconds of a call, with the values in turn, and the processor time of one."""
    turns = cycle(values)
    for one in islice(turns, 10):
        call(one)
    seconds = []
    cpu = process_time()
    for one in islice(turns, times):
        started = perf_counter()
        call(one)
        seconds.append(perf_counter() - started)
    cpu = process_time() - cpu
    seconds.sort()
    return {
        "p50_ms": percentile(seconds, 0.5),
        "p99_ms": percentile(seconds, 0.99),
        "cpu_ms": round(1000 * cpu / times, 3),
    }


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The requests of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
