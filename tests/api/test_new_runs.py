"""Changes while the service runs: new runs, rollbacks, keys, and customers stored in between."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

from segpipe import postgres, runs
from segpipe.access.key_table import create_key, revoke_key
from segpipe.api.examples import MINIMAL
from tests.support.live_database import wait_for
from tests.support.services import Served, module_url, publish, served

__all__ = ["module_url", "served"]


def run_of(served: Served) -> int:
    """The run by which customers are assigned."""
    found = served.post("/segments/assign", MINIMAL)
    assert found.status == 200, found.body
    run_id: int = found.document["run"]["run_id"]
    return run_id


def test_runs_and_rollbacks_go_live_without_a_restart_and_never_mixed(
    served: Served, module_url: str, tmp_path: Path
) -> None:
    model = tmp_path / "model.json"
    with postgres.connect(module_url) as connection:
        model.write_text(json.dumps(runs.read_model(connection, 1)), encoding="utf-8")
    assert run_of(served) == 1
    before = served.get("/segments/customer/c0001").document
    is_over = Event()
    with ThreadPoolExecutor(2) as askers:
        asked = [askers.submit(ask_on, served, is_over) for _ in range(2)]
        try:
            publish(module_url, tmp_path, 60, 2, "--model", model, "--force")
            wait_for(lambda: run_of(served) == 2)
            with postgres.connect(module_url) as connection:
                runs.rollback(connection, "default")
            wait_for(lambda: run_of(served) == 1)
        finally:
            is_over.set()
        answers = [answer for one in asked for answer in one.result()]
    assert served.get("/segments/customer/c0001").document == before
    assert {run_id for run_id, _ in answers} == {1, 2}
    known: dict[tuple[int, str], str] = {}
    for run_id, answer in answers:  # one run, one answer
        kind = "stats" if "segment_distribution" in answer else "profile"
        if "persisted" in answer:
            kind = "assigned"
        text = json.dumps(without_times(answer), sort_keys=True)
        assert known.setdefault((run_id, kind), text) == text


def without_times(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "run": answer["run"]["run_id"], "last_updated": None}


def ask_on(served: Served, is_over: Event) -> list[tuple[int, dict[str, Any]]]:
    """Answers of lookups, stats and assignments until it is over, each with its run."""
    answers = []
    while not is_over.wait(0.02):
        for found in (
            served.get("/segments/customer/c0001"),
            served.get("/segments/stats"),
            served.post("/segments/assign", MINIMAL),
        ):
            assert found.status == 200, found.body
            answers.append((found.document["run"]["run_id"], found.document))
    return answers


def test_a_key_is_accepted_until_it_is_revoked(served: Served, module_url: str) -> None:
    with postgres.connect(module_url) as connection:
        token = create_key(connection, "late", "write", 100_000)[1]
        asking = {"key": None, "headers": {"X-API-Key": token}}
        wait_for(lambda: served.get("/runs", **asking).status == 200)
        revoke_key(connection, "late")
    wait_for(lambda: served.get("/runs", **asking).status == 401)


def test_a_customer_is_stored_and_found(served: Served) -> None:
    n_before = served.get("/segments/stats").document["total_customers"]
    found = served.post("/segments/assign?persist=true", MINIMAL, key="write")
    assert (found.status, found.document["persisted"]) == (200, True)
    profile = served.get("/segments/customer/new-customer").document
    for name in ("segment_memberships", "membership_strengths", "metrics", "confidence"):
        assert profile[name] == found.document[name]
    assert served.get("/segments/stats").document["total_customers"] == n_before + 1
    batch = {"customers": [{**MINIMAL, "customer_id": f"n{index}"} for index in range(3)]}
    many = served.post("/segments/assign/batch?persist=1", batch, key="write")
    assert [json.loads(line)["persisted"] for line in many.body.splitlines()] == [True] * 3
    assert served.get("/segments/stats").document["total_customers"] == n_before + 4
    assert served.get("/segments/customer/n2/explain").status == 200


def test_no_customer_is_stored_during_a_run(served: Served, module_url: str) -> None:
    with (
        postgres.connect(module_url) as connection,
        runs.hold_store(connection, "default", wait=False, notify=print),
    ):
        busy = served.post("/segments/assign?persist=true", MINIMAL, key="write")
    assert (busy.status, busy.headers["retry-after"]) == (503, "1")


def test_without_the_database_lookups_are_503_until_it_is_back(
    served: Served, module_url: str, server_url: str
) -> None:
    with postgres.connect(module_url) as connection:
        name = connection.info.dbname
    with postgres.connect(server_url) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        try:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            admin.execute(ended, [name])
            wait_for(lambda: "segpipe_database_up 0.0" in served.get("/metrics").body.decode())
            for path in ("/segments/customer/c0001", "/segments/stats", "/ready", "/runs"):
                found = served.get(path)
                assert (found.status, found.headers["retry-after"]) == (503, "1")
                assert found.detail == "The database does not answer; try again in a second."
            assert served.post("/segments/assign", MINIMAL).status == 200
            assert served.get("/health", key=None).status == 200
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    wait_for(lambda: served.get("/ready").status == 200)
    assert served.get("/segments/customer/c0001").status == 200
