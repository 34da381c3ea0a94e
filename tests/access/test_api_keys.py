"""API keys: tokens of which only the hash is kept, and their table and commands."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe import postgres
from segpipe.access.api_keys import ApiKey, authenticated, hash_token, new_token
from segpipe.access.key_table import create_key, list_keys, read_active_keys, revoke_key
from segpipe.core.errors import DatabaseError, InputError
from segpipe.postgres import Connection
from tests.support.commands import call

TOKEN = "segpipe_5_" + "aB3-_" * 8 + "xyz"
SHOP = ApiKey(5, "shop", "read", 60, hash_token(TOKEN))
KEYS = {5: SHOP, 6: ApiKey(6, "other", "write", 60, hash_token("segpipe_6_" + "z" * 43))}


def test_a_token_names_its_key_and_no_two_are_alike() -> None:
    tokens = {new_token(12) for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"segpipe_12_[A-Za-z0-9_-]{43}", token) for token in tokens)


def test_the_hash_is_sha_256() -> None:
    """The test vector of FIPS 180-4."""
    assert hash_token("abc").hex() == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_a_token_authenticates_its_key() -> None:
    assert authenticated(TOKEN, KEYS) == SHOP
    made = new_token(2**63 - 1)
    longest = ApiKey(2**63 - 1, "last", "read", 1, hash_token(made))
    assert authenticated(made, {longest.key_id: longest}) == longest


@pytest.mark.parametrize(
    "token",
    [
        "",
        "segpipe_5_",
        TOKEN[:-1],
        TOKEN[:-1] + "Z",
        TOKEN + "a",
        TOKEN + "\n",
        " " + TOKEN,
        TOKEN.upper(),
        TOKEN.replace("_5_", "_6_"),
        TOKEN.replace("_5_", "_05_"),
        TOKEN.replace("_5_", "_\u0665_"),
        TOKEN.replace("_5_", "_7_"),
        TOKEN.replace("_5_", "_99999999999999999999_"),
        TOKEN.replace("xyz", "xyé"),
        TOKEN.replace("xyz", "xy\udcff"),
        TOKEN.replace("xyz", "xy\0"),
        SHOP.token_hash.hex(),
        "segpipe_5_" + "a" * 10_000_000,
        "5" * 100_000,
    ],
    ids=range(19),
)
def test_any_other_text_authenticates_nobody(token: str) -> None:
    assert authenticated(token, KEYS) is None


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert authenticated(text, KEYS) is None
    assert authenticated("segpipe_5_" + text, KEYS) is None


def test_without_keys_nobody_is_authenticated() -> None:
    assert authenticated(TOKEN, {}) is None


def test_the_hash_is_in_no_repr() -> None:
    assert repr(SHOP) == "ApiKey(key_id=5, name='shop', scope='read', rate_per_minute=60)"


def test_a_key_is_created_used_and_revoked(database: Connection) -> None:
    shop, token = create_key(database, "shop", "write", 90)
    other, other_token = create_key(database, "Öl & Söhne 100%", "read", 6000)
    active = read_active_keys(database)
    assert active == {shop.key_id: shop, other.key_id: other}
    assert (shop.name, shop.scope, shop.rate_per_minute) == ("shop", "write", 90)
    assert authenticated(token, active) == shop
    assert revoke_key(database, "shop") == shop.key_id
    active = read_active_keys(database)
    assert authenticated(token, active) is None
    assert authenticated(other_token, active) == other


def test_a_token_is_stored_nowhere(database: Connection) -> None:
    _, token = create_key(database, "shop", "read", 60)
    row = str(postgres.fetch_one(database, "SELECT api_keys::text FROM api_keys")[0])
    assert hash_token(token).hex() in row
    assert token not in row
    assert token.rpartition("_")[2] not in row
    assert "token" not in str(list_keys(database))


def test_a_name_has_one_active_key_and_may_have_another_later(database: Connection) -> None:
    _, before = create_key(database, "shop", "read", 60)
    with pytest.raises(InputError, match="active key 'shop' already; choose another name"):
        create_key(database, "shop", "write", 60)
    revoke_key(database, "shop")
    later, token = create_key(database, "shop", "write", 60)
    active = read_active_keys(database)
    assert list(active) == [later.key_id]
    assert authenticated(before, active) is None
    assert authenticated(token, active) == later
    found = [(key["name"], key["revoked_at"] is None) for key in list_keys(database)]
    assert found == [("shop", False), ("shop", True)]


def test_an_unknown_key_is_reported_with_the_active_ones(database: Connection) -> None:
    with pytest.raises(InputError, match="'shop'; make one"):
        revoke_key(database, "shop")
    for name in ("shop-web", "shop-app", "zebra"):
        create_key(database, name, "read", 60)
    with pytest.raises(InputError, match=r"'shop-wen'. Did you mean shop-web or shop-app"):
        revoke_key(database, "shop-wen")
    revoke_key(database, "shop-web")
    with pytest.raises(InputError, match=r"'shop-web'. Did you mean shop-app"):
        revoke_key(database, "shop-web")
    with pytest.raises(InputError, match=r"'QQ'. Known: shop-app, zebra"):
        revoke_key(database, "QQ")


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "a\nb", "\x1b[31mred", "x" * 101, "a\udcff"])
def test_a_name_is_1_to_100_printable_characters(database: Connection, name: str) -> None:
    with pytest.raises(InputError, match="expected 1 to 100 printable"):
        create_key(database, name, "read", 60)
    with pytest.raises(InputError, match="expected 1 to 100 printable"):
        revoke_key(database, name)
    assert list_keys(database) == []


@pytest.mark.parametrize(
    "row",
    [
        "'twice', 'read', 60, sha256('x')",
        "'', 'read', 60, sha256('x')",
        "'a', 'admin', 60, sha256('x')",
        "'a', 'read', 0, sha256('x')",
        "'a', 'read', 60, 'short'",
    ],
)
def test_the_table_itself_rejects_invalid_keys(database: Connection, row: str) -> None:
    create_key(database, "twice", "read", 60)
    insert = f"INSERT INTO api_keys (name, scope, rate_per_minute, token_hash) VALUES ({row})"
    with pytest.raises(DatabaseError), postgres.plain_errors():
        database.execute(insert.encode())


def test_the_commands_create_list_and_revoke(
    capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    url = ("--database-url", database_url)
    assert call(capsys, "keys", "list", *url).out == "No key yet.\n"
    assert json.loads(call(capsys, "keys", "list", "--json", *url).out) == []
    made = call(capsys, "keys", "create", "shop", *url)
    assert made.status == 0
    assert re.fullmatch(r"segpipe_1_[A-Za-z0-9_-]{43}\n", made.out)
    assert "key 1 of 'shop': read, 6,000 requests a minute" in made.err
    assert "shown only this once" in made.err
    token = made.out.strip()
    writer = call(capsys, "keys", "create", "app", "--scope", "write", "--rate-per-minute", 9, *url)
    assert writer.status == 0
    revoked = call(capsys, "keys", "revoke", "app", *url)
    assert (revoked.status, revoked.out) == (0, "")
    assert "key 2 of 'app' is revoked" in revoked.err
    listed = call(capsys, "keys", "list", *url)
    as_json = call(capsys, "keys", "list", "--json", *url)
    head, first, second = listed.out.splitlines()
    assert head.split() == [
        *("key_id", "name", "scope", "rate_per_minute", "created_at", "revoked_at")
    ]
    assert first.split()[:4] == ["1", "shop", "read", "6,000"]
    assert second.split()[:4] == ["2", "app", "write", "9"]
    by_name = {row["name"]: row for row in json.loads(as_json.out)}
    assert set(by_name["shop"]) == set(head.split())
    assert by_name["shop"]["revoked_at"] is None
    assert by_name["app"]["revoked_at"]
    for outcome in (made, listed, as_json, revoked):
        assert token not in outcome.err
    assert token not in listed.out + as_json.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "shop"), "active key 'shop' already"),
        (("create", "other", "--scope", "all"), "'all' is not one of 'read', 'write'"),
        (("create", "other", "--rate-per-minute", "0"), "1<=x<=1000000"),
        (("create", ""), "has 0 characters: ''; expected 1 to 100"),
        (("revoke", "shoq"), "Did you mean shop?"),
    ],
)
def test_a_mistake_ends_with_status_2(
    capsys: pytest.CaptureFixture[str],
    database: Connection,
    database_url: str,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    create_key(database, "shop", "read", 60)
    outcome = call(capsys, "keys", *arguments, "--database-url", database_url)
    assert (outcome.status, outcome.out) == (2, "")
    assert message in outcome.err
    assert list(read_active_keys(database)) == [1]


@pytest.mark.parametrize("command", ["create", "revoke"])
def test_a_token_given_as_a_name_is_not_repeated(
    capsys: pytest.CaptureFixture[str], database_url: str, command: str
) -> None:
    outcome = call(capsys, "keys", command, TOKEN, "--database-url", database_url)
    assert outcome.status == 2
    assert "that of key 5" in outcome.err
    assert TOKEN[10:] not in outcome.err + outcome.out
