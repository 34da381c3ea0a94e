"""The run watcher with the queue, as any face may use them: without the web, across runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from segpipe import postgres, runs
from segpipe.realtime import run_watcher
from segpipe.realtime.batching import AssignQueue
from segpipe.realtime.run_watcher import RunWatcher
from tests.support.commands import ROOT
from tests.support.live_database import wait_for
from tests.support.services import publish, shop_copy

# Assigns a customer for each line that it reads, as a stream worker would.
FACE = """
import json, sys
from decimal import Decimal
from segpipe.realtime import customer_of
from segpipe.realtime.batching import AssignQueue
from segpipe.realtime.run_watcher import RunWatcher

errors = []
queue = AssignQueue(errors.append)
watcher = RunWatcher(sys.argv[1], "default", queue, errors.append)
queue.start()
watcher.start()
order = {"order_date": "2025-06-20", "total_price": Decimal("24.5")}
for customer_id in sys.stdin:
    customer = customer_of({"customer_id": customer_id.strip(), "orders": [order]})
    snapshot, [answer] = queue.put([customer])
    [found] = answer.result(30)
    print(json.dumps([snapshot.run.run_id, found.customer_id, found.metrics]), flush=True)
watcher.end()
queue.end()
web = {"fastapi", "starlette", "uvicorn", "pydantic", "segpipe.api"}
print(json.dumps([sorted(web & set(sys.modules)), list(map(repr, errors))]))
"""


@pytest.fixture
def url(server_url: str) -> Iterator[str]:
    """A shop of 60 customers with run 1, for one test."""
    with shop_copy(server_url) as found:
        yield found


def test_customers_are_assigned_across_a_run_change_without_the_web(
    url: str, tmp_path: Path
) -> None:
    model = tmp_path / "model.json"
    with postgres.connect(url) as connection:
        model.write_text(json.dumps(runs.read_model(connection, 1)), encoding="utf-8")
    face = subprocess.Popen(
        [sys.executable, "-c", FACE, url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert face.stdin is not None
    assert face.stdout is not None

    def assigned() -> list[Any]:
        print("new", file=face.stdin, flush=True)
        assert face.stdout is not None
        found: list[Any] = json.loads(face.stdout.readline())
        return found

    first = assigned()
    assert first[:2] == [1, "new"]
    assert first[2]["lifetime_value"] == 24.5
    publish(url, tmp_path, 60, 2, "--model", model, "--force")
    wait_for(lambda: assigned()[0] == 2)
    with postgres.connect(url) as connection:
        runs.rollback(connection, "default")
    wait_for(lambda: assigned() == first)
    rest, _ = face.communicate(timeout=60)
    assert json.loads(rest) == [[], []]
    assert face.returncode == 0


@contextmanager
def watching(url: str, errors: list[BaseException], **hooks: Any) -> Iterator[RunWatcher]:  # noqa: ANN401 - callbacks
    queue = AssignQueue(errors.append)
    watcher = RunWatcher(url, "default", queue, errors.append, **hooks)
    queue.start()
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.end()
        queue.end()


def test_a_run_without_a_usable_model_is_still_current(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with postgres.connect(url) as connection:
        connection.execute(
            "UPDATE segmentation_runs SET model = jsonb_set(model::jsonb, '{format}', '99')"
        )
    errors: list[BaseException] = []
    with watching(url, errors) as watcher:
        assert watcher.is_database_up
        assert watcher.run is not None
        assert watcher.run.run_id == 1
    assert "The model of run 1 cannot be used" in caplog.text
    assert errors == []


def test_the_watcher_goes_on_after_an_unexpected_error(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_watcher, "POLL_SECONDS", 0.01)
    errors: list[BaseException] = []
    n_polls: list[int] = []

    def fail() -> None:
        n_polls.append(1)
        if 1 < len(n_polls) < 4:
            raise ZeroDivisionError

    with watching(url, errors, after_poll=fail):
        wait_for(lambda: len(n_polls) > 5)
    assert [type(error) for error in errors] == [ZeroDivisionError] * 2
