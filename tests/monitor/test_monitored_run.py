"""`segpipe run` with a healthcheck, which is a real server, and a file of metrics."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from segpipe import postgres
from tests.support.commands import FEW_KS, call, shop_lines, write_shop
from tests.support.healthcheck_server import listening


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_shop(tmp_path / "shop.csv", shop_lines())


def values(path: Path, name: str, store: str, label: str | None = None) -> dict[str, float]:
    """Values of a metric of the store, by a further label."""
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    samples = [sample for family in families for sample in family.samples]
    return {
        sample.labels.get(label or "", ""): sample.value
        for sample in samples
        if sample.name == f"segpipe_{name}" and sample.labels["store"] == store
    }


def test_a_run_reports_to_both_and_shows_the_url_nowhere(
    shop: Path, database_url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    metrics = tmp_path / "segpipe.prom"
    with listening() as listener:
        outcome = call(
            capsys, "run", shop, "--database-url", database_url, "--store-id", "north", *FEW_KS,
            "--healthcheck-url", listener.url, "--metrics-file", metrics, "--json",
        )  # fmt: skip
    assert outcome.status == 0, outcome.err
    assert listener.events == [
        ("/start", "started"),
        ("", "published run 1 of store north: 80 profiles"),
    ]
    report = json.loads(outcome.out)
    assert values(metrics, "customers", "north") == {"": 80}
    assert values(metrics, "rows_read", "north") == {"": report["source"]["n_rows_read"]}
    seconds = {stage["name"]: round(stage["seconds"], 3) for stage in report["stages"]}
    assert values(metrics, "stage_seconds", "north", "stage") == seconds
    agreement = {
        axis["name"]: axis["agreement"]["share"] for axis in report["axes"] if axis["agreement"]
    }
    assert agreement
    assert values(metrics, "agreement", "north", "axis") == agreement
    assert "reported the success to the healthcheck" in outcome.err
    with postgres.connect(database_url) as connection:
        stored = str(connection.execute("SELECT * FROM segmentation_runs").fetchall())
    for text in (outcome.out, outcome.err, stored, metrics.read_text(encoding="utf-8")):
        assert listener.url not in text


def test_both_come_from_the_environment_and_the_store_from_the_settings(
    shop: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, metrics = tmp_path / "segpipe.toml", tmp_path / "segpipe.prom"
    config.write_text('[load]\nstore_id = "south"\n', encoding="utf-8")
    with listening() as listener:
        monkeypatch.setenv("SEGPIPE_HEALTHCHECK_URL", listener.url)
        monkeypatch.setenv("SEGPIPE_METRICS_FILE", str(metrics))
        outcome = call(capsys, "run", shop, "--config", config, "--sample-size", 1)
    assert outcome.status == 2
    message = outcome.err.splitlines()[-1].removeprefix("segpipe: error: ")
    assert listener.events == [("/start", "started"), ("/fail", f"exit status 2: {message}")]
    assert values(metrics, "last_run_exit_status", "south") == {"": 2}


def test_a_dry_run_reports_nothing_but_checks_the_options(
    shop: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    metrics = tmp_path / "segpipe.prom"
    dry = ("run", shop, "--dry-run", *FEW_KS, "--quiet")
    with listening() as listener:
        options = ("--healthcheck-url", listener.url, "--metrics-file", metrics)
        assert call(capsys, *dry, *options).status == 0
        assert listener.pings == []
    assert not metrics.exists()
    assert call(capsys, *dry, "--metrics-file", tmp_path).status == 2
    assert call(capsys, *dry, "--healthcheck-url", "x").status == 2


@pytest.mark.parametrize("option", ["--csv-path", "--model-out", "--report", "--rejects"])
def test_metrics_never_overwrite_a_file_of_the_run(
    option: str, shop: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = shop.read_bytes()
    path = shop if option == "--csv-path" else tmp_path / "out"
    outcome = call(capsys, "run", shop, option, path, "--metrics-file", path)
    assert outcome.status == 2
    assert "--metrics-file names" in outcome.err.splitlines()[-1]
    assert shop.read_bytes() == before


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_is_reported_with_its_status(
    sent: signal.Signals, database_url: str, shop: Path, tmp_path: Path
) -> None:
    metrics = tmp_path / "segpipe.prom"
    with listening() as listener:
        run = subprocess.Popen(
            [sys.executable, "-m", "segpipe", "run", shop, "--metrics-file", metrics],
            env={
                **os.environ,
                "DATABASE_URL": database_url,
                "SEGPIPE_HEALTHCHECK_URL": listener.url,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        listener.wait(1)
        run.send_signal(sent)
        _, printed = run.communicate(timeout=120)
        listener.wait(2)
    assert run.returncode == 128 + sent, printed
    assert listener.events[1][0] == "/fail"
    assert listener.events[1][1].startswith(f"exit status {128 + sent}: ")
    if metrics.exists():  # not where the signal came before the store was known
        assert values(metrics, "last_run_exit_status", "default") == {"": 128 + sent}


def test_run_accepts_the_options_of_publishing(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dry = ("run", shop, "--dry-run", *FEW_KS, "--quiet")
    assert call(capsys, *dry, "--force", "--no-wait", "--keep-runs", 3).status == 0
    refused = call(capsys, *dry, "--keep-runs", -1)
    assert refused.status == 2
    assert "load.keep_runs is -1; expected 0 to 1000" in refused.err
