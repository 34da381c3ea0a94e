"""The roles of docs/postgres.md, made by the very statements that stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from segpipe import postgres, runs
from segpipe.access.api_keys import authenticated
from segpipe.access.key_table import create_key, list_keys, read_active_keys, revoke_key
from segpipe.core.assigned import Assigned
from segpipe.core.errors import DatabaseError, InputError
from segpipe.postgres import embedded
from segpipe.postgres.database import open_store
from segpipe.publishing.one_customer import persist
from tests.support.assigned import assigned
from tests.support.commands import AXIS_NAMES, ROOT
from tests.support.live_database import (
    Shop,
    assert_refused,
    make_model,
    make_shop,
    own_home,
    run_here,
)
from tests.support.moving_customers import Customer

pytestmark = pytest.mark.postgres

DOCUMENT = ROOT / "docs" / "postgres.md"
ROLES = ("segpipe", "marketer", "analyst", "service", "service_writer", "keykeeper")
READERS = ("marketer", "analyst", "service")

MAY_STORE = """
    SELECT name, has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
        AND has_table_privilege(name, 'UPDATE') AS may
    FROM segmentation_runs, unnest(ARRAY[measures_table, undo_table, measures_undo_table]) AS name
    WHERE to_regclass(name) IS NOT NULL
"""


@dataclass(frozen=True)
class Server:
    """A server that asks every role but the superuser for its password."""

    home: Path
    admin_url: str

    def url(self, role: str) -> str:
        """URL of the role, with its password."""
        return self.admin_url.replace("postgres@", f"{role}:{role}-hush@")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with own_home() as home:
        admin_url = embedded.start(home)
        rules = home / "pg" / "pg_hba.conf"
        rules.write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        as_admin, as_segpipe = statements()
        with postgres.connect(admin_url) as admin:
            admin.execute("SELECT pg_reload_conf()")
            admin.execute(as_admin.encode())
            for role in ROLES:
                admin.execute(f"ALTER ROLE {role} PASSWORD '{role}-hush'".encode())
        made = Server(home, admin_url)
        assert run_here("db", "upgrade", "--database-url", made.url("segpipe")).status == 0
        with postgres.connect(made.url("segpipe")) as connection:
            connection.execute(as_segpipe.encode())
        yield made


@pytest.fixture(scope="module")
def shop(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Published twice by the role `segpipe`."""
    folder = tmp_path_factory.mktemp("shop")
    shop = make_shop(server.url("segpipe"), make_model(folder), folder)
    again = shop.run(shop.after)
    assert again.status == 0, again.err
    return shop


def statements() -> tuple[str, str]:
    """The document's SQL, of the administrator and of the role that publishes."""
    text = DOCUMENT.read_text(encoding="utf-8")
    as_admin, as_segpipe = re.findall(r"^```sql\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return as_admin, as_segpipe


def test_the_publishing_role_is_nobody_special(shop: Shop) -> None:
    with postgres.connect(shop.url) as connection:
        row = postgres.fetch_one(
            connection,
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles"
            " WHERE rolname = current_user",
        )
        elsewhere = connection.execute(
            "SELECT DISTINCT nspname FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace"
            " WHERE relowner = current_user::regrole AND nspname NOT LIKE 'pg_toast%'"
        ).fetchall()
    assert row == (False, False, False, False)
    assert elsewhere == [("segments",)]
    assert sum(n for _, n in shop.current_run()) == 70


def test_the_publishing_role_rolls_back(shop: Shop) -> None:
    back = run_here("rollback", "--database-url", shop.url)
    assert back.status == 0, back.err
    assert [n for _, n in shop.current_run()] == [60]
    again = shop.run(shop.after)
    assert again.status == 0, again.err
    assert sum(n for _, n in shop.current_run()) == 70


def test_a_marketer_asks_what_readers_ask(shop: Shop, server: Server) -> None:
    assert shop.current_run()
    as_marketer = ("--database-url", server.url("marketer"))
    for command in (
        ("sql", "whales_who_wait_for_discounts"),
        ("show", "c0001"),
        ("runs",),
        ("transitions",),
    ):
        outcome = run_here(*command, *as_marketer)
        assert outcome.status == 0, (command, outcome.err)
    with postgres.connect(server.url("marketer")) as connection:
        query = "SELECT count(*) FROM current_profiles"
        assert postgres.fetch_one(connection, query) == (70,)


@pytest.mark.parametrize(
    "table",
    [
        *("forgotten_customers", "forgotten_salts", "profile_exports", "api_keys"),
        *("partition", "measures"),
    ],
)
def test_a_marketer_cannot_read_what_is_not_for_readers(
    shop: Shop, server: Server, table: str
) -> None:
    table = private_table(shop, table)
    with (
        postgres.connect(server.url("marketer")) as connection,
        pytest.raises(DatabaseError, match="permission denied"),
        postgres.plain_errors(),
    ):
        connection.execute(f'SELECT * FROM "{table}"'.encode())


@pytest.mark.parametrize("role", READERS)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE customer_profiles SET lifetime_value = 0",
        "DELETE FROM customer_profiles",
        "INSERT INTO segmentation_runs (store_id) VALUES ('theirs')",
        "TRUNCATE segment_counts",
        "DROP TABLE customer_profiles",
        "ALTER TABLE customer_profiles ADD COLUMN mine text",
        "CREATE TABLE mine (a int)",
        "UPDATE api_keys SET revoked_at = NULL",
        "INSERT INTO api_keys (name) VALUES ('mine')",
    ],
)
def test_a_reader_cannot_write(shop: Shop, server: Server, role: str, statement: str) -> None:
    assert shop.current_run()
    assert_denied(server.url(role), statement)


def test_a_reader_who_runs_segpipe_is_refused_before_any_work(shop: Shop, server: Server) -> None:
    before = shop.ledger()
    for role in (*READERS, "service_writer"):
        theirs = Shop(server.url(role), shop.model, shop.before, shop.after)
        assert_refused(theirs.run(shop.after), f"The role {role} may not publish", "segpipe")
    assert shop.ledger() == before


def test_an_analyst_explains_and_a_marketer_does_not(shop: Shop, server: Server) -> None:
    assert shop.current_run()
    command = ("explain", "c0001", "--database-url")
    explained = run_here(*command, server.url("analyst"))
    assert explained.status == 0, explained.err
    assert "Customer c0001" in explained.out
    assert_refused(run_here(*command, server.url("marketer")), "for lack of a privilege")


@pytest.mark.parametrize(
    ("role", "more"), [("analyst", ("api_keys",)), ("service", ()), ("keykeeper", ())]
)
def test_who_was_forgotten_is_for_nobody_who_does_not_store(
    shop: Shop, server: Server, role: str, more: tuple[str, ...]
) -> None:
    assert shop.current_run()
    with postgres.connect(server.url(role)) as connection:
        for table in ("forgotten_customers", "forgotten_salts", "profile_exports", *more):
            with pytest.raises(DatabaseError, match="permission denied"), postgres.plain_errors():
                connection.execute(f"SELECT * FROM {table}".encode())


def test_who_keeps_the_keys_makes_lists_and_revokes_them(shop: Shop, server: Server) -> None:
    assert shop.current_run()
    with open_store(server.url("keykeeper")) as store:
        key, token = create_key(store, "app", "read", 60)
        with pytest.raises(InputError, match="'app' already"):
            create_key(store, "app", "write", 60)
        with postgres.connect(server.url("service")) as serving:
            assert authenticated(token, read_active_keys(serving)) == key
        assert revoke_key(store, "app") == key.key_id
        assert [row["revoked_at"] is None for row in list_keys(store)] == [False]
        with postgres.connect(server.url("service")) as serving:
            assert read_active_keys(serving) == {}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT token_hash FROM api_keys",
        "UPDATE api_keys SET scope = 'write'",
        "UPDATE api_keys SET token_hash = sha256('mine')",
        "DELETE FROM api_keys",
        "SELECT * FROM customer_profiles",
        "SELECT * FROM segmentation_runs",
    ],
)
def test_who_keeps_the_keys_does_nothing_else(shop: Shop, server: Server, statement: str) -> None:
    assert shop.current_run()
    assert_denied(server.url("keykeeper"), statement)


def test_who_serves_reads_profiles_figures_and_keys(shop: Shop, server: Server) -> None:
    assert shop.current_run()
    with open_store(server.url("service")) as store:
        profile = runs.show_customer(store, "default", "c0001")
        assert profile is not None
        assert runs.read_measures(store, "default", profile["run_id"], "c0001")
        assert runs.read_model(store, runs.latest_published(store, "default") or 0) is not None
        for table in ("current_profiles", "segment_definitions", "segment_transitions"):
            assert postgres.fetch_one(store, f"SELECT count(*) >= 0 FROM {table}") == (True,)
        with pytest.raises(DatabaseError, match="for lack of a privilege"):
            create_key(store, "mine", "write", 60)


def test_who_serves_stores_a_customer_only_where_that_was_granted(
    shop: Shop, server: Server
) -> None:
    """Nothing of it is kept, for the other tests."""
    assert shop.current_run()
    with open_store(server.url("service_writer")) as store:
        run_id = runs.latest_published(store, "default") or 0
        with store.transaction(force_rollback=True):
            persist(store, "default", run_id, newcomer())
            found = runs.show_customer(store, "default", "newcomer")
            assert found is not None
            assert found["lifetime_value"] == 100
        tables = postgres.fetch_dicts(store, MAY_STORE)
        assert tables
        assert all(row["may"] for row in tables), tables
    with open_store(server.url("service")) as store:
        run_id = runs.latest_published(store, "default") or 0
        with pytest.raises(DatabaseError, match="for lack of a privilege"):
            persist(store, "default", run_id, newcomer())


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM customer_profiles",
        "UPDATE segmentation_runs SET status = 'withdrawn'",
        "INSERT INTO segmentation_runs (store_id) VALUES ('theirs')",
        "DELETE FROM segment_definitions",
        "DELETE FROM forgotten_customers",
        "INSERT INTO api_keys (name) VALUES ('mine')",
        "UPDATE api_keys SET revoked_at = NULL",
        "DROP TABLE customer_profiles",
        "CREATE TABLE mine (a int)",
    ],
)
def test_who_stores_a_customer_does_not_publish(shop: Shop, server: Server, statement: str) -> None:
    assert shop.current_run()
    assert_denied(server.url("service_writer"), statement)


def test_a_wrong_password_says_so(shop: Shop, server: Server) -> None:
    url = server.url("segpipe").replace("segpipe-hush", "guess-hush")
    theirs = Shop(url, shop.model, shop.before, shop.after)
    assert_refused(theirs.run(shop.after), "refused the user name or the password")


def test_rights_that_are_taken_away_are_named_one_by_one(shop: Shop, server: Server) -> None:
    taken = (
        ("CONNECT ON DATABASE postgres", "PUBLIC", "GRANT CONNECT ON DATABASE"),
        ("USAGE ON SCHEMA segments", "segpipe", "GRANT USAGE ON SCHEMA segments TO segpipe"),
        ("CREATE ON SCHEMA segments", "segpipe", "GRANT CREATE ON SCHEMA segments TO segpipe"),
    )
    before = shop.ledger()
    with postgres.connect(server.admin_url) as admin:
        admin.execute("ALTER SCHEMA segments OWNER TO postgres")
        admin.execute("GRANT ALL ON SCHEMA segments TO segpipe")
        try:
            for right, role, message in taken:
                admin.execute(f"REVOKE {right} FROM {role}".encode())
                refused = shop.run(shop.after)
                admin.execute(f"GRANT {right} TO {role}".encode())
                assert_refused(refused, message)
        finally:
            admin.execute("ALTER SCHEMA segments OWNER TO segpipe")
    assert shop.ledger() == before


def assert_denied(url: str, statement: str) -> None:
    with (
        postgres.connect(url) as connection,
        pytest.raises(DatabaseError, match=r"permission denied|must be owner"),
        postgres.plain_errors(),
    ):
        connection.execute(statement.encode())


def newcomer() -> Assigned:
    """A customer of no run, on all axes."""
    return assigned("newcomer", Customer(value=100), date(2026, 1, 1), AXIS_NAMES)


def private_table(shop: Shop, name: str) -> str:
    """Name of a table of the newest run, or the name itself."""
    columns = {"partition": "profiles_table", "measures": "measures_table"}
    if name not in columns:
        return name
    query = f"SELECT {columns[name]} FROM segmentation_runs ORDER BY run_id DESC LIMIT 1"
    with postgres.connect(shop.url) as connection:
        return str(postgres.fetch_one(connection, query)[0])
