"""The export: files of one run with the values of the database, valid by their schemas."""

from __future__ import annotations

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from segpipe import postgres, publishing, runs
from segpipe.core.errors import InputError
from segpipe.core.resources import resource
from segpipe.core.schema import METRICS
from segpipe.export import FORMATS, export
from segpipe.export.read import read_segments
from segpipe.postgres import Connection
from tests.conftest import AXES, Rows
from tests.support.commands import FEW_KS, call, profiles, shop_lines, write_shop
from tests.support.moving_customers import MARCH, VALUE, Customer, Shop
from tests.support.publishing import publish_ids

STRANGE = [
    "=1+1", "+49 170", "-5", "@x", "'quoted", "''", "007", "1e3", "0o17", "null", "~", "on",
    "2024-01-01", "a\tb", "\tc", "a\\b", "a\\nb", "a\nb", "a\rb", 'a,b;"c"',
    "é\u2028\x85\x7f", "\ufeffx", "\U0001f9fa", "{{x}}", "# no", "x: y", "\uff1d1",
]  # fmt: skip
DOCUMENTS = ["agent", "segments"]
NAMES = [*DOCUMENTS, "profiles"]


def _schema(name: str) -> Draft202012Validator:
    path = resource("docs", "schemas", f"{name}.schema.json")
    return Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))


def _read(folder: Path, kind: str) -> dict[str, Any]:
    """Profiles, segments and agent of a folder, as an independent reader has them."""
    if kind == "json":
        lines = (folder / "profiles.jsonl").read_text(encoding="utf-8").splitlines()
        found: dict[str, Any] = {"profiles": [json.loads(line) for line in lines]}
        return found | {
            name: json.loads((folder / f"{name}.json").read_text()) for name in DOCUMENTS
        }
    return {name: yaml.safe_load((folder / f"{name}.yaml").read_bytes()) for name in NAMES}


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def published(capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> str:
    path = write_shop(tmp_path / "shop.csv", shop_lines(60))
    url = ("--database-url", database_url)
    outcome = call(capsys, "run", "--csv-path", path, *url, "--quiet", *FEW_KS)
    assert outcome.status == 0, outcome.err
    return database_url


def test_a_run_is_exported_in_every_format_and_is_the_same_in_each(
    capsys: pytest.CaptureFixture[str], published: str, tmp_path: Path
) -> None:
    options = ["--database-url", published, *(p for name in FORMATS for p in ("--format", name))]
    first, second = tmp_path / "new" / "first", tmp_path / "second"
    outcome = call(capsys, "export", "--out", first, *options)
    assert outcome.status == 0, outcome.err
    assert outcome.out.splitlines()[0] == "Run 1 of store default: 60 profiles"
    assert outcome.out.splitlines()[1:] == sorted(str(path) for path in first.iterdir())
    assert call(capsys, "export", "--out", second, *options, "--quiet").err == ""
    assert _bytes(first) == _bytes(second)

    of_json, of_yaml = _read(first, "json"), _read(first, "yaml")
    assert of_json == of_yaml
    for document in DOCUMENTS:
        _schema(document).validate(of_json[document])
    for profile in of_json["profiles"]:
        _schema("profiles").validate(profile)
    _assert_as_in_the_database(of_json["profiles"], published)
    _assert_as_in_the_tables(first, of_json)
    _assert_agent(of_json)


def test_the_rfm_score_is_a_text_in_every_format_and_missing_without_the_axis(
    capsys: pytest.CaptureFixture[str], database: Connection, database_url: str, tmp_path: Path
) -> None:
    shop = Shop(database, axes=(VALUE, "rfm"))
    shop.publish({"a": Customer(rfm_score="543"), "b": Customer()}, MARCH)
    formats = [part for name in FORMATS for part in ("--format", name)]
    out = tmp_path / "out"
    done = call(capsys, "export", "--out", out, *formats, "--quiet", "--database-url", database_url)
    assert done.status == 0, done.err
    for kind in ("json", "yaml"):
        found = _read(out, kind)["profiles"]
        assert [profile["rfm_score"] for profile in found] == ["543", None]
        for profile in found:
            _schema("profiles").validate(profile)
    assert [row["rfm_score"] for row in _table(out / "profiles.csv")] == ["543", ""]


def _assert_as_in_the_database(found: list[dict[str, Any]], url: str) -> None:
    stored = profiles(url)
    assert len(found) == len(stored) == 60
    for one, row in zip(found, stored, strict=True):
        assert one["is_current"] is True
        same = ("customer_id", "run_id", *METRICS, "segment_memberships", "membership_strengths")
        for name in (*same, "previous_segments"):
            assert one[name] == row[name], name
        first_seen = dict.fromkeys(row["segment_memberships"], str(row["first_seen_on"]))
        assert one["segment_since"] == first_seen | row["segment_since"]


def _assert_as_in_the_tables(folder: Path, documents: dict[str, Any]) -> None:
    table = _table(folder / "profiles.csv")
    for row, profile in zip(table, documents["profiles"], strict=True):
        assert row["customer_id"] == profile["customer_id"]
        assert row["is_current"] == "true"
        assert float(row["lifetime_value"]) == profile["lifetime_value"]
        for axis, name in profile["segment_memberships"].items():
            assert row[axis] == name
            assert float(row[f"{axis}_strength"]) == profile["membership_strengths"][axis]
            assert row[f"{axis}_previous"] == profile["previous_segments"].get(axis, "")
            assert row[f"{axis}_since"] == profile["segment_since"].get(axis, "")
    segments = _table(folder / "segments.csv")
    for row, segment in zip(segments, documents["segments"]["segments"], strict=True):
        assert row["description"] == segment["description"]
        assert row["support_dont"] == segment["guidance"]["support"]["dont"]
        assert json.loads(row["centroid"] or "null") == segment["centroid"]


def _assert_agent(documents: dict[str, Any]) -> None:
    agent = documents["agent"]
    assert agent["store"]["n_customers"] == agent["store"]["n_profiles"] == 60
    assert agent["run"]["segpipe_version"]
    fields = [field["name"] for field in agent["profile_fields"]]
    assert fields == list(documents["profiles"][0])
    text = json.dumps(agent)
    assert not any(profile["customer_id"] in text for profile in documents["profiles"])
    assert [axis["name"] for axis in agent["axes"]][:2] == ["purchase_frequency", "purchase_value"]
    for axis in agent["axes"]:
        assert axis["question"].endswith("?")
        assert axis["verdict"] in agent["verdicts"]
        in_segments = sum(segment["n_customers"] for segment in axis["segments"])
        assert in_segments == 60
        assert sum(s["share"] for s in axis["segments"]) == pytest.approx(1)
    values = (s for axis in agent["axes"] for s in axis["segments"] if s["kind"] == "segment")
    assert all(s["description"].strip() for s in values)


def test_any_id_is_exported_unchanged(database: Connection, rows: Rows, tmp_path: Path) -> None:
    publish_ids(database, rows, STRANGE)
    export(database, tmp_path, list(FORMATS))
    for kind in ("json", "yaml"):
        assert sorted(p["customer_id"] for p in _read(tmp_path, kind)["profiles"]) == sorted(
            STRANGE
        )
    cells = [row["customer_id"] for row in _table(tmp_path / "profiles.csv")]
    assert not any(cell.startswith(tuple("=+-@\t\r\n\uff1d")) for cell in cells)
    assert sorted(cell.removeprefix("'") for cell in cells) == sorted(STRANGE)


def test_customers_of_an_earlier_run_are_marked(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    first = publish_ids(database, rows, ["a", "b"])
    second = publish_ids(database, rows, ["b", "c"], value=20)
    done = export(database, tmp_path, ["json", "csv"])
    assert (done.run_id, done.n_profiles, done.n_kept) == (second, 3, 1)
    found = _read(tmp_path, "json")
    profiles = [(p["customer_id"], p["run_id"], p["is_current"]) for p in found["profiles"]]
    assert profiles == [("a", first, False), ("b", second, True), ("c", second, True)]
    store = found["agent"]["store"]
    assert (store["n_customers"], store["n_profiles"]) == (2, 3)
    assert (store["n_kept_from_earlier_runs"], store["lifetime_value"]) == (1, 40)
    assert [row["is_current"] for row in _table(tmp_path / "profiles.csv")] == [
        "false",
        "true",
        "true",
    ]


def test_the_previous_run_can_be_exported_as_it_was(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    first = publish_ids(database, rows, ["a"])
    export(database, tmp_path / "then")
    publish_ids(database, rows, ["a", "b"], value=20)
    done = export(database, tmp_path / "now", run=str(first))
    assert (done.run_id, done.n_profiles, done.n_kept) == (first, 1, 0)
    assert _bytes(tmp_path / "now") == _bytes(tmp_path / "then")


def test_a_run_that_later_runs_changed_in_place_cannot_be_exported(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    first = publish_ids(database, rows, ["a"])
    second = runs.start_run(database, "default")
    previous = runs.PreviousRun(first, {}, is_repeated=True)
    publishing.publish(
        database,
        publishing.Publication(second, "default", [rows(["b"])], axes=AXES, previous=previous),
    )
    third = publish_ids(database, rows, ["c"])
    with pytest.raises(
        InputError, match=f"run {first} are no longer there .* current run, {third}"
    ):
        export(database, tmp_path, run=str(first))
    done = export(database, tmp_path, run=str(second))
    assert (done.n_profiles, done.n_kept) == (2, 1)


def test_a_run_that_cannot_be_exported_is_an_error_with_advice(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="No run has been published"):
        export(database, out)
    first = publish_ids(database, rows, ["a"])
    for _ in range(3):
        newest = publish_ids(database, rows, ["a"])
    publish_ids(database, rows, ["a"], store_id="other")
    failed = runs.start_run(database, "default")
    runs.fail_run(database, failed, "source", "no file")
    with pytest.raises(InputError, match=r"several stores \(default, other\)"):
        export(database, out)
    with pytest.raises(InputError, match="There is no run 99"):
        export(database, out, run="99")
    with pytest.raises(InputError, match=f"no run {newest} of store 'other'"):
        export(database, out, store_id="other", run=str(newest))
    with pytest.raises(InputError, match=f"Run {failed} is failed"):
        export(database, out, run=str(failed))
    with pytest.raises(InputError, match="run is '-1'; expected its number"):
        export(database, out, run="-1")
    with pytest.raises(
        InputError, match=f"run {first} are no longer there .* current run, {newest}"
    ):
        export(database, out, run=str(first))
    assert not out.exists()


def test_an_output_folder_that_is_a_file_is_an_input_error(
    capsys: pytest.CaptureFixture[str], database: Connection, rows: Rows, tmp_path: Path
) -> None:
    publish_ids(database, rows, ["a"])
    taken = tmp_path / "taken"
    taken.write_text("mine")
    url = postgres.location(database)
    outcome = call(capsys, "export", "--out", taken, "--database-url", url, "--quiet")
    assert outcome.status == 2
    assert f"cannot be written to {taken}" in outcome.err
    assert taken.read_text() == "mine"


def test_a_failure_keeps_the_files_that_were_there(
    database: Connection, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_ids(database, rows, ["a"])
    export(database, tmp_path)
    before = _bytes(tmp_path)
    publish_ids(database, rows, ["b"])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("segpipe.export.write.agent_document", full)
    with pytest.raises(InputError, match="No space left on device"):
        export(database, tmp_path)
    assert _bytes(tmp_path) == before


def test_a_publication_meanwhile_changes_nothing(
    database: Connection,
    database_url: str,
    rows: Rows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = publish_ids(database, rows, ["a", "b"])

    def publish_another() -> int:
        with postgres.connect(database_url) as connection:
            return publish_ids(connection, rows, ["b", "c"])

    with ThreadPoolExecutor(1) as others:
        published = []

        def read(*given: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as the real one
            published.append(others.submit(publish_another))
            return read_segments(*given)

        monkeypatch.setattr("segpipe.export.write.read_segments", read)
        done = export(database, tmp_path)
        assert published[0].result() == first + 1
    assert done.run_id == first
    assert [p["customer_id"] for p in _read(tmp_path, "json")["profiles"]] == ["a", "b"]


def test_a_number_that_is_not_finite_is_null(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    publish_ids(database, rows, ["a"])
    database.execute(
        "UPDATE customer_profiles SET churn_risk_score = 0.5,"
        " lifetime_value = 'NaN', avg_order_value = '-Infinity'"
    )
    export(database, tmp_path, list(FORMATS))
    for kind in ("json", "yaml"):
        (profile,) = _read(tmp_path, kind)["profiles"]
        assert profile["lifetime_value"] is profile["avg_order_value"] is None
        _schema("profiles").validate(profile)
    assert _table(tmp_path / "profiles.csv")[0]["lifetime_value"] == ""


def test_a_run_without_customers_is_exported(
    database: Connection, rows: Rows, tmp_path: Path
) -> None:
    publish_ids(database, rows, [])
    export(database, tmp_path, list(FORMATS))
    assert _read(tmp_path, "json")["profiles"] == _read(tmp_path, "yaml")["profiles"] == []
    assert _table(tmp_path / "profiles.csv") == []


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_and_rejects_unknown_fields(name: str) -> None:
    schema = _schema(name)
    Draft202012Validator.check_schema(schema.schema)
    assert schema.schema["$id"] == f"segpipe:{name}:1"
    with pytest.raises(ValidationError):
        schema.validate({"email": "a@b.c"})
