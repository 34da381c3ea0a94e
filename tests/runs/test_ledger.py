"""The ledger: what it stores of a run is read back."""

from __future__ import annotations

import json
from datetime import date

from segpipe import runs
from segpipe.postgres import Connection
from tests.conftest import Rows
from tests.support.publishing import publish_batches


def test_a_model_is_stored_unchanged(database: Connection, rows: Rows) -> None:
    model = {"z": [1e300, 1e16, -0.0, 0.1, 1.0, 5e-324], "a": {"ü": None, "b": True}}
    run_id = publish_batches(database, [rows(["a"])], model=model).run_id
    assert json.dumps(runs.read_model(database, run_id)) == json.dumps(model)
    assert runs.read_model(database, -1) is None


def test_the_ledger_has_what_happened_to_a_run(database: Connection) -> None:
    facts = runs.RunFacts(as_of=date(2024, 1, 2), seed=42, parameters={"a": 1})
    run_id = runs.start_run(database, "default", facts)
    runs.record_facts(database, run_id, runs.RunFacts(rows_read=7, parameters={"b": 2}))
    runs.record_report(database, run_id, {"ü": 1})
    runs.fail_run(database, run_id, "cluster", "It's \0 broken.")
    (run,) = runs.list_runs(database, "default")
    assert (run["status"], run["failed_stage"], run["error"]) == (
        "failed",
        "cluster",
        "It's  broken.",
    )
    assert (run["as_of"], run["seed"], run["rows_read"]) == (date(2024, 1, 2), 42, 7)
    assert runs.list_runs(database, "other") == []
    assert runs.latest_published(database, "default") is None
    stored = database.execute("SELECT parameters, report FROM segmentation_runs").fetchall()
    assert stored == [({"a": 1, "b": 2}, {"ü": 1})]
