"""A forgotten customer in exported files: removed where possible, else reported."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from segpipe import postgres, publishing, runs
from segpipe.core.errors import InputError
from segpipe.export import FORMATS, export
from segpipe.export.read import read_segments
from segpipe.postgres import Connection
from segpipe.privacy import ErasureReport, erase_customer
from tests.conftest import AXES, Rows
from tests.support.publishing import publish_ids


def _forget(database: Connection, customer_id: str, store_id: str = "default") -> ErasureReport:
    return erase_customer(database, store_id, customer_id)


def test_the_other_records_keep_their_bytes(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    publish_ids(database, rows, ["a", "b\nx", "c"])
    export(database, tmp_path / "with", list(FORMATS))
    (tmp_path / "with" / "profiles.csv").chmod(0o640)
    _forget(database, "b\nx")
    export(database, tmp_path / "without", list(FORMATS))
    for kind in ("jsonl", "yaml", "csv"):
        with_them = tmp_path / "with" / f"profiles.{kind}"
        assert with_them.read_bytes() == (tmp_path / "without" / with_them.name).read_bytes()
    assert (tmp_path / "with" / "profiles.csv").stat().st_mode & 0o777 == 0o640
    assert not [path for path in (tmp_path / "with").iterdir() if path.name.startswith(".")]


def test_files_without_other_customers_stay_readable(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    publish_ids(database, rows, ["a"])
    export(database, tmp_path, list(FORMATS))
    _forget(database, "a")
    assert (tmp_path / "profiles.jsonl").read_bytes() == b""
    assert yaml.safe_load((tmp_path / "profiles.yaml").read_bytes()) == []
    assert (tmp_path / "profiles.csv").read_text().startswith("customer_id,run_id,")
    assert len((tmp_path / "profiles.csv").read_text().splitlines()) == 1


def test_a_customer_who_is_only_in_an_old_export_is_found(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    publish_ids(database, rows, ["gone", "a"])
    export(database, tmp_path)
    for _ in range(4):
        run_id = runs.start_run(database, "default")
        publishing.publish(
            database,
            publishing.Publication(run_id, "default", [rows(["a"])], axes=AXES, absent="delete"),
        )
    database.execute("DELETE FROM customer_profiles WHERE customer_id = 'gone'")
    assert [file.n_records for file in _forget(database, "gone").files] == [1]
    assert "gone" not in (tmp_path / "profiles.jsonl").read_text()


def test_a_missing_or_changed_file_is_reported(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    publish_ids(database, rows, ["a", "b"])
    for name in ("gone", "spoilt"):
        export(database, tmp_path / name, ["csv"])
    (tmp_path / "gone").rename(tmp_path / "elsewhere")
    (tmp_path / "spoilt" / "profiles.csv").write_bytes(b"\xff\xfe")
    files = {file.path: file.trouble for file in _forget(database, "a").files}
    assert files[tmp_path / "gone"] == "the folder is gone, or cannot be reached from here"
    assert "changed since it was written" in str(files[tmp_path / "spoilt" / "profiles.csv"])
    assert runs.show_customer(database, "default", "a") is None


def test_leftovers_of_a_killed_export_are_removed(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    publish_ids(database, rows, ["a", "b"])
    export(database, tmp_path)
    left = tmp_path / ".segpipe-export-killed"
    left.mkdir()
    (left / "profiles.jsonl").write_text('{"customer_id": "a"}')
    _forget(database, "a")
    assert not left.exists()


def test_an_export_at_the_same_time_fails_and_brings_nobody_back(
    database: Connection,
    database_url: str,
    rows: Rows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish_ids(database, rows, ["a", "b"])
    with ThreadPoolExecutor(1) as others:
        forgotten = []

        def forget_another() -> ErasureReport:
            with postgres.connect(database_url) as connection:
                return _forget(connection, "a")

        def read(*given: object) -> object:
            forgotten.append(others.submit(forget_another))
            forgotten[0].result()
            return read_segments(*given)  # type: ignore[arg-type]

        monkeypatch.setattr("segpipe.export.write.read_segments", read)
        with pytest.raises(InputError, match="forgotten while the files were written"):
            export(database, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_role_that_may_only_read_exports_with_a_note(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    publish_ids(database, rows, ["a"])
    role = f"reader_{database.info.dbname}"
    database.execute(f'CREATE ROLE "{role}" LOGIN'.encode())
    try:
        database.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"'.encode())
        database.execute(f'SET ROLE "{role}"'.encode())
        done = export(database, tmp_path)
    finally:
        database.execute("RESET ROLE")
        database.execute(f'DROP OWNED BY "{role}"'.encode())
        database.execute(f'DROP ROLE "{role}"'.encode())
    assert "will not reach it" in done.notes[0]
    assert (tmp_path / "profiles.jsonl").exists()
    assert database.execute("SELECT count(*) FROM profile_exports").fetchone() == (0,)
    assert export(database, tmp_path).notes == ()
