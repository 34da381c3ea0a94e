"""Timestamps of every accepted form, in the shop's time zone and out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from segpipe.core.errors import InputError
from tests.support.sources import HEADER, read, write


def _stamps(tmp_path: Path, text: str, timezone: str = "UTC") -> tuple[str, str]:
    path = write(tmp_path / "a.csv", HEADER, f"a,1,{text},1")
    [line] = read(path, timezone=timezone).lines
    return str(line["ordered_at"]), str(line["ordered_local"])


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-06-01", "2024-06-01 00:00:00"),
        ("2024/06/01", "2024-06-01 00:00:00"),
        ("2024-06-01 10:20", "2024-06-01 10:20:00"),
        ("2024-06-01T10:20:30", "2024-06-01 10:20:30"),
        (" 2024-06-01 10:20:30 ", "2024-06-01 10:20:30"),
        ("2024-06-01 10:20:30.25", "2024-06-01 10:20:30.250000"),
        ("2024-06-01T10:20:30Z", "2024-06-01 10:20:30"),
        ("2024-06-01T10:20:30.000Z", "2024-06-01 10:20:30"),
        ("2024-06-01 10:20:30 UTC", "2024-06-01 10:20:30"),
        ("2024-06-01 10:20:30+02:00", "2024-06-01 08:20:30"),
        ("2024-06-01 10:20:30 +02:00", "2024-06-01 08:20:30"),
        ("2024-06-01 10:20:30 -0400", "2024-06-01 14:20:30"),
        ("2024-06-01T10:20:30+02", "2024-06-01 08:20:30"),
        ("2024-06-01 10:20+02", "2024-06-01 08:20:00"),
    ],
)
def test_timestamps_are_stored_in_utc(tmp_path: Path, text: str, utc: str) -> None:
    assert _stamps(tmp_path, text) == (utc, utc)


@pytest.mark.parametrize(
    ("text", "utc", "local"),
    [
        ("2024-06-01 10:00:00", "2024-06-01 08:00:00", "2024-06-01 10:00:00"),
        ("2024-01-01 10:00:00", "2024-01-01 09:00:00", "2024-01-01 10:00:00"),
        ("2024-06-01T10:00:00Z", "2024-06-01 10:00:00", "2024-06-01 12:00:00"),
        ("2024-06-01 10:00:00-04:00", "2024-06-01 14:00:00", "2024-06-01 16:00:00"),
        ("2024-06-01", "2024-05-31 22:00:00", "2024-06-01 00:00:00"),
    ],
)
def test_stamps_without_offset_are_the_shops_wall_clock(
    tmp_path: Path, text: str, utc: str, local: str
) -> None:
    assert _stamps(tmp_path, text, "Europe/Berlin") == (utc, local)


def test_the_zone_of_the_host_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _stamps(tmp_path, "2024-06-01 10:00:00", "Europe/Berlin")
    monkeypatch.setenv("TZ", "America/New_York")
    assert _stamps(tmp_path, "2024-06-01 10:00:00", "Europe/Berlin") == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("yesterday", "date cannot be read"),
        ("2024-13-01", "date cannot be read"),
        ("2024-06-01 25:00:00", "date cannot be read"),
        ("01.06.2024", "date cannot be read"),
        ("2024-06-01 10:00:00 CEST", "date cannot be read"),
        ("1969-12-31", "date is outside 1970 to 2200"),
        ("2201-01-01", "date is outside 1970 to 2200"),
        ("infinity", "date is outside 1970 to 2200"),
        ("", "date is missing"),
    ],
)
def test_an_invalid_date_is_rejected(tmp_path: Path, text: str, reason: str) -> None:
    path = write(tmp_path / "a.csv", HEADER, f"a,1,{text},1", "a,2,2024-06-01,1")
    reading = read(path, max_reject_share=0.5)
    assert reading.rejects == [(2, reason, text)]


def test_date_only_has_no_time_of_day(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, "a,1,2024-06-01,1", "a,2,2024-06-02,1")
    assert "time_of_day" not in read(path, timezone="Europe/Berlin").info.inputs


def test_an_unknown_time_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="IANA"):
        read(tmp_path / "a.csv", timezone="Berlin")


def test_day_first_and_us_forms_come_from_the_preset(tmp_path: Path) -> None:
    columns = "\n".join(f'{name} = "{name}"' for name in HEADER.split(","))
    path = write(tmp_path / "a.csv", HEADER, "a,1,03/04/2024 10:00,1", "a,2,5/6/24 9:05,1")
    for name, forms, expected in (
        ("day_first", '["%d/%m/%Y %H:%M", "%d/%m/%y %H:%M"]', ["2024-04-03", "2024-06-05"]),
        ("us", '["%m/%d/%Y %H:%M", "%m/%d/%y %H:%M"]', ["2024-03-04", "2024-05-06"]),
    ):
        mapping = write(
            tmp_path / f"{name}.toml", "[columns]", columns, "[text]", f"timestamps = {forms}"
        )
        reading = read(path, preset=name, preset_paths=(mapping,))
        assert [str(at)[:10] for at in reading.column("ordered_at")] == expected
