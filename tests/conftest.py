"""A real PostgreSQL for every worker, and a fresh database for every test that asks for one."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits

from segpipe import postgres
from segpipe.core.schema import METRICS, strength_column
from segpipe.postgres import Connection, embedded, migrate
from tests.support.snapshots import OPTION, Snapshots

# The tests' workers use every core; more threads in each would only wait for each other. The limit
# is of what is loaded, the variables are of what is loaded later, also in other processes.
threadpool_limits(1)
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell ignores it for what it starts in the background, and our runs would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

KINDS = ("unit", "postgres", "service", "browser")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the snapshots."""
    parser.addoption(OPTION, action="store_true", help="write tests/snapshots instead of comparing")


@pytest.fixture
def snapshots(request: pytest.FixtureRequest) -> Snapshots:
    """Compares texts with those of tests/snapshots."""
    return Snapshots(bool(request.config.getoption(OPTION)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark each test with its kind, by its fixtures, unless the test or its module names one."""
    for item in items:
        fixtures: Sequence[str] = getattr(item, "fixturenames", ())
        if any(map(item.get_closest_marker, KINDS)):
            continue
        if "server_url" not in fixtures:
            item.add_marker("unit")
        else:
            item.add_marker("service" if "served" in fixtures else "postgres")


@pytest.fixture(autouse=True)
def _unit_tests_start_no_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_home: Path) -> str:
        raise AssertionError("this test starts a server: mark it postgres or service")

    if request.node.get_closest_marker("unit"):
        monkeypatch.setattr(embedded, "start", start)


@pytest.fixture(autouse=True)
def _no_database_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "DATABASE_URL",
        "SEGPIPE_HOME",
        "SEGPIPE_HEALTHCHECK_URL",
        "SEGPIPE_METRICS_FILE",
        "PGOPTIONS",
        "PGPASSWORD",
        "PGSERVICE",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """URL of the worker's own server; its folder is short, as a socket's name must be."""
    home = Path(tempfile.mkdtemp(prefix="segpipe-"))
    try:
        url = embedded.start(home)
        with postgres.connect(url) as connection:  # no test pulls the plug of this one
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield url
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """URL of an empty database, dropped after the test."""
    name = f"test_{uuid4().hex}"
    with postgres.connect(server_url) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    yield server_url.replace("/postgres?", f"/{name}?")
    with postgres.connect(server_url) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def database(database_url: str) -> Iterator[Connection]:
    """Connection to a fresh database that has segpipe's tables."""
    with postgres.connect(database_url) as connection:
        migrate.upgrade(connection)
        yield connection


class Rows(Protocol):
    """Makes a membership batch: ids, and what every row of it has in common."""

    def __call__(
        self, ids: Sequence[str], value: float = 10.0, segments: Mapping[str, str] | None = None
    ) -> pa.RecordBatch: ...


AXES = ("purchase_value", "price_sensitivity", "loyalty_trajectory")


@pytest.fixture
def rows() -> Rows:
    """Batches on the axes `AXES`; the strength is 0.12345 on all of them."""

    def make(
        ids: Sequence[str], value: float = 10.0, segments: Mapping[str, str] | None = None
    ) -> pa.RecordBatch:
        names = {
            "purchase_value": "whale",
            "price_sensitivity": "deal_hunter",
            "loyalty_trajectory": "declining",
            **(segments or {}),
        }
        n = len(ids)
        columns: dict[str, pa.Array] = {"customer_id": pa.array(ids, pa.string())}
        for metric, kind in METRICS.items():
            if kind == "VARCHAR":
                columns[metric] = pa.nulls(n, pa.string())
                continue
            is_double = kind == "DOUBLE"
            columns[metric] = pa.array([value] * n, pa.float64() if is_double else pa.int32())
        for axis, name in names.items():
            codes = pa.array([1] * n, pa.int8())
            columns[axis] = pa.DictionaryArray.from_arrays(codes, ["nobody", name])
            columns[strength_column(axis)] = pa.array([0.12345] * n)
        return pa.RecordBatch.from_pydict(columns)

    return make
