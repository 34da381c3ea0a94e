"""The origin of a run: what changes its result changes the origin, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from segpipe.core.settings import (
    AssignSettings,
    ClusterSettings,
    EngineSettings,
    GateSettings,
    LoadSettings,
    RunSettings,
    SampleSettings,
    SourceSettings,
)
from segpipe.pipeline.checkpoint import Origin, origin_of
from segpipe.runs import PublishedRun
from tests.support.features import AS_OF

SETTINGS = RunSettings(cluster=ClusterSettings(max_k=3, restarts=2))
INPUT_HASH = "b" * 64


def _origin(settings: RunSettings = SETTINGS, previous: PublishedRun | None = None) -> Origin:
    return origin_of(settings, INPUT_HASH, previous)


def test_what_does_not_change_the_result_does_not_change_the_origin(tmp_path: Path) -> None:
    others = replace(
        SETTINGS,
        engine=EngineSettings(memory_limit="1GB", threads=1),
        assign=AssignSettings(batch_size=1),
        gates=GateSettings(require_newer_orders=False),
        load=LoadSettings(keep_runs=5, absent="delete"),
        model_out_path=tmp_path / "model.json",
        is_dry_run=True,
        is_forced=True,
        is_resumed=True,
    )
    assert _origin(others) == _origin()


def test_what_changes_the_result_changes_the_origin(tmp_path: Path) -> None:
    path = tmp_path / "axis.toml"
    path.write_text("a = 1")
    of_file = replace(SETTINGS, features=replace(SETTINGS.features, axis_paths=(path,)))
    others = [
        of_file,
        replace(SETTINGS, features=replace(SETTINGS.features, as_of=AS_OF)),
        replace(SETTINGS, sample=SampleSettings(seed=1)),
        replace(SETTINGS, cluster=ClusterSettings()),
        replace(SETTINGS, source=SourceSettings(timezone="Europe/Berlin")),
        replace(SETTINGS, model_path=path),
    ]
    origins = {_origin(settings).settings for settings in (SETTINGS, *others)}
    assert len(origins) == len(others) + 1
    before = _origin(of_file)
    path.write_text("a = 2")
    assert _origin(of_file) != before
    run = PublishedRun(1, AS_OF, {"format": 2}, {"value": {"whale": 1}})
    runs = [None, run, replace(run, run_id=2), replace(run, model={}), replace(run, known_ids={})]
    assert len({_origin(previous=previous).previous for previous in runs}) == len(runs)
    forgetful = {
        origin_of(SETTINGS, "b", None, some).forgotten for some in ((), ("1",), ("1", "2"))
    }
    assert len(forgetful) == 3
    assert origin_of(SETTINGS, "b", None, ("2", "1")) == origin_of(SETTINGS, "b", None, ("1", "2"))
