"""A forgotten customer: removed from every table and file, and kept out of later runs."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from segpipe import postgres, publishing, runs
from segpipe.core.errors import DatabaseError
from segpipe.core.forgotten import hash_customer_id
from segpipe.export import FORMATS, export
from segpipe.pipeline.checkpoint_folder import checkpoint_folder
from segpipe.postgres import Connection, sql
from segpipe.privacy import ErasureReport, erase_customer
from segpipe.runs.forgotten import forgotten_hashes
from tests.conftest import AXES, Rows
from tests.support.commands import FEW_KS, Outcome, call, shop_lines, write_shop
from tests.support.publishing import publish_ids

STRANGE = ["zz'q", 'zz"q', "zz%_q", "zz\\q", "zz\nq", "zz,q", "=zzq", "zzü\u2028q", "zz; DROP"]


def _forget(database: Connection, customer_id: str, store_id: str = "default") -> ErasureReport:
    return erase_customer(database, store_id, customer_id)


def _tables_with(database: Connection, part: str) -> list[str]:
    """Tables of the schema, partitions and the planner's examples, that hold the text anywhere."""
    tables = database.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'm')"
        " AND relnamespace = current_schema()::regnamespace"
    ).fetchall()
    found = []
    for (name,) in [*tables, ("pg_stats",)]:
        query = sql.SQL("SELECT count(*) FROM {} AS t WHERE position(%s in t::text) > 0")
        row = database.execute(query.format(sql.Identifier(name)), [part]).fetchone()
        found += [name] if row and row[0] else []
    return found


def _files_with(folder: Path, part: str) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file() and part.encode() in p.read_bytes()]


def _shop(folder: Path, lines: list[str], name: str = "shop.csv") -> Path:
    return write_shop(folder / name, lines)


def _run(capsys: pytest.CaptureFixture[str], url: str, path: Path, *more: str) -> Outcome:
    outcome = call(
        capsys, "run", "--csv-path", path, "--database-url", url, "--quiet", *FEW_KS, *more
    )
    assert outcome.status == 0, outcome.err
    return outcome


def test_nothing_of_a_customer_is_left_in_database_and_files(
    capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path
) -> None:
    lines = [line.replace("c0007", "zz007") for line in shop_lines(60)]
    _run(capsys, database_url, _shop(tmp_path, lines))
    later = [*lines, "zz007,onew,2025-06-01T10:00:00,20.5,1,0,0,p1,cat1,web"]
    _run(capsys, database_url, _shop(tmp_path, later, "later.csv"))
    url = ("--database-url", database_url)
    formats = [part for name in FORMATS for part in ("--format", name)]
    for out in ("one", "two"):
        assert call(capsys, "export", "--out", tmp_path / out, *formats, *url).status == 0
    with postgres.connect(database_url) as database:
        assert len(_tables_with(database, "zz007")) >= 4
        assert "pg_stats" in _tables_with(database, "zz007")
    assert len(_files_with(tmp_path, "zz007")) == 2 + 2 * 3

    outcome = call(capsys, "forget", "zz007", "--yes", *url)
    assert outcome.status == 0, outcome.err
    assert "Customer zz007 of store default is forgotten." in outcome.out
    assert outcome.out.count("1 record") == 6
    assert outcome.out.count("1 row") >= 4
    assert "later.csv" in outcome.out.split("Not reached:")[1]
    with postgres.connect(database_url) as database:
        assert _tables_with(database, "zz007") == []
        assert database.execute("SELECT count(*) FROM customer_profiles").fetchone() == (59,)
    assert sorted(_files_with(tmp_path, "zz007")) == ["later.csv", "shop.csv"]


def test_a_forgotten_customer_does_not_come_back(
    capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path
) -> None:
    lines = shop_lines(60)
    _run(capsys, database_url, _shop(tmp_path, lines))
    url = ("--database-url", database_url)
    assert call(capsys, "forget", "c0007", "--yes", *url).status == 0
    later = [*lines, "c0007,onew,2025-06-01T10:00:00,20.5,1,0,0,p1,cat1,web"]
    later += ["c0008,onew,2025-06-01T10:00:00,20.5,1,0,0,p1,cat1,web"]
    outcome = _run(capsys, database_url, _shop(tmp_path, later, "later.csv"))
    assert "forgotten" in outcome.out
    with postgres.connect(database_url) as database:
        assert _tables_with(database, "c0007") == []
        assert database.execute("SELECT count(*) FROM customer_profiles").fetchone() == (59,)


@pytest.mark.parametrize("customer_id", STRANGE)
def test_any_id_can_be_forgotten_and_nobody_else_is(
    database: Connection, rows: Rows, tmp_path: Path, customer_id: str
) -> None:
    others = [*(other for other in STRANGE if other != customer_id), "zz", "q", "zzaaq"]
    publish_ids(database, rows, [customer_id, *others])
    publish_ids(database, rows, others)
    export(database, tmp_path / "all", list(FORMATS))
    found = _forget(database, customer_id)
    assert {file.path.name: file.n_records for file in found.files} == {
        f"profiles.{kind}": 1 for kind in ("jsonl", "yaml", "csv")
    }
    left = database.execute("SELECT customer_id FROM customer_profiles").fetchall()
    assert sorted(row[0] for row in left) == sorted(others)
    folder = tmp_path / "all"
    as_json = [
        json.loads(line)["customer_id"]
        for line in (folder / "profiles.jsonl").read_text().split("\n")[:-1]
    ]
    as_yaml = [p["customer_id"] for p in yaml.safe_load((folder / "profiles.yaml").read_bytes())]
    table = csv.DictReader(io.StringIO((folder / "profiles.csv").read_bytes().decode(), newline=""))
    as_csv = [row["customer_id"].removeprefix("'") for row in table]
    assert sorted(as_json) == sorted(as_yaml) == sorted(as_csv) == sorted(others)


def test_a_customer_is_forgotten_in_one_store_at_a_time(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    for store_id in ("default", "other"):
        publish_ids(database, rows, ["a", "b"], store_id)
    export(database, tmp_path, ["json"], store_id="default")
    export(database, tmp_path, ["csv"], store_id="other")
    _forget(database, "a", "other")
    left = database.execute("SELECT store_id, customer_id FROM customer_profiles ORDER BY 1, 2")
    assert left.fetchall() == [("default", "a"), ("default", "b"), ("other", "b")]
    assert '"a"' in (tmp_path / "profiles.jsonl").read_text()
    assert "\na," not in (tmp_path / "profiles.csv").read_text().replace("\r", "")
    assert forgotten_hashes(database, "default") is None
    _forget(database, "a", "default")
    one, two = (forgotten_hashes(database, store_id) for store_id in ("default", "other"))
    assert one is not None
    assert two is not None
    assert one.salt != two.salt
    assert one.hashes.isdisjoint(two.hashes)
    assert one.hashes == {hash_customer_id(one.salt, "a")}
    assert two.hashes == {hash_customer_id(two.salt, "a")}


def test_a_second_time_reports_that_they_were_forgotten(
    capsys: pytest.CaptureFixture[str], database: Connection, rows: Rows
) -> None:
    publish_ids(database, rows, ["a", "b"])
    publish_ids(database, rows, ["a"], "other")
    url = ("--database-url", postgres.location(database))
    asked = call(capsys, "forget", "a", "--yes", *url)
    assert (asked.status, asked.out) == (2, "")
    assert "several stores (default, other); name one with --store-id" in asked.err
    assert call(capsys, "forget", "a", "--store-id", "default", "--yes", *url).status == 0
    again = call(capsys, "forget", "a", "--store-id", "default", "--yes", *url)
    assert again.status == 0
    assert "Customer a of store default had been forgotten before." in again.out
    assert "Nothing of the customer was found." in again.out


def test_an_unknown_customer_is_an_error_and_nothing_is_recorded(
    capsys: pytest.CaptureFixture[str], database: Connection, rows: Rows
) -> None:
    url = ("--database-url", postgres.location(database))
    assert "nobody to forget" in call(capsys, "forget", "x", "--yes", *url).err
    publish_ids(database, rows, ["a"])
    outcome = call(capsys, "forget", "nobody", "--yes", *url)
    assert outcome.status == 2
    assert "There is no customer 'nobody' in store 'default'" in outcome.err
    assert forgotten_hashes(database, "default") is None
    rows_left = database.execute("SELECT count(*) FROM forgotten_salts").fetchone()
    assert rows_left == (0,)


def test_without_a_terminal_yes_is_required(
    capsys: pytest.CaptureFixture[str], database: Connection, rows: Rows
) -> None:
    publish_ids(database, rows, ["a"])
    outcome = call(capsys, "forget", "a", "--database-url", postgres.location(database))
    assert outcome.status == 2
    assert "give --yes" in outcome.err
    assert runs.show_customer(database, "default", "a")


@pytest.mark.parametrize(
    ("answer", "message"), [("n", "Nothing was removed."), ("y", "is forgotten")]
)
def test_on_a_terminal_it_asks(
    database: Connection, database_url: str, rows: Rows, answer: str, message: str
) -> None:
    publish_ids(database, rows, ["a", "b"])
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [sys.executable, "-m", "segpipe", "forget", "a", "--database-url", database_url],
            stdin=theirs,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Remove customer 'a' of store 'default' for good?" in done.stderr
    assert message in done.stdout
    assert (runs.show_customer(database, "default", "a") is None) == (answer == "y")


def test_a_customer_of_a_kept_run_only_is_found(database: Connection, rows: Rows) -> None:
    first = publish_ids(database, rows, ["gone", "a"])
    run_id = runs.start_run(database, "default")
    publishing.publish(
        database,
        publishing.Publication(run_id, "default", [rows(["a"])], axes=AXES, absent="delete"),
    )
    found = _forget(database, "gone")
    assert [erasure.n_rows for erasure in found.tables] == [1]
    assert found.tables[0].table.endswith(f"_r{first}")
    assert _tables_with(database, "gone") == []


def test_undo_rows_are_removed_and_a_rollback_brings_nobody_back(
    database: Connection, rows: Rows
) -> None:
    def publish(value: float, ids: list[str], previous: runs.PreviousRun | None) -> int:
        run_id = runs.start_run(database, "default")
        measures = {"customer_id": pa.array(ids), "n_orders": pa.array([value] * len(ids))}
        publishing.publish(
            database,
            publishing.Publication(
                run_id,
                "default",
                [rows(ids, value)],
                axes=AXES,
                previous=previous,
                measures=[pa.RecordBatch.from_pydict(measures)],
            ),
        )
        return run_id

    first = publish(10.0, ["zza", "zzb", "c"], None)
    publish(20.0, ["zza", "c", "zznew"], runs.PreviousRun(first, {}, is_repeated=True))
    undone = ["customer_profiles_", "_undo"]
    for gone in ("zza", "zznew", "zzb"):
        tables = [erasure.table for erasure in _forget(database, gone).tables]
        assert len(tables) == 4 - (gone == "zzb")
        assert any(all(part in table for part in undone) for table in tables)
    assert _tables_with(database, "zz") == []
    assert runs.rollback(database, "default").n_profiles == 1
    profile = runs.show_customer(database, "default", "c")
    assert profile is not None
    assert profile["lifetime_value"] == 10.0
    assert _tables_with(database, "zz") == []


def test_what_is_kept_for_resume_is_removed(
    database: Connection, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGPIPE_HOME", str(tmp_path / "home"))
    folder = checkpoint_folder("default")
    folder.mkdir(parents=True)
    (folder / "customer_features.parquet").write_text("a")
    publish_ids(database, rows, ["a"])
    _forget(database, "a")
    assert not folder.exists()


def test_a_foreign_key_is_reported_and_nothing_is_removed(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    publish_ids(database, rows, ["a", "b"])
    export(database, tmp_path)
    database.execute(
        "CREATE TABLE letters (store_id varchar(100), customer_id varchar(100),"
        " FOREIGN KEY (store_id, customer_id) REFERENCES customer_profiles)"
    )
    database.execute("INSERT INTO letters (store_id, customer_id) VALUES ('default', 'a')")
    with pytest.raises(DatabaseError, match=r"refers to customer 'a'.*letters"):
        _forget(database, "a")
    assert runs.show_customer(database, "default", "a")
    assert '"a"' in (tmp_path / "profiles.jsonl").read_text()
