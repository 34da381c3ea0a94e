"""The engine: its limits, and the folder that it spills to, also when the process is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from segpipe.core.schema import CUSTOMER_FEATURES
from segpipe.core.settings import EngineSettings, SourceSettings
from segpipe.datasets.synthetic import generate_order_lines
from segpipe.engines.duckdb import default_memory_mb, open_engine, scratch_folder
from segpipe.features import compute_features
from segpipe.sources import read_order_lines

HOLDER = """
import sys, time
from pathlib import Path
from segpipe.core.settings import EngineSettings
from segpipe.engines.duckdb import open_engine
with open_engine(EngineSettings(memory_limit="64MB", threads=1, spill_path=Path(sys.argv[1]))) as e:
    e.execute("CREATE TABLE t AS SELECT hash(i) AS a, hash(i + 1) AS b FROM range(12000000) r(i)")
    print("ready", flush=True)
    time.sleep(600)
"""


@contextmanager
def _holder(folder: Path) -> Iterator[None]:
    """A process that holds an engine which has spilled to `folder`; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert "ready\n" in iter(process.stdout.readline, "")
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_what_a_killed_process_spilled_is_removed_by_the_next(tmp_path: Path) -> None:
    with _holder(tmp_path):
        pass
    [left] = tmp_path.iterdir()
    assert sum(file.stat().st_size for file in left.rglob("*") if file.is_file()) > 1_000_000
    with open_engine(EngineSettings(spill_path=tmp_path)):
        assert not left.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_spill_of_a_running_process_stays(tmp_path: Path) -> None:
    with _holder(tmp_path):
        [held] = tmp_path.iterdir()
        with open_engine(EngineSettings(spill_path=tmp_path)):
            assert held.exists()
        assert list(tmp_path.iterdir()) == [held]


def test_folders_that_are_not_the_engines_stay(tmp_path: Path) -> None:
    (tmp_path / "segpipe-notes").mkdir()  # of that name, but without a lock
    (tmp_path / "lock").touch()
    (tmp_path / "segpipe-link").symlink_to(tmp_path)
    with scratch_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "lock",
        "segpipe-link",
        "segpipe-notes",
    ]


def test_the_default_limit_leaves_room_for_the_rest_of_the_process() -> None:
    assert 64 <= default_memory_mb() <= 1024


def test_a_low_limit_spills_and_changes_no_bit(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    generate_order_lines(path, 8_000, seed=3)
    spill = tmp_path / "spill"
    spill.mkdir()

    def features(limit: str | None) -> tuple[pa.Table, int]:
        limits = EngineSettings(memory_limit=limit, threads=1, spill_path=spill)
        with open_engine(limits) as engine:
            source = read_order_lines(engine, SourceSettings(paths=(str(path),)))
            compute_features(engine, source.inputs, None)
            n_spilled = sum(file.stat().st_size for file in spill.rglob("*") if file.is_file())
            return engine.sql(f"FROM {CUSTOMER_FEATURES.name}").to_arrow_table(), n_spilled

    spilled, n_spilled = features("64MB")
    whole, _ = features(None)
    assert n_spilled > 0
    assert spilled.equals(whole)
