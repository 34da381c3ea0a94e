"""Gates: each refuses what it is meant for, gives the reason, and lets everything else pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.core.errors import GateError
from segpipe.core.report import AgreementInfo, AxisInfo, SourceInfo
from segpipe.core.settings import GateSettings
from segpipe.pipeline.quality_gates import check_gates, early_reasons, late_reasons
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
    verdicts={"value": "clustered", "cadence": "weak", "returns": "no structure"},
    agreement={"value": 0.99, "cadence": 0.9, "returns": None},
    shares={"value": {"whale": 0.1, "mid_tier": 0.9}},
)


def axis(name: str, verdict: str = "clustered", agrees: float | None = 0.99) -> AxisInfo:
    agreement = AgreementInfo("refit", 900, agrees, 0.9, 0.1, None) if agrees is not None else None
    reason = "no refund in the input" if verdict == "unavailable" else None
    return AxisInfo(name, "marketing", verdict, reason, 2, 0.6, agreement=agreement)


def early(
    source: SourceInfo = SOURCE,
    axes: tuple[AxisInfo, ...] = (),
    last: LastRun | None = LAST,
    settings: GateSettings = SETTINGS,
) -> tuple[str, ...]:
    return early_reasons(source, axes, last, settings, min_agreement=0.97, today=TODAY)


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


def test_an_axis_that_had_structure_may_not_lose_it() -> None:
    axes = (
        axis("value", "no structure"),
        axis("cadence", "unavailable", None),
        axis("returns", "unavailable", None),
        axis("of_its_own", "unavailable", None),
    )
    assert early(axes=axes) == (
        (
            "value is 'no structure' now, and was 'clustered' in run 7."
            " ([gates] allow_lost_structure = false)"
        ),
        (
            "cadence is 'unavailable' now, and was 'weak' in run 7: no refund in the input."
            " ([gates] allow_lost_structure = false)"
        ),
    )
    assert early(axes=(axis("value", "weak"), axis("cadence"))) == ()
    assert early(axes=axes, settings=GateSettings(allow_lost_structure=True)) == ()


def test_agreement_may_not_fall_below_its_limit() -> None:
    axes = (axis("value", agrees=0.9512), axis("cadence", agrees=0.8), axis("new", agrees=0.96))
    assert early(axes=axes) == (
        (
            "value: sample and population agree on 95.12% of the customers, below"
            " [cluster] min_agreement = 0.97; 99.00% in run 7. ([gates] require_agreement = true)"
        ),
        (
            "new: sample and population agree on 96.00% of the customers, below"
            " [cluster] min_agreement = 0.97. ([gates] require_agreement = true)"
        ),
    )
    assert early(axes=(axis("value", agrees=0.97), axis("cadence", agrees=None))) == ()
    assert early(axes=axes, last=None) == ()
    assert early(axes=axes, settings=GateSettings(require_agreement=False)) == ()


def late(
    now: dict[str, float],
    same: dict[str, str | None] | None = None,
    last: LastRun | None = LAST,
    settings: GateSettings = SETTINGS,
) -> tuple[str, ...]:
    return late_reasons({"value": now}, last, {"value": same or {}}, settings)


def test_a_share_may_move_by_as_much_as_the_setting_allows() -> None:
    assert late({"whale": 0.3, "mid_tier": 0.7}) == ()
    assert late({"whale": 0.31, "mid_tier": 0.69}) == (
        (
            "value: mid_tier has 69.0% of the customers, 90.0% in run 7."
            " ([gates] max_share_shift = 0.2)"
        ),
        "value: whale has 31.0% of the customers, 10.0% in run 7. ([gates] max_share_shift = 0.2)",
    )
    assert late({"whale": 1.0}, settings=GateSettings(max_share_shift=0.9)) == ()
    assert late({"whale": 1.0}, last=None) == ()
    assert late({"whale": 1.0}, last=LastRun(7)) == ()


def test_a_segment_is_compared_with_itself_under_its_former_name() -> None:
    same: dict[str, str | None] = {"whale": "big_spender", "mid_tier": "whale"}
    assert late({"big_spender": 0.1, "whale": 0.9}, same) == ()
    assert late({"mid_tier": 0.9, "whale": 0.1}, same) == (
        (
            "value: mid_tier has 90.0% of the customers, 0.0% in run 7."
            " ([gates] max_share_shift = 0.2)"
        ),
        "value: whale has 10.0% of the customers, 90.0% in run 7. ([gates] max_share_shift = 0.2)",
    )


def test_a_segment_that_ended_fell_to_0_and_a_new_one_rose_from_0() -> None:
    same: dict[str, str | None] = {"whale": "whale", "mid_tier": None}
    assert late({"whale": 0.1, "mid_tier": 0.9}, same) == (
        (
            "value: mid_tier has 0.0% of the customers, 90.0% in run 7, and no longer exists."
            " ([gates] max_share_shift = 0.2)"
        ),
        (
            "value: mid_tier has 90.0% of the customers, 0.0% in run 7."
            " ([gates] max_share_shift = 0.2)"
        ),
    )
    few = replace(LAST, shares={"value": {"whale": 0.15, "mid_tier": 0.85}})
    assert late({"mid_tier": 0.85, "new": 0.15}, {"whale": None}, few) == ()


def test_an_axis_that_gains_segments_passes_and_one_that_loses_them_has_one_reason() -> None:
    empty = replace(LAST, shares={"value": {"one_time_buyer": 0.4, "unavailable": 0.6}})
    assert late({"one_time_buyer": 0.4, "whale": 0.6}, last=empty) == ()
    assert late({"no_structure": 1.0}) == ()  # early_reasons has it, or it is allowed
    cut = replace(LAST, verdicts={"value": "no structure"})
    assert [reason.split(" has ")[0] for reason in late({"unavailable": 1.0}, last=cut)] == [
        "value: unavailable",
        "value: mid_tier",
    ]


def test_a_refusal_lists_every_reason_and_what_to_do() -> None:
    check_gates(())
    with pytest.raises(GateError) as caught:
        check_gates(("One.", "Two."))
    assert caught.value.exit_status == 3
    assert str(caught.value) == (
        "The run is refused, nothing was published:\n  - One.\n  - Two.\n"
        "Correct the input or change the setting; --force publishes anyway."
    )


_shares = st.dictionaries(
    st.sampled_from(["whale", "mid_tier", "one_time_buyer", "no_structure"]),
    st.floats(0, 1),
    min_size=1,
)


@given(
    seconds=st.integers(1, 10**7),
    rows=st.integers(0, 10**9),
    verdict=st.sampled_from(["clustered", "weak", "no structure", "unavailable"]),
    agrees=st.none() | st.floats(0, 1),
    shares=_shares,
)
def test_a_run_equal_to_the_last_one_but_newer_is_never_refused(
    seconds: int, rows: int, verdict: str, agrees: float | None, shares: dict[str, float]
) -> None:
    last = replace(
        LAST,
        rows_read=rows,
        verdicts={"value": verdict},
        agreement={"value": agrees},
        shares={"value": shares},
    )
    # Without an agreement in the run before, one below the limit would count as a fall.
    now = (axis("value", verdict, agrees),)
    assert last.last_ordered_at
    at = last.last_ordered_at + timedelta(seconds=seconds)
    source = replace(SOURCE, n_rows_read=rows, last_ordered_at=at)
    assert early(source, now, last) == ()
    assert late(shares, {name: name for name in shares}, last) == ()


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
    axes = [
        {"name": "value", "verdict": "clustered", "agreement": {"share": 0.99}},
        {"name": "returns", "verdict": "unavailable", "agreement": None},
    ]
    report = {"axes": axes, "source": {"last_ordered_at": "2025-06-30 20:00:00"}}
    run_id = _published(
        database, rows_read=1000, last_order_on=date(2025, 6, 30), report=Jsonb(report)
    )
    database.execute("INSERT INTO segmentation_runs (store_id) VALUES ('default'), ('other')")
    with database.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO segment_counts (store_id, run_id, axis, segment, n_customers,"
            " lifetime_value) VALUES ('default', %s, 'value', %s, %s, 0)",
            [(run_id, "whale", 1), (run_id, "mid_tier", 3)],
        )
    assert read_last_run(database, "default") == LastRun(
        run_id=run_id,
        last_order_on=date(2025, 6, 30),
        last_ordered_at=datetime(2025, 6, 30, 20, 0),  # noqa: DTZ001
        rows_read=1000,
        verdicts={"value": "clustered", "returns": "unavailable"},
        agreement={"value": 0.99, "returns": None},
        shares={"value": {"whale": 0.25, "mid_tier": 0.75}},
    )
    assert read_last_run(database, "other") is None


def test_everything_passes_if_the_ledger_knows_little_of_the_current_run(
    database: Connection,
) -> None:
    run_id = _published(database)
    last = read_last_run(database, "default")
    assert last == LastRun(run_id)
    source = replace(SOURCE, n_rows_read=1, last_ordered_at=None)
    assert early(source, (axis("value", "unavailable", None),), last) == ()
    assert late({"whale": 1.0}, last=last) == ()
