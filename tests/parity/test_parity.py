"""`segpipe parity` finds no difference where there is none, and any that there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from segpipe import postgres
from tests.support.commands import call, shop_lines, write_shop
from tests.support.services import Served, make_keys, publish, publish_file, serving

pytestmark = pytest.mark.service


@dataclass(frozen=True)
class Shop:
    """A published shop that is served, and its file."""

    served: Served
    url: str  # of its database
    path: Path

    @property
    def at(self) -> str:
        return f"http://127.0.0.1:{self.served.port}"


@pytest.fixture
def shop(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    publish(database_url, tmp_path)
    tokens = make_keys(database_url)
    monkeypatch.setenv("SEGPIPE_API_KEY", tokens["read"])
    with serving(database_url, tokens=tokens) as served:
        yield Shop(served, database_url, tmp_path / "shop1.csv")


def test_the_service_agrees_with_the_run_until_a_profile_is_touched(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("parity", "--csv-path", shop.path, "--url", shop.at, "--quiet")
    same = call(capsys, *command)
    assert (same.status, same.out) == (
        0,
        "Parity with run 1: 60 customers, 2,160 figures, 0 differences.\n",
    )
    with postgres.connect(shop.url) as connection:
        connection.execute(
            "UPDATE customer_profiles SET lifetime_value = lifetime_value + 0.0000001,"
            " rfm_score = '999', membership_strengths = membership_strengths || '{\"rfm\": 0.1234}'"
            " WHERE customer_id = 'c0007'"
        )
    other = call(capsys, *command)
    assert other.status == 1
    assert "60 customers, 2,160 figures, 3 differences." in other.out
    assert "c0007 metrics.lifetime_value: batch " in other.out
    assert "c0007 metrics.rfm_score: batch 999, service " in other.out
    assert "c0007 membership_strengths.rfm: batch 0.1234, service " in other.out
    with postgres.connect(shop.url) as connection:
        connection.execute("DELETE FROM customer_profiles WHERE customer_id = 'c0007'")
    fewer = call(capsys, *command)
    assert fewer.status == 0
    assert fewer.out.endswith("0 differences. 1 more have no profile, such as the forgotten.\n")
    some = call(capsys, *command, "--customers", "25", "--seed", "3", "--json")
    assert json.loads(some.out)["n_customers"] == 25


def test_customers_too_large_for_a_request_are_named_and_left_out(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    days = ((n, 1 + n % 28, n // 28 % 12 + 1) for n in range(2_001))
    often = [
        f"often,of{n},2024-{month:02}-{day:02}T10:00:00,20,1,0,0,p1,cat1,web"
        for n, day, month in days
    ]
    path = write_shop(tmp_path / "shop.csv", [*shop_lines(60), *often])
    publish_file(database_url, path)
    tokens = make_keys(database_url)
    monkeypatch.setenv("SEGPIPE_API_KEY", tokens["read"])
    with serving(database_url, tokens=tokens) as served:
        at = f"http://127.0.0.1:{served.port}"
        found = call(capsys, "parity", "--csv-path", path, "--url", at, "--quiet")
    assert found.status == 0, found
    assert "60 customers, 2,160 figures, 0 differences. 1 more were not accepted" in found.out
    assert "such as often (orders: List should have at most 2000 items" in found.out


def test_a_file_of_another_run_is_refused(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_shop(tmp_path / "other.csv", shop_lines(60, seed=2))
    found = call(capsys, "parity", "--csv-path", path, "--url", shop.at, "--quiet")
    assert found.status == 2
    assert "Run 1, which the service serves, was made from other files" in found.err


def test_a_service_that_cannot_be_asked_is_an_error(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("parity", "--csv-path", shop.path, "--quiet", "--url")
    monkeypatch.setenv("SEGPIPE_API_KEY", "segpipe_1_wrong")
    wrong = call(capsys, *asked, shop.at)
    assert wrong.status == 2
    assert "GET /ready was answered 401" in wrong.err
    away = call(capsys, *asked, "http://127.0.0.1:1")
    assert away.status == 2
    assert "does not answer" in away.err
    assert call(capsys, *asked, "127.0.0.1:5001").status == 2
    monkeypatch.setenv("SEGPIPE_API_KEY", "")
    none = call(capsys, *asked, shop.at)
    assert none.status == 2
    assert "SEGPIPE_API_KEY is empty" in none.err
