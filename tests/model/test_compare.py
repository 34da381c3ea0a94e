"""Segments of one run beside those of the next, and the command that shows who moved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from segpipe import postgres
from segpipe.axes import AXES, Eligibility
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core.schema import Reference
from segpipe.model.compare import rescored_axes, same_names, same_segments
from segpipe.model.document import AxisModel, Model, Segment
from segpipe.model.preprocessing import FeatureScale
from segpipe.postgres import Connection
from tests.support.commands import FEW_KS, call, shop_lines, write_shop
from tests.support.moving_customers import APRIL, MARCH, Customer, Shop

REFERENCE = Reference(MARCH, {}, 1.0, (), 30.0)


def axis_of(name: str, names: Mapping[int, str], state: str = "one_time_buyer") -> AxisModel:
    segments = tuple(
        Segment(number, segment, "", (), "", {}, 0.5) for number, segment in names.items()
    )
    scale = FeatureScale("refund_amount_share", "identity", 0.0, 0.0, 9.0, 0.0, 1.0)
    rules = (Eligibility("n_orders", 2, state),)
    return AxisModel(
        name=name,
        group="marketing",
        verdict="k-means",
        reason=None,
        silhouette=0.3,
        eligibility=rules,
        scales=(scale,),
        segments=segments,
        default_state="unavailable",
        next_segment_id=9,
        partition=CentroidPartition(tuple((float(number),) for number in names)),
    )


def model_of(axes: Sequence[AxisModel], inputs: tuple[str, ...] = ("refund",)) -> Model:
    return Model(1, inputs, "UTC", REFERENCE, tuple(axes))


def test_a_segment_is_the_same_by_its_id_and_a_state_by_its_name() -> None:
    old = axis_of("own", {1: "low", 2: "high", 3: "odd"})
    new = axis_of("own", {2: "top", 4: "low"}, "single_order")
    expected = {
        "low": None,
        "high": "top",
        "odd": None,
        "one_time_buyer": None,
    }
    assert same_segments(old, new) == expected
    assert same_segments(old, old) == {name: name for name in old.vocabulary()}
    models = model_of([old, axis_of("gone", {1: "x"})]), model_of([new, axis_of("comes", {1: "x"})])
    assert same_names(*models) == {"own": expected}
    assert same_names(None, models[1]) == {}


def test_an_axis_is_rescored_where_it_is_still_there_and_fed() -> None:
    own, gone = axis_of("own", {1: "low"}), axis_of("gone", {1: "low"})
    previous = model_of([own, gone])
    assert rescored_axes(previous, model_of([own])) == (own,)
    assert rescored_axes(previous, model_of([own], inputs=("product",))) == ()
    assert rescored_axes(None, model_of([own])) == ()


def test_an_axis_of_prices_is_not_rescored_with_other_usual_prices() -> None:
    other = replace(REFERENCE, category_prices={"shoes": 40.0}, as_of=APRIL)
    prices = replace(
        axis_of("prices", {1: "low"}),
        scales=(FeatureScale("price_position", "identity", 0.0, 0.0, 9.0, 0.0, 1.0),),
    )
    own = axis_of("own", {1: "low"})
    inputs = ("product", "refund")
    previous = model_of([own, prices], inputs)
    now = model_of([own, prices], inputs)
    assert rescored_axes(previous, now) == (own, prices)
    later = replace(now, reference=replace(REFERENCE, as_of=APRIL))
    assert rescored_axes(previous, later) == (own, prices)
    assert rescored_axes(previous, replace(now, reference=other)) == (own,)


@pytest.fixture
def two_months(capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> str:
    """A store with a run of February, one of March, and that one again."""
    path, model = write_shop(tmp_path / "shop.csv", shop_lines(120)), tmp_path / "model.json"
    for as_of, options in (
        ("2025-02-15", FEW_KS),
        ("2025-03-15", (*FEW_KS, "--force", "--model-out", model)),
        ("2025-03-15", ("--force", "--model", model)),
    ):
        outcome = call(
            capsys,
            *("run", "--csv-path", path, "--as-of", as_of, "--quiet", *options),
            *("--database-url", database_url),
        )
        assert outcome.status == 0, outcome.err
    return database_url


def test_two_months_of_a_shop_and_one_of_them_twice(
    capsys: pytest.CaptureFixture[str], two_months: str
) -> None:
    def transitions_text(*arguments: object) -> str:
        outcome = call(capsys, "transitions", *arguments, "--database-url", two_months)
        assert outcome.status == 0, outcome.err
        return outcome.out

    assert "Run 1 of store default, as of 2025-02-15: there is no earlier run" in transitions_text(
        "--run", 1
    )
    assert "nobody has moved since run 2, as of 2025-03-15" in transitions_text()
    found = json.loads(transitions_text("--run", 2, "--json"))
    assert (found["previous_run_id"], found["previous_as_of"]) == (1, "2025-02-15")
    moves = found["transitions"]
    assert all(sum(move["causes"].values()) == move["n_customers"] for move in moves)
    assert sum(move["causes"]["behaviour"] for move in moves) > 0
    axis = moves[0]["axis"]
    text = transitions_text("--run", 2, "--axis", axis, "--limit", 1).splitlines()
    axes = [move["axis"] for move in moves]
    assert [*dict.fromkeys(axes)] == [axis.name for axis in AXES if axis.name in axes]
    assert text[0] == "Run 2 of store default, as of 2025-03-15, since run 1, as of 2025-02-15"
    assert text[3].split()[:3] == [axis, moves[0]["from_segment"], moves[0]["to_segment"]]
    n_moved = sum(move["n_customers"] for move in moves if move["axis"] == axis)
    assert text[-1].startswith(f"{n_moved:,} of {found['n_customers']:,} customers (")
    with postgres.connect(two_months) as connection:
        (report,) = postgres.fetch_one(
            connection,
            "SELECT report->'load'->'transitions' FROM segmentation_runs WHERE run_id = 2",
        )
    assert sum(t["n_customers"] for t in report) == sum(move["n_customers"] for move in moves)


def test_a_wrong_question_gets_a_clear_error(
    capsys: pytest.CaptureFixture[str], database: Connection, database_url: str
) -> None:
    url = ("--database-url", database_url)
    nothing = call(capsys, "transitions", *url)
    assert (nothing.status, "has been published" in nothing.err) == (2, True)
    Shop(database).publish({"a": Customer()}, MARCH)
    for arguments, message in (
        (("--run", 7), "no published run 7"),
        (("--run", "x"), "'x'"),
        (("--store-id", "other"), "'other'"),
        # By name, since this run was published without a model to take the order from.
        (("--axis", "value"), "it has: loyalty_trajectory, purchase_value"),
    ):
        outcome = call(capsys, "transitions", *arguments, *url)
        assert outcome.status == 2
        assert message in outcome.err
