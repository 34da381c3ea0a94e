"""What a store is asked: profiles, sizes, axes, runs and moves, every answer of one run."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from segpipe import answers, postgres, publishing, runs
from segpipe.axes import AXES as AXES_OF_SEGPIPE
from segpipe.core.errors import InputError
from segpipe.model.document import Model
from segpipe.postgres import Connection
from segpipe.runs import RunFacts, SegmentDefinition
from tests.conftest import Rows
from tests.model.test_explain import AXIS, REFERENCE
from tests.support.commands import AXIS_NAMES, FEW_KS, call, shop_lines, write_shop
from tests.support.moving_customers import APRIL, AXES, MARCH, TREND, VALUE, Customer, Shop


@pytest.fixture
def shop(database: Connection) -> Shop:
    return Shop(database)


def _assert_plain(answer: Any) -> None:  # noqa: ANN401 - any answer
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_an_empty_store_has_no_answer(database: Connection) -> None:
    assert answers.current_run(database, "default") is None
    assert answers.only_store(database, None) == "default"
    assert answers.only_store(database, "named") == "named"
    assert answers.list_runs(database, "default") == {"runs": [], "run": None}
    readers: tuple[Callable[[Connection, str], object], ...] = (
        answers.read_stats,
        answers.read_axes,
        answers.read_transitions_of,
        lambda connection, store: answers.read_profile(connection, store, "a"),
        lambda connection, store: answers.explain_customer(connection, store, "a"),
        lambda connection, store: answers.list_customers(connection, store, "x", "y"),
    )
    for reader in readers:
        assert reader(database, "default") is None


def test_the_current_run_is_the_newest_that_was_not_withdrawn(shop: Shop) -> None:
    shop.publish({"a": Customer(), "b": Customer()}, MARCH)
    shop.publish({"a": Customer()}, APRIL)
    run = answers.current_run(shop.database, "default")
    assert run
    assert (run.run_id, run.as_of, run.n_customers, run.input_hash) == (2, APRIL, 1, None)
    runs.start_run(shop.database, "default", RunFacts(as_of=APRIL))
    assert answers.current_run(shop.database, "default") == run
    runs.rollback(shop.database, "default")
    back = answers.current_run(shop.database, "default")
    assert back
    assert (back.run_id, back.n_customers) == (1, 2)
    assert answers.only_store(shop.database, None) == "default"
    Shop(shop.database, store_id="other").publish({"a": Customer()}, MARCH)
    with pytest.raises(InputError, match=r"several stores \(default, other\)"):
        answers.only_store(shop.database, None)


def test_a_profile_names_the_customer_and_the_run(shop: Shop) -> None:
    odd = "a/b ü\u2028'\"%s"
    there = {odd: Customer(), "gone": Customer()}
    shop.publish(there, MARCH)
    shop.publish({odd: Customer("whale", value=12.5, n_orders=5)}, APRIL)
    shop.database.execute("SET timezone = 'Asia/Tokyo'")
    answer = answers.read_profile(shop.database, "default", odd)
    assert answer
    _assert_plain(answer)
    run = answers.current_run(shop.database, "default")
    assert run
    published_at = answer["run"].pop("published_at")
    assert published_at.endswith("Z")
    assert datetime.fromisoformat(published_at) == run.finished_at
    updated = datetime.fromisoformat(answer.pop("last_updated"))
    assert updated.tzinfo == UTC
    assert answer == {
        "customer_id": odd,
        "store_id": "default",
        "as_of": "2025-04-01",
        "segment_memberships": {VALUE: "whale", TREND: "steady"},
        "dominant_segments": {VALUE: "whale", TREND: "steady"},
        "membership_strengths": {VALUE: 0.5, TREND: 0.5},
        "confidence": 0.5,
        "metrics": {
            "lifetime_value": 12.5,
            "avg_order_value": 1.0,
            "churn_risk_score": 1.0,
            "expected_value_90d": 1.0,
            "total_orders": 5,
            "days_since_last_purchase": 59,
            "customer_tenure_days": 1,
            "rfm_score": None,
        },
        "run": {"run_id": 2, "as_of": "2025-04-01"},
        "written_by_run_id": 2,
        "previous_segments": {VALUE: "mid_tier"},
        "segment_since": {VALUE: "2025-04-01"},
        "first_seen_on": "2025-03-01",
        "is_absent": False,
    }
    gone = answers.read_profile(shop.database, "default", "gone")
    assert gone
    assert (gone["run"]["run_id"], gone["written_by_run_id"], gone["is_absent"]) == (2, 1, True)
    assert answers.read_profile(shop.database, "default", "nobody") is None
    assert answers.read_profile(shop.database, "other", odd) is None


def _define(shop: Shop, states: dict[str, str]) -> None:
    """Definitions of the current run: whale is a segment, with one state for each axis."""
    run_id = runs.latest_published(shop.database, shop.store_id)
    for axis in AXES:
        for number, name in ((1, "whale"), (-1, states[axis])):
            row = SegmentDefinition(axis, number, name, "segment" if number > 0 else "state", "")
            shop.database.execute(
                "INSERT INTO segment_definitions (store_id, run_id, axis, segment_id, segment,"
                " kind, description, n_customers, share, lifetime_value)"
                " VALUES (%s, %s, %s, %s, %s, %s, '', 0, 0, 0)",
                [shop.store_id, run_id, axis, row.segment_id, row.segment, row.kind],
            )


def test_the_statistics_count_the_customers_of_the_run(shop: Shop) -> None:
    in_none = Customer("nothing", trend="too_early")
    shop.publish({"absent": in_none}, MARCH)
    shop.publish(
        {
            "a": Customer("whale", trend="whale"),
            "b": Customer("whale", trend="too_early"),
            "c": Customer("nothing", trend="whale"),
            "d": in_none,
        },
        APRIL,
    )
    _define(shop, {VALUE: "nothing", TREND: "too_early"})
    answer = answers.read_stats(shop.database, "default")
    assert answer
    _assert_plain(answer)
    assert answer.pop("run")["run_id"] == 2
    assert answer == {
        "total_customers": 4,
        "customers_with_segments": 3,
        "axes_count": 2,
        "segments_per_axis": {TREND: 1, VALUE: 1},
        "segment_distribution": {
            TREND: {"too_early": 2, "whale": 2},
            VALUE: {"nothing": 2, "whale": 2},
        },
    }


def test_the_answers_about_a_real_run_agree(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_shop(tmp_path / "shop.csv", shop_lines())
    outcome = call(
        capsys, "run", "--csv-path", path, "--quiet", *FEW_KS, "--database-url", database_url
    )
    assert outcome.status == 0, outcome.err
    with postgres.connect(database_url) as database:
        axes = answers.read_axes(database, "default")
        stats = answers.read_stats(database, "default")
        runs = answers.list_runs(database, "default")
        explained = answers.explain_customer(database, "default", "c0007", AXIS_NAMES[:2])
        moved = answers.read_transitions_of(database, "default")
    assert axes
    assert stats
    assert explained
    assert moved
    for answer in (axes, stats, runs, explained, moved):
        _assert_plain(answer)
        assert answer["run"] == runs["run"]
        assert answer["run"]["run_id"] == 1
    assert [axis["name"] for axis in axes["axes"]] == AXIS_NAMES
    value = next(axis for axis in axes["axes"] if axis["name"] == VALUE)
    assert value["description"].endswith("?")
    assert value["group"] == "marketing"
    assert value["verdict"] in ("groups", "tiers")
    assert {"measure", "label", "unit", "transform"} == set(value["features"][0])
    for name, axis in zip(AXIS_NAMES, axes["axes"], strict=True):
        if axis["verdict"] == "tiers":  # the main measure comes first
            known = next(one for one in AXES_OF_SEGPIPE if one.name == name)
            scales = {main.measure: main.transform for main in known.main}
            assert axis["features"][0]["transform"] == scales[axis["features"][0]["measure"]]
    assert value["features"][0]["transform"] == "signed_log"
    for axis in axes["axes"]:
        assert sum(segment["share"] for segment in axis["segments"]) == pytest.approx(1)
        sizes = {s["segment"]: s["n_customers"] for s in axis["segments"] if s["n_customers"]}
        assert sizes == stats["segment_distribution"][axis["name"]]
    assert stats["total_customers"] == stats["customers_with_segments"]
    assert stats["axes_count"] == 13
    assert [(run["run_id"], run["status"]) for run in runs["runs"]] == [(1, "published")]
    assert "error" not in runs["runs"][0]
    assert [axis["axis"] for axis in explained["axes"]] == AXIS_NAMES[:2]
    assert (moved["previous_run_id"], moved["transitions"]) == (None, [])


def test_a_users_own_axis_is_described_as_far_as_it_is_stored(
    database: Connection, rows: Rows
) -> None:
    run_id = runs.start_run(database, "default")
    publishing.publish(
        database,
        publishing.Publication(
            run_id,
            "default",
            [rows(["a"], segments={"recency": "near"})],
            axes=["recency"],
            definitions=[
                SegmentDefinition("recency", -1, "one_time_buyer", "state", "One order."),
                SegmentDefinition("recency", 2, "far", "segment", "Far.", silhouette=0.4),
                SegmentDefinition("recency", 1, "near", "segment", "Near.", silhouette=0.4),
            ],
            model=Model(1, (), "UTC", REFERENCE, (AXIS,)).document(),
        ),
    )
    answer = answers.read_axes(database, "default")
    assert answer
    (axis,) = answer["axes"]
    assert axis["description"] is None
    assert [row["segment"] for row in axis["segments"]] == ["near", "far", "one_time_buyer"]
    assert axis["segments"][0] == {
        "segment": "near",
        "segment_id": 1,
        "kind": "segment",
        "description": "Near.",
        "n_customers": 1,
        "share": 1.0,
        "value_share": 1.0,
        "silhouette": 0.4,
        "holds_for": None,
    }
    assert axis["features"][0]["measure"] == "recency_days"
    assert axis["features"][0]["unit"] == "days"


def test_transitions_are_those_of_the_named_or_the_current_run(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    shop.publish({"a": Customer("whale", value=9.0)}, APRIL)
    answer = answers.read_transitions_of(shop.database, "default", axes=[VALUE])
    assert answer
    _assert_plain(answer)
    assert (answer["run_id"], answer["as_of"], answer["previous_as_of"]) == (
        2,
        "2025-04-01",
        "2025-03-01",
    )
    assert answer["transitions"] == [
        {
            "axis": VALUE,
            "from_segment": "mid_tier",
            "to_segment": "whale",
            "n_customers": 1,
            "lifetime_value": 9.0,
            "causes": {"behaviour": 0, "time": 0, "model": 1},
        }
    ]
    first = answers.read_transitions_of(shop.database, "default", 1)
    assert first
    assert (first["run_id"], first["run"]["run_id"], first["transitions"]) == (1, 2, [])
    with pytest.raises(InputError, match="no published run 7"):
        answers.read_transitions_of(shop.database, "default", 7)
    with pytest.raises(InputError, match="no axis 'x'"):
        answers.read_transitions_of(shop.database, "default", axes=["x"])


def test_no_answer_mixes_two_runs(shop: Shop, database_url: str) -> None:
    """Each run puts all customers in a segment named after the run's day in the ledger."""
    days = [date(2025, 3, n + 1) for n in range(12)]
    customers = [{f"c{n}": Customer(f"of {day}") for n in range(30)} for day in days]
    shop.publish(customers[0], days[0])
    seen: list[str] = []
    done = Event()

    def read() -> None:
        with postgres.connect(database_url) as connection:
            while not done.is_set():
                stats = answers.read_stats(connection, "default")
                assert stats
                assert stats["segment_distribution"][VALUE] == {f"of {stats['run']['as_of']}": 30}
                page = _page(connection)
                assert page is None or {row["customer_id"] for row in page["customers"]} == all_ids
                profile = answers.read_profile(connection, "default", "c7")
                assert profile
                assert profile["segment_memberships"][VALUE] == f"of {profile['as_of']}"
                seen.append(profile["as_of"])

    def _page(connection: Connection) -> dict[str, Any] | None:
        run = answers.current_run(connection, "default")
        assert run
        try:
            return answers.list_customers(connection, "default", VALUE, f"of {run.as_of}")
        except InputError:  # another run is current by now
            return None

    all_ids = set(customers[0])
    failed: list[BaseException] = []

    def read_noting() -> None:
        try:
            read()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failed.append(error)

    readers = [Thread(target=read_noting) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for some, day in zip(customers[1:], days[1:], strict=True):
            shop.publish(some, day)
    finally:
        done.set()
        for reader in readers:
            reader.join(60)
    assert not failed, failed[0]
    assert seen
