"""Commands that only read the ledger or its tables load no engine and no learner."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from segpipe import postgres
from segpipe.access.key_table import create_key
from segpipe.postgres import Connection
from tests.support.moving_customers import APRIL, MARCH, Customer, Shop

ENGINES = ("duckdb", "ibis", "pyarrow")
HEAVY = (*ENGINES, "alembic", "numpy", "pandas", "scipy", "sklearn", "sqlalchemy")
_RUN = """
import json, sys
from segpipe.cli import main
try:
    main(sys.argv[2:])
finally:
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    open(sys.argv[1], "w").write(json.dumps(loaded))
"""
COMMANDS = (
    ("runs",),
    ("runs", "--json"),
    ("runs", "prune", "--keep", "2"),
    ("show", "a"),
    ("transitions",),
    ("diff", "1", "latest"),
    ("sql",),
    ("sql", "whales_who_wait_for_discounts"),
    ("keys", "list"),
    ("keys", "create", "till"),
    ("keys", "revoke", "shop"),
    ("db", "status"),
    ("db", "upgrade"),
    ("db", "url"),
    ("rollback",),
    ("forget", "a", "--yes"),
)


@pytest.fixture
def url(database: Connection) -> str:
    """A store with two runs, and a key."""
    shop = Shop(database)
    shop.publish({"a": Customer(), "b": Customer()}, MARCH)
    shop.publish({"a": Customer("whale"), "b": Customer()}, APRIL)
    create_key(database, "shop", "read", 60)
    return postgres.location(database)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_light_command_loads_no_engine(
    command: tuple[str, ...], url: str, tmp_path: Path
) -> None:
    assert _loaded(tmp_path, *command, "--database-url", url).isdisjoint(HEAVY)


def test_an_export_loads_no_engine(url: str, tmp_path: Path) -> None:
    export = ("export", "--format", "yaml", "--out", str(tmp_path / "out"), "--quiet")
    assert _loaded(tmp_path, *export, "--database-url", url).isdisjoint(HEAVY)


def test_the_help_loads_no_database(tmp_path: Path) -> None:
    assert _loaded(tmp_path, "--help").isdisjoint((*HEAVY, "psycopg"))


@pytest.mark.parametrize("module", ["segpipe.runs", "segpipe.access.key_table"])
def test_the_ledger_is_imported_in_a_quarter_of_a_second(module: str) -> None:
    program = f"import {module}, resource; u = resource.getrusage(resource.RUSAGE_SELF)"
    seconds = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", f"{program}; print(u.ru_utime + u.ru_stime)"],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds.append(float(done.stdout))
    assert min(seconds) < 0.25


def _loaded(folder: Path, *command: str) -> set[str]:
    """Packages that the command has imported by its end."""
    path = folder / "loaded.json"
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(path), *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(path.read_text()))
