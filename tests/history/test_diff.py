"""Two runs compared, by what each of them has stored."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from segpipe import postgres, publishing, runs
from segpipe.core.errors import InputError
from segpipe.history import AxisDiff, diff_runs, diff_text
from segpipe.postgres import Connection
from segpipe.runs import RunFacts, SegmentDefinition
from tests.support.commands import FEW_KS, call, shop_lines, write_shop
from tests.support.moving_customers import APRIL, MARCH, MAY, TREND, VALUE, Customer, Shop, batch_of


def _axis(axes: tuple[AxisDiff, ...], name: str) -> AxisDiff:
    return next(axis for axis in axes if axis.axis == name)


def _three_runs(database: Connection) -> Shop:
    """b goes up, then back; c goes up in the last run; d comes in the second one."""
    shop = Shop(database)
    shop.publish({"a": Customer(), "b": Customer(), "c": Customer()}, MARCH)
    shop.publish(
        {"a": Customer(), "b": Customer("whale", value=900), "c": Customer(), "d": Customer()},
        APRIL,
    )
    shop.publish(
        {"a": Customer(), "b": Customer(), "c": Customer("whale", value=700), "d": Customer()}, MAY
    )
    return shop


def test_sizes_and_moves_of_two_runs_are_compared(database: Connection) -> None:
    _three_runs(database)
    found = diff_runs(database, "1", "2")
    assert (found.before.run_id, found.after.run_id, found.steps) == (1, 2, (2,))
    assert (found.before.n_customers, found.after.n_customers) == (3, 4)
    assert (found.before.as_of, found.after.as_of) == (MARCH, APRIL)
    axis = _axis(found.axes, VALUE)
    assert axis.n_moves == 1
    segments = {(s.name_before, s.name_after): s for s in axis.segments}
    stayed, new = segments["mid_tier", "mid_tier"], segments[None, "whale"]
    assert (stayed.n_customers_before, stayed.n_customers_after) == (3, 3)
    assert (stayed.share_before, stayed.share_after) == (1, 0.75)
    assert (stayed.lifetime_value_before, stayed.lifetime_value_after) == (300, 300)
    assert (new.n_customers_before, new.n_customers_after, new.lifetime_value_after) == (0, 1, 900)
    assert _axis(found.axes, TREND).n_moves == 0


def test_moves_over_several_runs_are_added_up_with_a_note(database: Connection) -> None:
    _three_runs(database)
    found = diff_runs(database, "1", "latest")
    assert found.steps == (2, 3)
    assert _axis(found.axes, VALUE).n_moves == 3
    assert "Added up over the runs 2, 3:" in diff_text(found)
    assert diff_runs(database, "3", "1").steps == (2, 3)
    assert "Added up" not in diff_text(diff_runs(database, "2", "3"))


def test_moves_between_runs_of_two_branches_cannot_be_counted(database: Connection) -> None:
    _three_runs(database)
    database.execute("UPDATE segmentation_runs SET previous_run_id = 1 WHERE run_id = 3")
    database.execute("UPDATE segmentation_runs SET status = 'withdrawn' WHERE run_id = 2")
    found = diff_runs(database, "2", "3")
    assert found.steps is None
    assert _axis(found.axes, VALUE).n_moves is None
    text = diff_text(found)
    assert "Moves cannot be counted" in text
    assert "withdrawn" in text


def test_segments_are_matched_by_their_permanent_id(database: Connection) -> None:
    for names in (("low", "high"), ("high", "huge")):
        run_id = runs.start_run(database, "default", RunFacts(as_of=MARCH))
        customers = {"a": Customer(names[0]), "b": Customer(names[1], value=500.0)}
        publishing.publish(
            database,
            publishing.Publication(
                run_id,
                "default",
                [batch_of(customers, MARCH, (VALUE,))],
                axes=(VALUE,),
                definitions=[
                    SegmentDefinition(VALUE, number, name, "segment", "")
                    for number, name in enumerate(names, start=1)
                ],
            ),
        )
    (axis,) = diff_runs(database, "1", "2").axes
    matched = [(s.segment_id, s.name_before, s.name_after) for s in axis.segments]
    assert sorted(matched) == [(1, "low", "high"), (2, "high", "huge")]
    assert (axis.n_clusters_before, axis.n_clusters_after) == (2, 2)
    text = diff_text(diff_runs(database, "1", "2"))
    lines = [line.split()[:3] for line in text.splitlines()]
    assert lines[lines.index(["high", "1", "1"]) + 1] == ["was", "low"]
    assert lines[lines.index(["huge", "1", "1"]) + 1] == ["was", "high"]


def test_only_settings_and_versions_that_differ_are_listed(database: Connection) -> None:
    for seed, version in ((1, "0.1"), (2, "0.2")):
        facts = RunFacts(
            input_hash="ab" * 32,
            parameters={"sample": {"seed": seed, "size": 5000}, "is_forced": seed == 2},
            versions={"segpipe": version, "duckdb": "2"},
        )
        runs.fail_run(database, runs.start_run(database, "default", facts), "load", "no room")
    found = diff_runs(database, "1", "2")
    settings = [(change.name, change.before, change.after) for change in found.parameters]
    assert settings == [("is_forced", False, True), ("sample.seed", 1, 2)]
    assert [(c.name, c.before, c.after) for c in found.versions] == [("segpipe", "0.1", "0.2")]
    text = diff_text(found)
    assert "The input was the same." in text
    assert "Neither run has segments." in text


def test_runs_that_cannot_be_compared_are_an_error(database: Connection) -> None:
    Shop(database).publish({"a": Customer()}, MARCH)
    runs.start_run(database, "other")
    with pytest.raises(InputError, match="Run 1 is of store 'default', run 2 of store 'other'"):
        diff_runs(database, "1", "2")
    with pytest.raises(InputError, match="There is no run 9"):
        diff_runs(database, "1", "9")
    with pytest.raises(InputError, match="no run 2 of store 'default'"):
        diff_runs(database, "1", "2", "default")
    with pytest.raises(InputError, match="The run is 'x'"):
        diff_runs(database, "x", "1")


def test_the_newest_order_of_older_runs_is_read_from_the_report(database: Connection) -> None:
    Shop(database).publish({"a": Customer()}, MARCH)
    report = {"source": {"last_ordered_at": "2025-02-27 13:00:00"}}
    runs.record_report(database, 1, report)
    assert diff_runs(database, "1", "1").before.last_order_on == date(2025, 2, 27)


def test_the_command_compares_real_runs_in_a_hundred_columns(
    capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path
) -> None:
    url = ("--database-url", database_url)
    for n_customers, seed in ((60, "1"), (70, "2")):
        path = write_shop(tmp_path / f"{seed}.csv", shop_lines(n_customers))
        more = ("--seed", seed, "--quiet", "--as-of", f"2025-07-0{seed}", "--force", *FEW_KS)
        outcome = call(capsys, "run", "--csv-path", path, *url, *more)
        assert outcome.status == 0, outcome.err
    outcome = call(capsys, "diff", "1", "latest", *url)
    assert outcome.status == 0, outcome.err
    lines = outcome.out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == "Runs 1 and 2 of store default"
    assert any(line.split() == ["Customers", "60", "70"] for line in lines)
    assert any(line.split() == ["sample.seed", "1", "2"] for line in lines)
    found = json.loads(call(capsys, "diff", "1", "2", "--json", *url).out)
    assert [axis["axis"] for axis in found["axes"]][:2] == ["purchase_frequency", "purchase_value"]
    with postgres.connect(database_url) as database:
        for axis in found["axes"]:
            assert sum(s["n_customers_after"] for s in axis["segments"]) == 70
            assert sum(s["share_before"] for s in axis["segments"]) == pytest.approx(1)
            (n_moves,) = database.execute(
                "SELECT coalesce(sum(n_customers), 0)::int FROM segment_transitions"
                " WHERE run_id = 2 AND axis = %s",
                [axis["axis"]],
            ).fetchall()[0]
            assert sum(axis["moves"].values()) == n_moves


def test_a_model_of_another_format_is_a_change_of_versions(database: Connection) -> None:
    shop = Shop(database)
    shop.publish({"a": Customer()}, MARCH)
    shop.publish({"a": Customer()}, APRIL)
    for run_id, number in ((1, 3), (2, 4)):
        database.execute(
            "UPDATE segmentation_runs SET model = %s::json WHERE run_id = %s",
            [json.dumps({"format": number, "axes": []}), run_id],
        )
    found = diff_runs(database, "1", "2")
    assert [(c.name, c.before, c.after) for c in found.versions] == [("model_format", 3, 4)]
    assert "Versions: the same" not in diff_text(found)


def test_a_setting_that_is_empty_and_one_that_is_absent_are_the_same(database: Connection) -> None:
    shop = Shop(database)
    shop.publish({"a": Customer()}, MARCH)
    shop.publish({"a": Customer()}, APRIL)
    changed = json.dumps({"notes": [], "load": {"absent": "keep"}})
    database.execute("UPDATE segmentation_runs SET parameters = %s WHERE run_id = 2", [changed])
    names = [change.name for change in diff_runs(database, "1", "2").parameters]
    assert names == ["load.absent"]
