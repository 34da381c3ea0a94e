"""What a run decides of each axis, end to end: kept, replaced, held back; on a real database."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from segpipe import postgres
from segpipe.cli import main
from segpipe.postgres import Connection
from tests.support.commands import Outcome, call

FIRST_EDITION = Path(__file__).parents[1] / "support" / "first_edition_model.json"
Report = dict[str, Any]


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A shop of 500 customers on the first of May, June and July."""
    folder = tmp_path_factory.mktemp("months")
    whole = folder / "whole.csv"
    main(["generate", str(whole), "--customers", "500", "--quiet"])
    with whole.open(encoding="utf-8", newline="") as stream:
        head, *rows = list(csv.reader(stream))
    paths = []
    for month in ("2025-05-01", "2025-06-01", "2025-07-01"):
        paths.append(folder / f"{month}.csv")
        with paths[-1].open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([head, *(row for row in rows if row[2] < month)])
    return paths[0], paths[1], paths[2]


@dataclass
class Store:
    """A store in a database of its own, of which the runs are published."""

    capsys: pytest.CaptureFixture[str]
    url: str

    def run(self, path: Path, *options: object) -> Outcome:
        """`segpipe run` on the file."""
        command = ("run", "--csv-path", path, "--database-url", self.url, "--quiet")
        return call(self.capsys, *command, *options)

    def report(self, path: Path, *options: object) -> Report:
        """The report of a run that was published."""
        done = self.run(path, "--json", *options)
        assert done.status == 0, done.err
        report: Report = json.loads(done.out)
        return report


@pytest.fixture
def store(capsys: pytest.CaptureFixture[str], database_url: str) -> Store:
    return Store(capsys, database_url)


def _decisions(report: Report) -> dict[str, tuple[str, str | None]]:
    return {
        axis["name"]: (axis["decision"]["decision"], axis["decision"]["cause"])
        for axis in report["axes"]
    }


def _moves(report: Report, cause: str) -> int:
    moves = report["load"]["transitions"]
    return sum(move["n_customers"] for move in moves if move["cause"] == cause)


def _segments(database: Connection, axis: str) -> dict[str, str]:
    rows = database.execute(
        "SELECT customer_id, segment_memberships->>%s FROM current_profiles", [axis]
    ).fetchall()
    return dict(rows)


def _ledger(database: Connection, run_id: int) -> dict[str, Any]:
    query = "SELECT axis_decisions FROM segmentation_runs WHERE run_id = %s"
    found: dict[str, Any] = postgres.fetch_one(database, query, [run_id])[0]
    return found


def test_a_month_later_every_axis_is_kept_and_nobody_moves_by_the_model(
    store: Store,
    months: tuple[Path, ...],
) -> None:
    first = store.report(months[0])
    assert set(_decisions(first).values()) == {("new", None)}
    second = store.report(months[1])
    assert {decision for decision, _ in _decisions(second).values()} == {"kept"}
    assert _moves(second, "model") == 0
    assert _moves(second, "behaviour") > 0
    with postgres.connect(store.url) as database:
        stored = _ledger(database, second["load"]["run_id"])
        assert stored == {axis["name"]: axis["decision"] for axis in second["axes"]}
        rows = database.execute(
            "SELECT axis, segment, holds_for FROM segment_definitions"
            " WHERE run_id = %s AND holds_for IS NOT NULL",
            [second["load"]["run_id"]],
        ).fetchall()
        empty = database.execute(
            "SELECT axis, count(*) FILTER (WHERE n_customers = 0) FROM segment_definitions"
            " WHERE run_id = %s AND kind = 'segment' GROUP BY axis",
            [second["load"]["run_id"]],
        ).fetchall()
    assert rows
    assert {axis["name"]: axis["n_empty"] for axis in second["axes"] if axis["n_clusters"]} == dict(
        empty
    )
    reported = {axis["name"]: axis["holds_for"] for axis in second["axes"]}
    assert all(reported[axis][segment] == share for axis, segment, share in rows)
    for axis in second["axes"]:
        if axis["verdict"] != "unavailable":
            assert sum(axis["shares"].values()) == pytest.approx(1)
            assert sum(axis["value_shares"].values()) == pytest.approx(1, abs=1e-4)


def test_rediscovery_replaces_the_named_axis_alone_and_says_whom_it_moved(
    store: Store,
    months: tuple[Path, ...],
) -> None:
    store.report(months[0])
    report = store.report(months[1], "--rediscover", "purchase_frequency")
    decisions = _decisions(report)
    assert decisions.pop("purchase_frequency") == ("replaced", "asked for")
    assert {decision for decision, _ in decisions.values()} == {"kept"}
    (axis,) = [axis for axis in report["axes"] if axis["name"] == "purchase_frequency"]
    assert axis["decision"]["n_moved"] == _moves(report, "model")
    everything = _decisions(store.report(months[2], "--rediscover"))
    replaced = {cause for decision, cause in everything.values() if decision == "replaced"}
    assert replaced == {"asked for"}
    assert len(everything) == 13


def test_other_cuts_of_an_axis_in_tiers_replace_it(
    store: Store,
    months: tuple[Path, ...],
    tmp_path: Path,
) -> None:
    config = tmp_path / "segpipe.toml"
    config.write_text('[axes.purchase_value]\ncuts = "quantiles"\n', encoding="utf-8")
    store.report(months[0])
    decisions = _decisions(store.report(months[1], "--config", config))
    assert decisions.pop("purchase_value") == ("replaced", "other method")
    assert {decision for decision, _ in decisions.values()} == {"kept"}


def test_an_axis_whose_shares_moved_is_held_back_for_one_run(
    store: Store,
    months: tuple[Path, ...],
    tmp_path: Path,
) -> None:
    config = tmp_path / "segpipe.toml"
    config.write_text("[gates]\nmax_share_shift = 0.004\n", encoding="utf-8")
    store.report(months[0], "--config", config)
    axis = "purchase_value"
    with postgres.connect(store.url) as database:
        before = _segments(database, axis)
        held = store.report(months[1], "--config", config)
        assert _decisions(held)[axis] == ("held back", "shares moved")
        assert _decisions(held)["customer_maturity"] == ("kept", None)  # stages pass with time
        during = _segments(database, axis)
        assert {customer: during[customer] for customer in before} == before
        assert len(during) > len(before)  # new customers have a segment, too
        assert not [move for move in held["load"]["transitions"] if move["axis"] == axis]
        (report,) = [one for one in held["axes"] if one["name"] == axis]
        counted = {
            name: list(during.values()).count(name) / len(during) for name in report["shares"]
        }
        assert report["shares"] == pytest.approx(counted)
        assert report["holds_for"] == {}
        then = store.report(months[2], "--config", config)
        assert _decisions(then)[axis] == ("kept", None)
        moves = [move for move in then["load"]["transitions"] if move["axis"] == axis]
        assert {move["cause"] for move in moves} == {"behaviour"}  # also of those who waited


def test_force_publishes_shares_that_moved_at_once(
    store: Store,
    months: tuple[Path, ...],
    tmp_path: Path,
) -> None:
    config = tmp_path / "segpipe.toml"
    config.write_text("[gates]\nmax_share_shift = 0.004\n", encoding="utf-8")
    store.report(months[0], "--config", config)
    forced = store.report(months[1], "--config", config, "--force")
    assert _decisions(forced)["purchase_value"] == ("kept", None)
    assert any("max_share_shift" in note for note in forced["load"]["notes"])


def test_a_store_of_the_first_edition_is_rediscovered_once_and_refuses_nothing(
    store: Store,
    months: tuple[Path, ...],
) -> None:
    first = store.report(months[0], "--model", FIRST_EDITION)
    with postgres.connect(store.url) as database:
        database.execute(
            "UPDATE segmentation_runs SET model = %s, axis_decisions = '{}'",
            [FIRST_EDITION.read_text(encoding="utf-8")],
        )
    printed = store.run(months[1], "--verbose").out
    assert "made by an earlier version of segpipe" in printed
    row = next(line for line in printed.splitlines() if " self_sufficient " in line)
    assert row.startswith("problem_complexity_profile")
    with postgres.connect(store.url) as database:
        decisions = _ledger(database, first["load"]["run_id"] + 1)
    assert len(decisions) == 13
    assert {(one["decision"], one["cause"]) for one in decisions.values()} == {
        ("replaced", "earlier version")
    }
    assert sum(one["n_moved"] for one in decisions.values()) > 0
    assert {decision for decision, _ in _decisions(store.report(months[2])).values()} == {"kept"}


def test_a_given_model_reports_the_segments_that_it_keeps(
    store: Store,
    months: tuple[Path, ...],
    tmp_path: Path,
) -> None:
    model = tmp_path / "model.json"
    first = store.report(months[0], "--model-out", model)
    second = store.report(months[1], "--model", model)
    n_segments = sum(axis["n_clusters"] or 0 for axis in first["axes"])
    kinds = [event["kind"] for axis in second["axes"] for event in axis["events"]]
    assert kinds == ["kept"] * n_segments
    assert all(axis["decision"] is None for axis in second["axes"])


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--rediscover", "purchase_valu"), "purchase_value"),
        (("--rediscover", "--model", str(FIRST_EDITION)), "--model"),
        (("--method", "trees"), "trees"),
    ],
)
def test_what_cannot_be_asked_for_is_an_error(
    months: tuple[Path, ...],
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    found: str,
) -> None:
    done = call(capsys, "run", "--csv-path", months[0], "--dry-run", *options)
    assert done.status == 2
    assert found in done.err


def test_settings_of_an_axis_that_no_run_has_are_an_error(
    months: tuple[Path, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "segpipe.toml"
    config.write_text('[axes.purchase_valu]\ncuts = "quantiles"\n', encoding="utf-8")
    done = call(capsys, "run", "--csv-path", months[0], "--dry-run", "--config", config)
    assert done.status == 2
    assert "purchase_value" in done.err


def test_every_move_on_an_axis_of_other_inputs_is_by_the_model_and_announced(
    store: Store,
    months: tuple[Path, ...],
    tmp_path: Path,
) -> None:
    without = tmp_path / "without_category.csv"
    with months[1].open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    kept = [i for i, name in enumerate(rows[0]) if name not in ("Category", "ProductType")]
    with without.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([row[i] for i in kept] for row in rows)
    store.report(months[0])
    report = store.report(without)
    replaced = {
        axis["name"]: axis["decision"]
        for axis in report["axes"]
        if axis["decision"]["cause"] == "inputs"
    }
    assert replaced["value_sophistication"]["n_moved"] > 0
    for name, decision in replaced.items():
        moves = [move for move in report["load"]["transitions"] if move["axis"] == name]
        assert {move["cause"] for move in moves} <= {"model"}
        assert decision["n_moved"] == sum(move["n_customers"] for move in moves)
    others = [move for move in report["load"]["transitions"] if move["axis"] not in replaced]
    assert {move["cause"] for move in others} == {"time", "behaviour"}
