"""Gates: each refuses what it is meant for, gives the reason, and lets everything else pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.core.errors import GateError
from segpipe.core.report import SourceInfo, TransitionInfo
from segpipe.core.settings import GateSettings
from segpipe.pipeline.quality_gates import axes_to_hold, check_gates, early_reasons
from segpipe.postgres import Connection, Jsonb
from segpipe.runs.last_run import LastRun, read_last_run

TODAY = date(2025, 8, 1)
SETTINGS = GateSettings()
SOURCE = SourceInfo(
    preset="standard",
    paths=("shop.csv",),
    input_hash="a",
    n_rows_read=1000,
    n_rows_rejected=0,
    rejects_path=None,
    reject_reasons={},
    n_guest_lines=0,
    n_return_lines=0,
    n_shared_orders=0,
    currency=None,
    inputs=frozenset(),
    first_ordered_at=datetime(2024, 1, 1),  # noqa: DTZ001 - UTC, as everywhere in the engine
    last_ordered_at=datetime(2025, 7, 31, 18, 30),  # noqa: DTZ001
)
LAST = LastRun(
    run_id=7,
    last_order_on=date(2025, 6, 30),
    last_ordered_at=datetime(2025, 6, 30, 20, 0),  # noqa: DTZ001
    rows_read=1000,
)


def early(
    source: SourceInfo = SOURCE,
    last: LastRun | None = LAST,
    settings: GateSettings = SETTINGS,
) -> tuple[str, ...]:
    return early_reasons(source, last, settings, TODAY)


def ordered(at: str) -> SourceInfo:
    return replace(SOURCE, last_ordered_at=datetime.fromisoformat(at))


def test_rejects_that_were_overridden_are_a_reason() -> None:
    source = replace(SOURCE, over_limit=("9 of 10 rows were rejected.",))
    assert early(source, last=None) == ("9 of 10 rows were rejected.",)


def test_newer_orders_pass_and_the_same_export_does_not() -> None:
    assert early() == ()
    assert early(ordered("2025-06-30 20:00:01")) == ()
    assert early(ordered("2025-06-30 20:00:00")) == (
        (
            "The newest order is from 2025-06-30 20:00:00, no newer than that of run 7,"
            " 2025-06-30 20:00:00: a stale export? ([gates] require_newer_orders = true)"
        ),
    )
    assert early(ordered("2025-05-31 23:00")) == (
        (
            "The newest order is from 2025-05-31, no newer than that of run 7, 2025-06-30:"
            " a stale export? ([gates] require_newer_orders = true)"
        ),
    )
    assert early(ordered("2025-05-31"), settings=GateSettings(require_newer_orders=False)) == ()


def test_where_the_last_second_is_not_known_the_day_decides() -> None:
    last = replace(LAST, last_ordered_at=None)
    assert early(ordered("2025-07-01"), last=last) == ()
    assert len(early(ordered("2025-06-30 23:59"), last=last)) == 1
    assert early(ordered("2020-01-01"), last=replace(last, last_order_on=None)) == ()


def test_an_order_dated_in_the_future_is_called_that() -> None:
    last = replace(LAST, last_ordered_at=datetime(2099, 1, 1))  # noqa: DTZ001
    (reason,) = early(ordered("2099-01-01"), last=last)
    assert "a date in the future, entered by mistake?" in reason


def test_the_age_of_the_newest_order_counts_only_with_a_limit() -> None:
    old = ordered("2025-07-01 09:00")
    assert early(old) == ()
    assert early(old, settings=GateSettings(max_order_age_days=31)) == ()
    reasons = (
        (
            "The newest order is from 2025-07-01, 31 days ago: an old export?"
            " ([gates] max_order_age_days = 30)"
        ),
    )
    assert early(old, settings=GateSettings(max_order_age_days=30)) == reasons
    assert early(old, last=None, settings=GateSettings(max_order_age_days=30)) == reasons


def test_rows_may_fall_by_as_much_as_the_setting_allows() -> None:
    assert early(replace(SOURCE, n_rows_read=800)) == ()
    assert early(replace(SOURCE, n_rows_read=5000)) == ()
    assert early(replace(SOURCE, n_rows_read=799)) == (
        (
            "The input has 799 rows, 20.1% fewer than the 1,000 of run 7:"
            " only a part of the export? ([gates] max_row_drop_share = 0.2)"
        ),
    )
    assert early(replace(SOURCE, n_rows_read=1), last=replace(LAST, rows_read=None)) == ()
    all_of_them = GateSettings(max_row_drop_share=1.0)
    assert early(replace(SOURCE, n_rows_read=1), settings=all_of_them) == ()


def moved(axis: str, before: str, now: str, n: int, cause: str = "behaviour") -> TransitionInfo:
    return TransitionInfo(axis, before, now, cause, n, 0.0)


def held(
    moves: Sequence[TransitionInfo], kept: Collection[str] = ("value",), limit: float = 0.2
) -> dict[str, str]:
    return axes_to_hold({"value": {"whale": 0.5, "mid_tier": 0.5}}, moves, kept, 100, limit)


def test_a_share_may_move_by_as_much_as_the_setting_allows() -> None:
    assert held([moved("value", "mid_tier", "whale", 20)]) == {}
    assert held([moved("value", "mid_tier", "whale", 21)]) == {
        "value": "mid_tier from 71% to 50%, whale from 29% to 50%"
    }


def test_moves_to_and_fro_leave_the_shares_as_they_are() -> None:
    there, back = moved("value", "mid_tier", "whale", 40), moved("value", "whale", "mid_tier", 35)
    assert held([there, back]) == {}


def test_time_that_passed_holds_nothing_back() -> None:
    by_time = moved("value", "mid_tier", "whale", 90, "time")
    assert held([by_time, moved("value", "mid_tier", "whale", 20)]) == {}
    assert list(held([by_time, moved("value", "mid_tier", "whale", 21)])) == ["value"]


def test_an_axis_that_was_not_kept_is_never_held_back() -> None:
    assert held([moved("value", "mid_tier", "whale", 90, "model")], kept=()) == {}


def test_a_refusal_lists_every_reason_and_what_to_do() -> None:
    check_gates(())
    with pytest.raises(GateError) as caught:
        check_gates(("One.", "Two."))
    assert caught.value.exit_status == 3
    assert str(caught.value) == (
        "The run is refused, nothing was published:\n  - One.\n  - Two.\n"
        "Correct the input or change the setting; --force publishes anyway."
    )


@given(seconds=st.integers(1, 10**7), rows=st.integers(0, 10**9))
def test_a_run_equal_to_the_last_one_but_newer_is_never_refused(seconds: int, rows: int) -> None:
    last = replace(LAST, rows_read=rows)
    assert last.last_ordered_at
    at = last.last_ordered_at + timedelta(seconds=seconds)
    assert early(replace(SOURCE, n_rows_read=rows, last_ordered_at=at), last) == ()


def _published(database: Connection, **columns: Any) -> int:  # noqa: ANN401 - of any type
    columns |= {"store_id": "default", "status": "published"}
    names = ", ".join(columns)
    places = ", ".join(["%s"] * len(columns))
    row = database.execute(
        f"INSERT INTO segmentation_runs ({names}, finished_at)"
        f" VALUES ({places}, clock_timestamp()) RETURNING run_id".encode(),
        list(columns.values()),
    ).fetchone()
    assert row
    return int(row[0])


def test_the_ledger_gives_the_current_run(database: Connection) -> None:
    assert read_last_run(database, "default") is None
    _published(database, rows_read=1)
    report = {"source": {"last_ordered_at": "2025-06-30 20:00:00"}}
    decisions = {
        "value": {"decision": "held back", "cause": "shares moved"},
        "returns": {"decision": "held back", "cause": "agreement"},
        "cadence": {"decision": "kept", "cause": None},
    }
    run_id = _published(
        database,
        rows_read=1000,
        last_order_on=date(2025, 6, 30),
        report=Jsonb(report),
        axis_decisions=Jsonb(decisions),
    )
    database.execute("INSERT INTO segmentation_runs (store_id) VALUES ('default'), ('other')")
    assert read_last_run(database, "default") == LastRun(
        run_id=run_id,
        last_order_on=date(2025, 6, 30),
        last_ordered_at=datetime(2025, 6, 30, 20, 0),  # noqa: DTZ001
        rows_read=1000,
        held_axes=frozenset({"value"}),
    )
    assert read_last_run(database, "other") is None


def test_everything_passes_if_the_ledger_knows_little_of_the_current_run(
    database: Connection,
) -> None:
    run_id = _published(database)
    last = read_last_run(database, "default")
    assert last == LastRun(run_id)
    source = replace(SOURCE, n_rows_read=1, last_ordered_at=None)
    assert early(source, last) == ()
