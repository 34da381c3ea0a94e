"""Records that cannot be read: reason, line number, value, and when the run is refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from segpipe.core.errors import GateError, InputError
from segpipe.core.settings import EngineSettings, SourceSettings
from segpipe.engines.duckdb import open_engine
from segpipe.sources import read_order_lines
from tests.support.sources import HEADER, read, rejects_of, write

ROW = "a,1,2024-05-06,1"
WIDE = f"{HEADER},quantity,discount_amount,refund_amount,unit_price"


@pytest.mark.parametrize(
    ("row", "reason", "value"),
    [
        ("a,1,2024-05-06,NaN,1,0,0,1", "amount is not a number", "NaN"),
        ("a,1,2024-05-06,inf,1,0,0,1", "amount is not a number", "inf"),
        ("a,1,2024-05-06,-Infinity,1,0,0,1", "amount is not a number", "-Infinity"),
        ("a,1,2024-05-06,ten,1,0,0,1", "amount is not a number", "ten"),
        ('a,1,2024-05-06,"1,5",1,0,0,1', "amount is not a number", "1,5"),
        ("a,1,2024-05-06,1e30,1,0,0,1", "amount is over 9,999,999,999", "1e30"),
        ("a,1,2024-05-06,-10000000000,1,0,0,1", "amount is over 9,999,999,999", "-10000000000"),
        ("a,1,2024-05-06,1,1,0,0,1e10", "unit price is over 9,999,999,999", "1e10"),
        ("a,1,2024-05-06,,1,0,0,1", "amount is missing", ""),
        ("a,1,2024-05-06,1,two,0,0,1", "quantity is not a number", "two"),
        ("a,1,2024-05-06,1,1,nan,0,1", "discount is not a number", "nan"),
        ("a,1,2024-05-06,1,1,0,$3,1", "refund is not a number", "$3"),
        ("a,1,2024-05-06,1,1,0,0,x", "unit price is not a number", "x"),
        ("a,1,soon,1,1,0,0,1", "date cannot be read", "soon"),
        ("a,1,,1,1,0,0,1", "date is missing", ""),
        ("a,,2024-05-06,1,1,0,0,1", "order id is missing", ""),
        (
            f"{'x' * 101},1,2024-05-06,1,1,0,0,1",
            "customer id is over 100 characters",
            "x" * 101,
        ),
        (f"a,{'x' * 101},2024-05-06,1,1,0,0,1", "order id is over 100 characters", "x" * 101),
        ("a,1,2024-05-06", "too few columns", "a,1,2024-05-06"),
        ("a,1,2024-05-06,1,1,0,0,1,9", "too many columns", "a,1,2024-05-06,1,1,0,0,1,9"),
    ],
)
def test_reason_line_and_value_are_written(
    tmp_path: Path, row: str, reason: str, value: str
) -> None:
    good = "a,1,2024-05-06,1,1,0,0,1"
    path = write(tmp_path / "a.csv", WIDE, good, row, *[good] * 30)
    reading = read(path)
    assert reading.rejects == [(3, reason, value)]
    info = reading.info
    assert (info.n_rows_read, info.n_rows_rejected, len(reading.lines)) == (32, 1, 31)
    assert info.reject_reasons == {reason: 1}
    assert info.rejects_path == tmp_path / "a.rejects.csv"


def test_no_rejects_no_file(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", HEADER, ROW)).info.rejects_path is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_invalid_unicode_in_a_unicode_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    good = f"{ROW},Möbel".encode()
    path.write_bytes(
        b"\n".join([f"{HEADER},category".encode(), *[good] * 30, f"{ROW},M".encode() + b"\xf6"])
    )
    reading = read(path)
    [(line, reason, _)] = reading.rejects
    assert (line, reason) == (32, "invalid unicode")


def test_a_line_too_long_is_rejected(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", f"{HEADER},category", *[f"{ROW},x"] * 30, f"{ROW},{'y' * 2_100_000}"
    )
    [(line, reason, _)] = read(path).rejects
    assert (line, reason) == (32, "line is too long")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_counted_through_breaks_in_quotes_and_blank_lines(
    tmp_path: Path, end: str
) -> None:
    path = tmp_path / "a.csv"
    lines = [
        f"{HEADER},category",  # 1
        f'{ROW},"two{end}lines"',  # 2 and 3
        "",  # 4
        "a,1,never,1,x",  # 5
        "a,1",  # 6
        f'{ROW},"three{end}{end}lines"',  # 7 to 9
        "a,1,2024-05-06,z,x",  # 10
        "",
        "",
        "a,1,2,3,4,5,6",  # 13
        *[f"{ROW},x"] * 90,
    ]
    path.write_text(end.join(lines), newline="")
    assert [(line, reason) for line, reason, _ in read(path).rejects] == [
        (5, "date cannot be read"),
        (6, "too few columns"),
        (10, "amount is not a number"),
        (13, "too many columns"),
    ]


def test_line_numbers_hold_in_a_file_read_by_several_threads(tmp_path: Path) -> None:
    dice = random.Random(1)  # noqa: S311 - a file, no secret
    lines, expected = [f"{HEADER},category"], []
    n_physical = 1
    for i in range(130_000):  # 20 MB, which the engine reads in several parts
        kind = dice.choices(("good", "broken", "date", "quoted"), (970, 1, 1, 28))[0]
        if kind in ("broken", "date"):
            expected.append(n_physical + 1)
        row = {
            "good": f"customer{i},{i},2024-05-06 10:00:00,1.25,{'some category ' * 8}",
            "broken": f"customer{i},{i}",
            "date": f"customer{i},{i},never,1.25,some category",
            "quoted": f'customer{i},{i},2024-05-06,1,"a\nb"',
        }[kind]
        lines.append(row)
        n_physical += 1 + row.count("\n")
    reading = read(write(tmp_path / "a.csv", *lines))
    assert [line for line, _, _ in reading.rejects] == expected
    assert reading.info.n_rows_read == 130_000


def test_lines_swallowed_by_an_open_quote_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, *[ROW] * 80, 'a,"1,2024-05-06,1', *[ROW] * 20)
    with pytest.raises(GateError, match=r"21 of 101 rows \(20\.8%\).*unbalanced quotes"):
        read(path)
    assert read(path, max_reject_share=0.3).info.n_rows_rejected == 21


def test_too_many_rejects_refuse_the_run_and_are_still_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, *[ROW] * 8, "a,1,x,1", "a,1,2024-05-06,y", "a,1,x,1")
    with pytest.raises(GateError) as caught:
        read(path)
    message = str(caught.value)
    assert caught.value.exit_status == 3
    assert "3 of 11 rows (27.3%) were rejected, more than the 5.0% allowed" in message
    assert "most often: date cannot be read (2)" in message
    assert str(tmp_path / "a.rejects.csv") in message
    assert len(rejects_of(tmp_path / "a.rejects.csv")) == 3


def test_a_forced_run_continues_and_keeps_the_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, *[ROW] * 8, "a,1,x,1")
    with open_engine(EngineSettings()) as engine:
        info = read_order_lines(engine, SourceSettings(paths=(str(path),)), is_forced=True)
    assert info.n_rows_rejected == 1
    (reason,) = info.over_limit
    assert reason.startswith("1 of 9 rows (11.1%) were rejected, more than the 5.0% allowed")
    assert read(path, max_reject_share=0.2).info.over_limit == ()


def test_the_limit_is_inclusive(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, *[ROW] * 19, "a,1,x,1")
    assert read(path).info.n_rows_rejected == 1


def test_every_row_rejected_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, "a,1,x,1")
    with pytest.raises(InputError, match="No order line remains of 1 rows: 1 were rejected"):
        read(path, max_reject_share=1.0)


def test_the_rejects_file_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, *[ROW] * 30, "a,1,x,1")
    wanted = tmp_path / "elsewhere.csv"
    assert read(path, rejects_path=wanted).info.rejects_path == wanted
    assert len(rejects_of(wanted)) == 1


def test_rejects_go_to_the_working_folder_where_the_inputs_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    path = write(folder / "a.csv", HEADER, *[ROW] * 30, "a,1,x,1")
    (folder / "a.rejects.csv").mkdir()  # a name that is taken stops root too, as a mode would not
    monkeypatch.chdir(tmp_path)
    assert read(path).info.rejects_path == tmp_path / "a.rejects.csv"


def test_a_named_rejects_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, *[ROW] * 30, "a,1,x,1")
    with pytest.raises(InputError, match="cannot be written"):
        read(path, rejects_path=tmp_path / "none" / "a.csv")


def test_rejects_of_several_files_name_their_file(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", HEADER, *[ROW] * 30, "a,1,x,1")
    other = write(tmp_path / "b.csv", HEADER, "a,1", *[ROW] * 30)
    reading = read(one, other)
    assert reading.rejects == [
        (32, "date cannot be read", "x"),
        (2, "too few columns", "a,1"),
    ]
    assert reading.info.rejects_path is not None
    written = reading.info.rejects_path.read_text()
    assert f"{one},32" in written
    assert f"{other},2" in written
