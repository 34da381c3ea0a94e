"""Why a run can be trusted: agreement is measured, segments last, choices are explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from segpipe import postgres
from segpipe.core.text import WIDTH
from tests.support.commands import FEW_KS, call, profiles, shop_lines, write_shop

Report = dict[str, Any]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of 300 customers, of whom a sample of 100 is a third."""
    return write_shop(tmp_path_factory.mktemp("trust") / "shop.csv", shop_lines(300, seed=5))


def _run(capsys: pytest.CaptureFixture[str], shop: Path, *options: object) -> Report:
    command = ("run", "--csv-path", shop, "--quiet", "--json", *FEW_KS, *options)
    done = call(capsys, *command)
    assert done.status == 0, done.err
    report: Report = json.loads(done.out)
    return report


K_MEANS = ("--method", "kmeans", "--dry-run", "--sample-size", "100")


def _axes(report: Report) -> dict[str, Report]:
    return {axis["name"]: axis for axis in report["axes"]}


def test_every_axis_with_segments_reports_its_agreement_and_why_its_k_was_chosen(
    capsys: pytest.CaptureFixture[str], shop: Path
) -> None:
    report = _run(capsys, shop, *K_MEANS)
    with_segments = [axis for axis in report["axes"] if axis["n_clusters"]]
    assert len(with_segments) >= 5
    for axis in with_segments:
        agreement = axis["agreement"]
        assert agreement["method"] == "refit"
        assert agreement["is_refined"]
        assert 0 < agreement["share"] <= 1
        assert 100 < agreement["n_customers"] <= report["features"]["n_customers"]
        assert axis["choice"]
        assert axis["best_k"] == axis["n_clusters"]
        wants_more = agreement["sample_size_wanted"] is not None
        assert wants_more == (agreement["share"] < 0.97)
    assert any(axis["agreement"]["share"] < 1 for axis in with_segments)


def test_a_sample_that_is_everybody_agrees_with_everybody(
    capsys: pytest.CaptureFixture[str], shop: Path
) -> None:
    report = _run(capsys, shop, "--dry-run")
    assert {axis["agreement"]["share"] for axis in report["axes"] if axis["agreement"]} == {1.0}


def test_the_published_centroids_are_everybodys_or_the_samples(
    capsys: pytest.CaptureFixture[str], shop: Path, tmp_path: Path
) -> None:
    models = {}
    for choice in ("--refine", "--no-refine"):
        path = tmp_path / f"model{choice}.json"
        report = _run(capsys, shop, *K_MEANS, choice, "--model-out", path)
        is_refined = {a["agreement"]["is_refined"] for a in report["axes"] if a["agreement"]}
        assert is_refined == {choice == "--refine"}
        models[choice] = json.loads(path.read_text())["axes"]
    moved = [
        axis["name"]
        for axis, other in zip(models["--refine"], models["--no-refine"], strict=True)
        if axis["partition"] != other["partition"]
    ]
    assert len(moved) >= 5
    assert [a["scales"] for a in models["--refine"]] == [a["scales"] for a in models["--no-refine"]]


def test_a_full_audit_is_a_fit_from_scratch(capsys: pytest.CaptureFixture[str], shop: Path) -> None:
    refit, full = _run(capsys, shop, *K_MEANS), _run(capsys, shop, *K_MEANS, "--audit", "full")
    assert full["model_hash"] == refit["model_hash"]
    assert {a["agreement"]["method"] for a in full["axes"] if a["agreement"]} == {"full"}
    shares = [{n: a["agreement"] for n, a in _axes(r).items()} for r in (refit, full)]
    assert shares[0] != shares[1]


def test_the_same_month_again_moves_nobody(
    capsys: pytest.CaptureFixture[str], shop: Path, database_url: str
) -> None:
    where = ("--database-url", database_url)
    first, before = _run(capsys, shop, *where), profiles(database_url)
    again = _run(capsys, shop, *where, "--force")
    assert first["load"]["previous_run_id"] is None
    assert all(axis["events"] == [] for axis in first["axes"])
    assert again["model_hash"] == first["model_hash"]
    assert again["load"]["previous_run_id"] == first["load"]["run_id"]
    assert again["load"]["transitions"] == []
    kinds = {event["kind"] for axis in again["axes"] for event in axis["events"]}
    assert kinds == {"kept"}
    assert again["load"]["n_unchanged"] == again["load"]["n_published"] == len(before)
    assert profiles(database_url) == before  # not a row was written


def test_a_previous_model_that_cannot_be_read_leaves_a_note_and_does_not_stop_the_run(
    capsys: pytest.CaptureFixture[str], shop: Path, database_url: str
) -> None:
    where = ("--database-url", database_url)
    first = _run(capsys, shop, *where)
    with postgres.connect(database_url) as connection:
        connection.execute("""UPDATE segmentation_runs SET model = '{"format": 1}'""")
    again = _run(capsys, shop, *where, "--force")
    shares = [[axis["shares"] for axis in report["axes"]] for report in (first, again)]
    assert shares[0] == shares[1]
    assert again["model_hash"] == first["model_hash"]  # names that come back have their ids again
    notes = [note for note in again["load"]["notes"] if "named again" in note]
    assert len(notes) == 1
    assert "has format 1" in notes[0]
    assert again["load"]["transitions"] == []  # matched by name, and the names are the same


def test_the_verbose_report_shows_every_k_and_what_changed(
    capsys: pytest.CaptureFixture[str], shop: Path, database_url: str
) -> None:
    command = ("run", "--csv-path", shop, "--quiet", *FEW_KS, "--database-url", database_url)
    assert call(capsys, *command, "--as-of", "2025-03-01").status == 0
    # No newer orders, but they are looked at later.
    done = call(capsys, *command, "--force", "--verbose")
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    head = next(i for i, line in enumerate(lines) if "K=2" in line)
    assert lines[head].split() == ["Axis", "Figure", "K=2", "K=3"]
    assert "\nSince run 1: " in done.out
    assert "Moves between segments, all axes: " in done.out
    report = json.loads(call(capsys, *command, "--json", "--dry-run").out)
    table = lines[head + 1 : lines.index("", head)]
    row_of = {line.split()[0]: line for line in table if " silhouette " in line}
    for axis in report["axes"]:
        for candidate in axis["candidates"]:
            assert f"{candidate['silhouette']:.2f}" in row_of[axis["name"]]
