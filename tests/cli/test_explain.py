"""`segpipe explain`: what it prints, on a run of the pipeline and on runs made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pytest

from segpipe import postgres, publishing, runs
from segpipe.model.document import Model, model_of
from segpipe.model.explain import explain
from segpipe.model.outlook import NO_OUTLOOK
from segpipe.postgres import Connection
from tests.conftest import Rows
from tests.model.test_explain import AXIS, REFERENCE
from tests.support.commands import AXIS_NAMES, FEW_KS, call, profiles, shop_lines, write_shop

FIGURES = {"a": (30.0, 5.0), "b": (72.0, 4.0), "c": (1.0, 1.0)}  # days since the last order, orders
NAMES = {"a": "near", "b": "far", "c": "one_time_buyer"}


def _publish(database: Connection, rows: Rows, ids: str, store_id: str = "default") -> None:
    """A run of some of the customers of FIGURES, on the axis `recency` alone."""
    run_id = runs.start_run(database, store_id)
    days, orders = zip(*(FIGURES[name] for name in ids), strict=True)
    columns = {"customer_id": list(ids), "recency_days": days, "n_orders": orders}
    publishing.publish(
        database,
        publishing.Publication(
            run_id,
            store_id,
            [rows([name], segments={"recency": NAMES[name]}) for name in ids],
            axes=["recency"],
            model=Model(1, (), "UTC", REFERENCE, (AXIS,)).document(),
            measures=[pa.RecordBatch.from_pydict(columns)],
        ),
    )


def _no_constant(name: str) -> NoReturn:
    raise AssertionError(name)


def _document(capsys: pytest.CaptureFixture[str], url: str, *arguments: object) -> dict[str, Any]:
    outcome = call(capsys, "explain", *arguments, "--json", "--database-url", url)
    assert outcome.status == 0, outcome.err
    found: dict[str, Any] = json.loads(outcome.out, parse_constant=_no_constant)
    return found


def test_the_explanation_of_everybody_agrees_with_the_profile_of_a_run(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_shop(tmp_path / "shop.csv", shop_lines())
    url = ("--database-url", database_url)
    outcome = call(capsys, "run", "--csv-path", path, "--quiet", *FEW_KS, *url)
    assert outcome.status == 0, outcome.err
    kinds = set()
    with postgres.connect(database_url) as connection:
        model = model_of(runs.read_model(connection, 1))
        for profile in profiles(database_url):
            measures = runs.read_measures(connection, "default", 1, profile["customer_id"])
            assert measures is not None
            for found in explain(model, measures):
                assert found.name == profile["segment_memberships"][found.axis]
                strength = profile["membership_strengths"][found.axis]
                assert found.strength == pytest.approx(strength, abs=5.1e-5)
                kinds.add(found.kind)
    assert kinds >= {"segment", "state"}
    shown = _document(capsys, database_url, "c0007")
    assert [axis["axis"] for axis in shown["axes"]] == AXIS_NAMES
    assert all(axis["name"] == axis["in_profile"] and axis["text"] for axis in shown["axes"])
    assert "nan" not in call(capsys, "explain", "c0007", *url).out


def test_the_reasons_are_printed_in_words(
    database: Connection, database_url: str, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    _publish(database, rows, "abc")
    outcome = call(capsys, "explain", "a", "--axis", "recency", "--database-url", database_url)
    assert outcome.status == 0
    assert outcome.out == (
        "Customer a of store default, run 1, as of 2025-03-01\n"
        "\n"
        "recency: near (strength 0.77; next far, 0.23)\n"
        "  such customers are near\n"
        "  for it: last bought 30 days ago (shop median 30, near 12, far 72)\n"
        "  would be far with days since the last order: 41 or more (now 30), all else as it is\n"
    )


def test_json_has_the_same_reasons(
    database: Connection, database_url: str, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    _publish(database, rows, "abc")
    shown = _document(capsys, database_url, "a")
    (axis,) = shown.pop("axes")
    assert shown == {
        "customer_id": "a",
        "store_id": "default",
        "run_id": 1,
        "as_of": "2025-03-01",
        "outlook": {
            "churn_risk_score": None,
            "expected_value_90d": None,
            "text": f"no churn risk and no expected value: {NO_OUTLOOK}",
        },
    }
    assert (axis["kind"], axis["name"], axis["in_profile"]) == ("segment", "near", "near")
    assert axis["runner_up"] == {"segment": "far", "membership": 0.2273}
    assert axis["flip"] == {
        "measure": "recency_days",
        "is_rise": True,
        "value": 41,
        "threshold": pytest.approx(40),
        "segment": "far",
        "now": 30,
        "along": [],
    }
    assert axis["text"][0] == "recency: near (strength 0.77; next far, 0.23)"
    (state,) = _document(capsys, database_url, "c")["axes"]
    assert (state["kind"], state["ends_with"]) == ("state", "1 more order")


def test_what_cannot_be_explained_is_refused_with_what_to_do(
    database: Connection, database_url: str, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    _publish(database, rows, "ab")
    _publish(database, rows, "b", "other")
    url = ("--database-url", database_url)
    unknown = call(capsys, "explain", "nobody", *url)
    assert (unknown.status, unknown.out) == (2, "")
    assert "no profile of customer 'nobody'" in unknown.err
    several = call(capsys, "explain", "b", *url)
    assert several.status == 2
    assert "in several stores (default, other)" in several.err
    assert call(capsys, "explain", "b", "--store-id", "other", *url).status == 0
    wrong = call(capsys, "explain", "a", "--axis", "recensy", *url)
    assert wrong.status == 2
    assert "no axis 'recensy'. Did you mean recency?" in wrong.err
    database.execute("UPDATE segmentation_runs SET measures_table = NULL")
    gone = call(capsys, "explain", "a", *url)
    assert gone.status == 2
    assert "Run 1, which wrote the profile of customer 'a', kept no measures" in gone.err
    assert "run `segpipe run` again" in gone.err
    database.execute("UPDATE segmentation_runs SET model = NULL")
    assert "kept no model" in call(capsys, "explain", "a", *url).err


def test_a_profile_made_from_other_figures_is_noticed(
    database: Connection, database_url: str, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    _publish(database, rows, "a")
    database.execute('UPDATE customer_profiles SET segment_memberships = \'{"recency": "far"}\'')
    outcome = call(capsys, "explain", "a", "--database-url", database_url)
    assert outcome.out.endswith(
        "  note: the profile has far; it was made from other figures than those that are kept\n"
    )


def test_an_absent_customer_is_explained_by_the_run_that_knew_them(
    database: Connection, database_url: str, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    _publish(database, rows, "ab")
    before = _document(capsys, database_url, "a")
    for _ in range(3):
        _publish(database, rows, "b")
        assert _document(capsys, database_url, "a") == before
    assert before["run_id"] == 1
