"""Bad input ends in one plain sentence and status 2, or in a run that reports what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from segpipe import postgres
from tests.support.commands import (
    FEW_KS,
    HEADER,
    assert_whole,
    call,
    profiles,
    shop_lines,
    write_shop,
)

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8


def refused(
    capsys: pytest.CaptureFixture[str], path: Path, *expected: str, options: tuple[str, ...] = ()
) -> None:
    outcome = call(capsys, "run", "--csv-path", path, "--dry-run", "--quiet", *options)
    assert outcome.status == 2, outcome.err
    assert outcome.out == ""
    last = outcome.err.strip()
    assert last.startswith("segpipe: error: ")
    assert "Traceback" not in last
    assert "\n" not in last
    for words in expected:
        assert words in last


def test_a_missing_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    refused(capsys, tmp_path / "absent.csv", "absent.csv")


def test_an_empty_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.touch()
    refused(capsys, path, "empty")


def test_a_header_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    refused(capsys, write_shop(tmp_path / "header.csv", []), "header.csv")


def test_a_directory(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    refused(capsys, tmp_path, "director")


def test_a_binary_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "photo.csv"
    path.write_bytes(PNG)
    refused(capsys, path, "photo.csv")


def test_a_missing_column(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_shop(tmp_path / "short.csv", ["c1,o1,2024-01-01"], "customer_id,order_id,when")
    refused(capsys, path, "ordered_at", "line_amount", "when")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("2024-05-01T10:00:00", "the other day"),
        ("20.5", "twenty"),
        ("20.5", "NaN"),
        ("20.5", "Infinity"),
        ("20.5", "-inf"),
        ("c1", "x" * 101),
    ],
)
def test_a_line_that_cannot_be_read_is_rejected_with_its_number(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str, field: str, value: str
) -> None:
    bad = "c1,o1,2024-05-01T10:00:00,20.5,1,0,0,p1,cat1,web".replace(field, value, 1)
    lines = shop_lines(40)
    path = write_shop(tmp_path / "shop.csv", [*lines[:10], bad, *lines[10:]])
    url = ("--database-url", database_url)
    outcome = call(capsys, "run", "--csv-path", path, *url, "--quiet", *FEW_KS)
    assert outcome.status == 0, outcome.err
    assert f"{len(lines) + 1:,} read, 1 rejected" in outcome.out
    rejects = (tmp_path / "shop.rejects.csv").read_text().splitlines()
    assert len(rejects) == 2
    assert ",12," in rejects[1]
    assert_whole(profiles(database_url))


def test_too_many_rejects_refuse_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad = ["c1,o1,never,20.5,1,0,0,p1,cat1,web"] * 30
    path = write_shop(tmp_path / "shop.csv", [*shop_lines(40), *bad])
    outcome = call(capsys, "run", "--csv-path", path, "--dry-run", "--quiet")
    assert outcome.status == 3
    assert "30 of " in outcome.err
    assert "--force continues without them" in outcome.err
    relaxed = call(
        capsys, "run", "--csv-path", path, "--dry-run", "--quiet", "--max-reject-share", "0.5"
    )
    assert relaxed.status == 0


def published(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, url: str, lines: list[str]
) -> str:
    path = write_shop(tmp_path / "shop.csv", lines)
    outcome = call(capsys, "run", "--csv-path", path, "--database-url", url, "--quiet", *FEW_KS)
    assert outcome.status == 0, outcome.err
    assert outcome.err == ""
    assert_whole(profiles(url))
    return outcome.out


def line(
    customer: str = "c1",
    order: str = "o1",
    at: str = "2024-05-01T10:00:00",
    amount: float = 20.0,
    rest: str = "1,0,0,p1,cat1,web",
) -> str:
    return f"{customer},{order},{at},{amount},{rest}"


def test_ids_that_look_like_numbers_stay_text(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    ids = ["007", "7415378247935", "1e5", "00", "0x1F", "-1", "12346.0"]
    published(capsys, tmp_path, database_url, [line(customer) for customer in ids])
    expected = sorted([*ids[:-1], "12346"])
    assert sorted(profile["customer_id"] for profile in profiles(database_url)) == expected


def test_one_customer_only(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    out = published(capsys, tmp_path, database_url, [line(), line(order="o2", amount=7)])
    assert "all customers are alike" in out


def test_every_customer_with_one_order(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    lines = [line(f"c{i}", f"o{i}", amount=10 + i * 3.7) for i in range(60)]
    published(capsys, tmp_path, database_url, lines)
    names = {p["segment_memberships"]["purchase_frequency"] for p in profiles(database_url)}
    assert names == {"one_time_buyer"}


def test_all_amounts_equal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    lines = [line(f"c{i}", f"o{i}") for i in range(60)]
    out = published(capsys, tmp_path, database_url, lines)
    rows = [" ".join(text.split()) for text in out.splitlines()]
    row = next(text for text in rows if text.startswith("purchase_value "))
    assert "100% / 100%" in row or "unavailable" in row


def test_all_refunds_is_an_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_shop(tmp_path / "shop.csv", [line(f"c{i}", amount=-5) for i in range(9)])
    refused(capsys, path, "returns only")


def test_all_orders_refunded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    lines = [line(f"c{i}", amount=10 + i, rest=f"1,0,{10 + i},p{i},a,web") for i in range(30)]
    published(capsys, tmp_path, database_url, lines)
    assert {profile["lifetime_value"] for profile in profiles(database_url)} == {0.0}


def test_a_free_order_with_a_discount(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    free = line("free", "of", amount=0, rest="1,20,0,p1,cat1,web")
    published(capsys, tmp_path, database_url, [*shop_lines(60), free])
    found = {profile["customer_id"]: profile for profile in profiles(database_url)}
    assert found["free"]["lifetime_value"] == 0
    assert found["free"]["segment_memberships"]["price_sensitivity"] != "full_price_buyer"


def test_an_outlier_does_not_empty_the_other_segments(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    published(capsys, tmp_path, database_url, [*shop_lines(120), line("rich", amount=750_000)])
    values = [p["segment_memberships"]["purchase_value"] for p in profiles(database_url)]
    shares = [values.count(name) / len(values) for name in set(values)]
    assert len(shares) >= 2
    assert min(shares) >= 0.02


def test_timestamps_with_z_offset_and_without_are_the_same_moment(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    stamps = ["2024-05-01T10:00:00Z", "2024-05-01T12:00:00+02:00", "2024-05-01 10:00:00"]
    lines = [line(f"c{i}", at=stamp) for i, stamp in enumerate(stamps)]
    published(capsys, tmp_path, database_url, lines)
    assert {p["days_since_last_purchase"] for p in profiles(database_url)} == {1}


def test_two_currencies_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = [line() + ",EUR", line("c2") + ",USD"]
    path = write_shop(tmp_path / "shop.csv", lines, HEADER + ",currency")
    refused(capsys, path, "EUR", "USD")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--sample-size", "5"), "sample.size is 5"),
        (("--min-k", "1"), "cluster.min_k is 1"),
        (("--min-k", "5", "--max-k", "3"), "cluster.max_k is 3"),
        (("--source", "shopfy"), "shopify"),
        (("--timezone", "Mars/Base"), "Mars/Base"),
        (("--store-id", ""), "store_id"),
        (("--config", "absent.toml"), "absent.toml"),
        (("--model", "absent.json"), "absent.json"),
        (("--as-of", "1999-01-01"), "1999-01-01"),
        (("--memory-limit", "many"), "Memory"),
    ],
)
def test_an_invalid_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    path = write_shop(tmp_path / "shop.csv", shop_lines(5))
    refused(capsys, path, expected, options=options)


def test_no_input_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "run", "--dry-run")
    assert outcome.status == 2
    assert "--csv-path" in outcome.err


def test_a_server_that_is_down(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_shop(tmp_path / "shop.csv", shop_lines(5))
    url = "postgresql://segpipe:hidden@127.0.0.1:1/shop"
    outcome = call(capsys, "run", "--csv-path", path, "--database-url", url, "--quiet")
    assert outcome.status == 2
    assert "127.0.0.1" in outcome.err
    assert "hidden" not in outcome.err


def test_a_database_without_the_right_to_create_tables(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    role = "reader_" + tmp_path.name.replace("-", "_")[-40:]
    with postgres.connect(database_url) as connection:
        connection.execute(f'CREATE ROLE "{role}" LOGIN'.encode())
    try:
        path = write_shop(tmp_path / "shop.csv", shop_lines(5))
        url = database_url.replace("postgres:@", f"{role}@").replace("postgres@", f"{role}@")
        outcome = call(capsys, "run", "--csv-path", path, "--database-url", url, "--quiet")
        assert outcome.status == 2
        assert "GRANT" in outcome.err
        assert "\n" not in outcome.err.strip()
    finally:
        with postgres.connect(database_url) as connection:
            connection.execute(f'DROP ROLE "{role}"'.encode())


def test_an_output_over_the_input_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad = "c1,o1,never,20.5,1,0,0,p1,cat1,web"
    path = write_shop(tmp_path / "shop.csv", [*shop_lines(40), bad])
    before = path.read_bytes()
    for option in ("--rejects", "--model-out"):
        refused(capsys, path, option, "overwritten", options=(option, str(path)))
        assert path.read_bytes() == before
    tickets = tmp_path / "tickets.csv"
    tickets.write_text("customer_id,created_at,channel\n", encoding="utf-8")
    both = ("--resume", "--tickets", str(tickets), "--model-out", str(tickets))
    refused(capsys, path, "--model-out", "overwritten", options=both)
    assert tickets.read_text(encoding="utf-8").startswith("customer_id")
