"""Snapshots are compared, shown as a diff, written by the option, and each is of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.snapshots import FOLDER, Snapshots


def test_an_equal_text_passes_and_another_shows_its_difference(tmp_path: Path) -> None:
    Snapshots(is_updated=True, folder=tmp_path).check("a/page", "one\ntwo\n")
    kept = Snapshots(is_updated=False, folder=tmp_path)
    kept.check("a/page", "one\ntwo\n")
    with pytest.raises(AssertionError, match=r"--update-snapshots\n(.*\n)+-two\n\+three"):
        kept.check("a/page", "one\nthree\n")
    with pytest.raises(AssertionError):
        kept.check("a/page", "one\ntwo")
    with pytest.raises(AssertionError):
        kept.check("another", "one\ntwo\n")


def test_what_differs_from_run_to_run_is_masked(tmp_path: Path) -> None:
    Snapshots(is_updated=True, folder=tmp_path).check("run", "took 1.5 s\n", {r"\d+\.\d s": "N s"})
    assert (tmp_path / "run.txt").read_text(encoding="utf-8") == "took N s\n"


def test_every_snapshot_is_named_in_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in FOLDER.parent.rglob("test_*.py"))
    for path in FOLDER.rglob("*.txt"):
        name = path.relative_to(FOLDER).with_suffix("").as_posix()
        folder = name.partition("/")[0]
        assert f'"{name}"' in tests or f'f"{folder}/' in tests, name
