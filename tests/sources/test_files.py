"""Files: paths and globs, unusable files, delimiters, encodings, gzip."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path

import pytest

from segpipe.core.errors import InputError
from tests.support.sources import HEADER, read, write

ROW = "a,1,2024-05-06,1"


def test_paths_and_globs_are_read_together(tmp_path: Path) -> None:
    for month in ("01", "02", "03"):
        write(tmp_path / f"orders-{month}.csv", HEADER, f"a,{month},2024-{month}-06,1")
    reading = read(tmp_path / "orders-0[12].csv", str(tmp_path / "orders-03.csv"))
    assert reading.column("order_id") == ["01", "02", "03"]
    assert reading.info.n_rows_read == 3


def test_a_glob_skips_rejects_of_an_earlier_run(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", HEADER, *[ROW] * 30, "a,1,2024-05-06,x")
    for _ in range(2):
        assert read(tmp_path / "*.csv").info.n_rows_read == 31
    assert (tmp_path / "a.rejects.csv").exists()


def test_a_file_whose_name_looks_like_a_pattern_is_read(tmp_path: Path) -> None:
    assert len(read(write(tmp_path / "a[1]*.csv", HEADER, ROW)).lines) == 1


def test_duplicate_files_are_read_once_and_noted(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", HEADER, ROW)
    copy = write(tmp_path / "b.csv", HEADER, ROW)
    reading = read(one, copy, one)
    assert len(reading.lines) == 1
    assert any("same file" in note for note in reading.info.notes)


def test_the_input_hash_is_of_the_bytes_whatever_the_order(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", HEADER, ROW)
    other = write(tmp_path / "b.csv", HEADER, "b,1,2024-05-06,1")
    assert read(one, other).info.input_hash == read(other, one).info.input_hash
    assert read(one).info.input_hash != read(other).info.input_hash
    before = read(one).info.input_hash
    assert read(one.rename(tmp_path / "c.csv")).info.input_hash == before


def test_no_path_is_refused() -> None:
    with pytest.raises(InputError, match="No input file was named"):
        read()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*none\.csv"):
        read(tmp_path / "none.csv")


def test_a_glob_without_a_match_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No file matches"):
        read(tmp_path / "*.csv")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; name a file, or a glob"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.xlsx", "a.csv.gz"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="is empty"):
        read(tmp_path / name)


def test_blank_lines_only_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only blank lines"):
        read(write(tmp_path / "a.csv", "", "  "))


@pytest.mark.parametrize("text", [HEADER, f"{HEADER}\n", f"{HEADER}\n\n\n"])
def test_a_header_only_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match="has only a header"):
        read(tmp_path / "a.csv")


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json is of an unknown kind; .*\.csv, .*\.xlsx"):
        read(write(tmp_path / "a.json", "{}"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(50), "is a PNG picture, but its name says text"),
        ("a.csv", b"PK\x03\x04" + bytes(50), "is a zip or Excel file"),
        ("a.csv", b"\x1f\x8b" + bytes(50), "is gzip, but its name says text"),
        ("a.csv", f"{HEADER}\na,\0,".encode(), "contains NUL bytes"),
        ("a.parquet", b"customer_id,order_id", "its name says Parquet"),
        ("a.parquet", b"PAR1" + bytes(50), "corrupt or not a Parquet file"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0" + bytes(50), "old Excel file"),
        ("a.xlsx", b"PK\x03\x04" + bytes(50), "corrupt or not an Excel workbook"),
        ("a.csv.gz", b"customer_id,order_id", "its name says gzip"),
        ("a.csv.gz", gzip.compress(b"customer_id,order_id" * 99, mtime=0)[:-20], "corrupt gzip"),
    ],
)
def test_binary_and_corrupt_files_are_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt"])
def test_delimiters_are_recognised(tmp_path: Path, delimiter: str, name: str) -> None:
    lines = [line.replace(",", delimiter) for line in (HEADER, ROW)]
    assert len(read(write(tmp_path / name, *lines)).lines) == 1


def test_a_delimiter_inside_a_quoted_header_does_not_mislead(tmp_path: Path) -> None:
    header = HEADER.replace(",", ";") + ';"net, gross, tax, fee, more, and more"'
    assert len(read(write(tmp_path / "a.csv", header, ROW.replace(",", ";") + ";x")).lines) == 1


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-be"]
)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_encodings_are_recognised(tmp_path: Path, encoding: str, suffix: str) -> None:
    text = f"{HEADER},category\nKäthe,1,2024-05-06,1,Möbel\n"
    content = text.encode(encoding)
    if encoding == "utf-16-be":
        content = codecs.BOM_UTF16_BE + content
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    [line] = read(path).lines
    assert (line["customer_id"], line["category"]) == ("Käthe", "Möbel")


def test_a_late_accent_still_decides_the_encoding(tmp_path: Path) -> None:
    rows = [f"{ROW},plain"] * 60_000  # over one block of the scan
    path = write(tmp_path / "a.csv", f"{HEADER},category", *rows, f"{ROW},Café", encoding="latin-1")
    assert "Café" in read(path).column("category")


def test_an_accent_across_two_blocks_is_utf8(tmp_path: Path) -> None:
    head = f"{HEADER},category\n{ROW},"
    text = head + "x" * ((1 << 20) - len(head) - 1) + "é\n"
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    assert read(path).column("category")[0].endswith("xé")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quoted_breaks_quotes_and_delimiters_stay_in_a_value(tmp_path: Path, end: str) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{HEADER},product_id", f'{ROW},"a ""b"", c\nd"', f"{ROW},z"]
    path.write_text(end.join(rows), newline="")
    assert read(path).column("product_id") == ['a "b", c\nd', "z"]


def test_a_file_without_a_last_line_break_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{HEADER}\n{ROW}\n{ROW}")
    assert len(read(path).lines) == 2


def test_lines_before_the_header_are_skipped(tmp_path: Path) -> None:
    rows = [row.replace(",", ";") for row in (HEADER, *[ROW] * 30, "a,1,never,1")]
    path = write(tmp_path / "a.csv", "", "sep=;", *rows)
    reading = read(path)
    assert len(reading.lines) == 30
    assert reading.rejects == [(34, "date cannot be read", "never")]


def test_mixed_line_breaks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f'{HEADER},category\n{ROW},x\r\n{ROW},"y\rz"\n{ROW},"v\r\nw"'.encode())
    assert read(path).column("category") == ["v\nw", "x", "y z"]


def test_records_without_a_filled_column_do_not_count(tmp_path: Path) -> None:
    info = read(write(tmp_path / "a.csv", HEADER, ROW, ",,,", ",,,")).info
    assert (info.n_rows_read, info.n_rows_rejected) == (1, 0)
