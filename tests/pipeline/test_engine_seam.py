"""The engine seam: a run needs nothing of its engine but what the protocol offers.

The same run is driven on the DuckDB engine and on one that has the protocol's methods alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from segpipe.core.errors import StageError
from segpipe.core.forgotten import Forgotten
from segpipe.core.progress import Quiet
from segpipe.core.report import FeatureInfo, RunReport, SourceInfo
from segpipe.core.schema import Reference
from segpipe.core.settings import (
    ClusterSettings,
    EngineSettings,
    LoadSettings,
    RunSettings,
    SampleSettings,
    SourceSettings,
)
from segpipe.engines.base import Engine, EngineError, EngineMemoryError, MapBatches
from segpipe.pipeline import publish_step
from segpipe.pipeline.engine import open_run_engine
from segpipe.pipeline.run import run
from tests.support.commands import profiles, shop_lines, write_shop

TICKETS = """customer_id,created_at,channel,resolved_at,message_count,satisfaction
c0001,2024-06-01T10:00:00,email,2024-06-02T10:00:00,2,4
c0002,2024-07-01T10:00:00,chat,2024-07-01T11:00:00,5,2
c0003,2024-08-01T10:00:00,phone,2024-08-03T10:00:00,1,5
"""


class RecordingEngine:
    """An engine with the protocol's methods and nothing else, which records their calls."""

    def __init__(self, engine: Engine, calls: list[str]) -> None:
        self._engine = engine
        self._calls = calls

    def read_order_lines(
        self, settings: SourceSettings, progress: Callable[[str], None], *, is_forced: bool
    ) -> SourceInfo:
        self._calls.append("read_order_lines")
        return self._engine.read_order_lines(settings, progress, is_forced=is_forced)

    def remove_forgotten(self, forgotten: Forgotten | None) -> tuple[int, int]:
        self._calls.append("remove_forgotten")
        return self._engine.remove_forgotten(forgotten)

    def read_activity(self, days_back: int, horizon_days: int) -> pa.Table:
        self._calls.append("read_activity")
        return self._engine.read_activity(days_back, horizon_days)

    def compute_features(
        self,
        inputs: frozenset[str],
        as_of: date | None,
        reference: Reference | None,
        progress: Callable[[str], None],
    ) -> tuple[FeatureInfo, Reference]:
        self._calls.append("compute_features")
        return self._engine.compute_features(inputs, as_of, reference, progress)

    def count_customers(self) -> int:
        self._calls.append("count_customers")
        return self._engine.count_customers()

    def draw_customers(self, seed: int, sizes: Sequence[int], quotas: Sequence[int]) -> pa.Table:
        self._calls.append("draw_customers")
        return self._engine.draw_customers(seed, sizes, quotas)

    def read_columns(self, names: Sequence[str]) -> pa.Table:
        self._calls.append("read_columns")
        return self._engine.read_columns(names)

    def map_customers(
        self, function: MapBatches, columns: Sequence[str], batch_size: int
    ) -> Iterator[pa.RecordBatch]:
        self._calls.append("map_customers")
        return self._engine.map_customers(function, columns, batch_size)

    def customers_with_tickets(self, after: date, until: date) -> frozenset[str]:
        self._calls.append("customers_with_tickets")
        return self._engine.customers_with_tickets(after, until)

    def keep(
        self, folder: Path, columns: Sequence[str], tickets_until: date | None
    ) -> tuple[Path, ...]:
        self._calls.append("keep")
        return self._engine.keep(folder, columns, tickets_until)

    def restore(self, files: Sequence[Path]) -> None:
        self._calls.append("restore")
        self._engine.restore(files)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSettings:
    """A dry run of a small shop with tickets, of which a part is drawn."""
    monkeypatch.setenv("SEGPIPE_HOME", str(tmp_path / "home"))
    shop = write_shop(tmp_path / "shop.csv", shop_lines(150))
    tickets = tmp_path / "tickets.csv"
    tickets.write_text(TICKETS, encoding="utf-8")
    return RunSettings(
        source=SourceSettings(paths=(str(shop),), tickets_path=tickets),
        sample=SampleSettings(size=100),
        cluster=ClusterSettings(max_k=3, restarts=2),
        is_dry_run=True,
    )


def _record_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What runs from now on ask of their engine, which offers the protocol alone."""
    calls: list[str] = []

    @contextmanager
    def recording(settings: EngineSettings) -> Iterator[Engine]:
        with open_run_engine(settings) as engine:
            yield RecordingEngine(engine, calls)

    monkeypatch.setattr("segpipe.pipeline.run.open_run_engine", recording)
    return calls


def _figures(report: RunReport) -> dict[str, Any]:
    """The report without what differs from run to run."""
    document = report.to_dict()
    return {key: document[key] for key in ("model_hash", "source", "features", "sample", "axes")}


def _once(calls: list[str]) -> list[str]:
    """Each call once, in the order of the first: axes are refitted side by side."""
    return list(dict.fromkeys(calls))


def test_a_run_asks_only_the_protocol_and_gives_the_same_report(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_duckdb = run(settings, Quiet())
    calls = _record_calls(monkeypatch)
    on_protocol = run(settings, Quiet())
    assert _figures(on_protocol) == _figures(on_duckdb)
    assert _once(calls) == [
        "read_order_lines",
        "remove_forgotten",
        "compute_features",
        "read_activity",
        "count_customers",
        "draw_customers",
        "read_columns",
        "map_customers",
    ]


def test_publishing_and_resuming_ask_only_the_protocol(
    settings: RunSettings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = _record_calls(monkeypatch)
    load = LoadSettings(database_url=database_url, attempts=1)
    settings = replace(settings, load=load, is_dry_run=False)

    def fails(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(publish_step, "publish", fails)
        with pytest.raises(StageError, match=r"stage load failed \(OSError: the disk is full\)"):
            run(settings, Quiet())
    assert "keep" in calls
    calls.clear()
    resumed = run(replace(settings, is_resumed=True), Quiet())
    assert _once(calls) == ["restore", "map_customers"]
    assert resumed.load is not None
    assert any(note.startswith("Resumed: ") for note in resumed.load.notes)
    assert len(profiles(database_url)) == resumed.features.n_customers == 150
    calls.clear()
    again = run(replace(settings, is_forced=True), Quiet())
    assert again.model_hash == resumed.model_hash
    assert "customers_with_tickets" in calls


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (EngineMemoryError, "the engine ran out of memory; raise memory_limit in [engine]"),
        (EngineError, "BinderException: no such column"),
    ],
)
def test_a_failure_of_the_engine_names_the_stage_and_the_reason(
    settings: RunSettings,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[EngineError],
    reason: str,
) -> None:
    def fails(*_: object) -> None:
        raise kind("BinderException: no such column")

    _record_calls(monkeypatch)
    monkeypatch.setattr(RecordingEngine, "read_columns", fails)
    with pytest.raises(StageError) as caught:
        run(settings, Quiet())
    assert f"The stage cluster failed ({reason}" in str(caught.value)
