"""Requests that schemathesis generates from the OpenAPI document are answered as it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import ROOT
from tests.support.services import Served, module_url, served

__all__ = ["module_url", "served"]
PHASES = ("examples", "coverage", "fuzzing")

# No generated name is that of a segment; unknown names are tried in test_hostile_bodies.
_CONFIG = """
[[operations]]
include-name = "GET /segments/{axis}/{segment}/customers"
parameters = { "path.axis" = "customer_maturity", "path.segment" = "mature" }
"""


def explore(served: Served, folder: Path, *more: str) -> tuple[dict[str, Any], str]:
    """Report of schemathesis on the service, and what it printed."""
    report = folder / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--no-color", "run"),
        f"http://127.0.0.1:{served.port}/openapi.json",
        *("--header", f"X-API-Key: {served.tokens['write']}", "--phases", ",".join(PHASES)),
        *("--checks", "all", "--continue-on-failure", "--seed", "1", "--workers", "2"),
        *("--generation-database", "none", "--request-timeout", "30", "--output-truncate", "true"),
        *("--report", "json", "--report-json-path", str(report), *more),
    ]
    (folder / "schemathesis.toml").write_text(_CONFIG, encoding="utf-8")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    hooks = "tests.support.schemathesis_hooks"
    env = {**os.environ, "SCHEMATHESIS_HOOKS": hooks, "PYTHONPATH": path}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=600
    )
    printed = done.stdout[-5_000:] + done.stderr[-5_000:]
    assert report.exists(), printed
    return json.loads(report.read_text(encoding="utf-8")), printed


@pytest.mark.slow
def test_schemathesis_finds_nothing(served: Served, tmp_path: Path) -> None:
    document = served.get("/openapi.json", key=None).document
    operations = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    report, printed = explore(served, tmp_path, "--max-examples", "10")
    assert (report["failures"], report["errors"]) == ([], []), printed
    assert (report["complete"], report["exit_code"]) == (True, 0), printed
    assert report["operations"]["tested"] == len(operations) == report["operations"]["total"]
    assert [report["phases"][phase]["status"] for phase in PHASES] == ["success"] * 3
    cases = report["test_cases"]
    assert cases["generated"] > 1_000  # it did look
    assert cases["without_checks"] < 50
    assert report["filtered"] < 100  # and the hook did not look away
    assert not any(report["warnings"].values()), report["warnings"]
    assert set(report["valid_rates"]) == operations
    for operation, phases in report["valid_rates"].items():
        assert sum(phase["accepted"] for phase in phases.values()), (operation, phases)
    statuses = {line["status"] for line in served.log()}
    assert {200, 401, 404, 405, 422} <= statuses <= {200, 401, 404, 405, 409, 413, 422}
    assert "unexpected error" not in served.stderr()
