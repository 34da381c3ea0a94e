"""Who has been forgotten: kept as hashes, and left out of what the engine has read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from segpipe.core.errors import InputError
from segpipe.core.forgotten import Forgotten, hash_customer_id
from segpipe.core.settings import EngineSettings
from segpipe.engines.duckdb import Connection as Engine
from segpipe.engines.duckdb import open_engine
from segpipe.postgres import Connection
from segpipe.privacy import erase_customer
from segpipe.sources.forgotten import remove_forgotten
from tests.conftest import Rows
from tests.support.publishing import publish_ids


@pytest.fixture
def engine() -> Iterator[Engine]:
    with open_engine(EngineSettings(memory_limit="512MB", threads=1)) as connection:
        yield connection


def test_lines_and_tickets_of_forgotten_customers_are_left_out(engine: Engine) -> None:
    salt = "5a17"
    forgotten = Forgotten(
        salt, frozenset({hash_customer_id(salt, "a'ü"), hash_customer_id(salt, "elsewhere")})
    )
    engine.execute(
        "CREATE TABLE order_lines AS SELECT unnest(['a''ü', 'b', 'a''ü', 'a']) customer_id"
    )
    assert remove_forgotten(engine, None) == (0, 0)
    assert remove_forgotten(engine, forgotten) == (1, 2)
    assert remove_forgotten(engine, forgotten) == (0, 0)
    engine.execute("CREATE TABLE tickets AS SELECT unnest(['a''ü', 'b']) AS customer_id")
    assert remove_forgotten(engine, forgotten) == (1, 0)
    assert engine.execute("SELECT customer_id FROM tickets").fetchall() == [("b",)]
    kept = engine.execute("SELECT customer_id FROM order_lines ORDER BY 1").fetchall()
    assert kept == [("a",), ("b",)]
    tables = engine.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
    assert tables == [("order_lines",), ("tickets",)]


def test_an_input_of_forgotten_customers_alone_is_refused(engine: Engine) -> None:
    forgotten = Forgotten("s", frozenset({hash_customer_id("s", "a")}))
    engine.execute("CREATE TABLE order_lines AS SELECT 'a' AS customer_id")
    with pytest.raises(InputError, match="All 1 customers of the input have been forgotten"):
        remove_forgotten(engine, forgotten)


def test_a_hash_is_what_the_table_says_it_is(database: Connection, rows: Rows) -> None:
    publish_ids(database, rows, ["a", "b"])
    erase_customer(database, "default", "a")
    found = database.execute(
        "SELECT customer_hash = encode(sha256(convert_to(salt || 'a', 'UTF8')), 'hex')"
        " FROM forgotten_customers JOIN forgotten_salts USING (store_id)"
    ).fetchall()
    assert found == [(True,)]
