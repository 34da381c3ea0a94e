"""The gates: reasons to refuse a run before it is published, and to hold back one of its axes.

Takes the figures of this run and of the current run; gives sentences, none where all is well.
A run is refused for its data only. Whatever is not known of the current run passes. Reads no clock:
today is given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime

from segpipe.core.errors import GateError
from segpipe.core.report import SourceInfo, TransitionInfo
from segpipe.core.schema import BEHAVIOUR
from segpipe.core.settings import GateSettings
from segpipe.core.text import percent
from segpipe.runs.last_run import LastRun

Shares = Mapping[str, float]  # segment or state → share of the customers


def early_reasons(
    source: SourceInfo, last: LastRun | None, settings: GateSettings, today: date
) -> tuple[str, ...]:
    """Reasons to refuse the run, known before anybody is assigned."""
    return (
        *source.over_limit,
        *_too_old(source, settings.max_order_age_days, today),
        *(_reasons_against_last(source, last, settings, today) if last else ()),
    )


def axes_to_hold(
    shares_now: Mapping[str, Shares],
    transitions: Sequence[TransitionInfo],
    kept_axes: Collection[str],
    n_customers: int,
    max_shift: float,
) -> dict[str, str]:
    """Axis → why it is held back: of one of its segments too many customers left or came.

    Only moves by behaviour count, and only of axes whose segments are made as before: neither new
    customers, nor time that passed, nor other segments are a reason. The text has the share of each
    such segment without and with the moves.
    """
    net: dict[str, dict[str, int]] = {}
    for moved in transitions:
        if moved.axis in kept_axes and moved.cause == BEHAVIOUR:
            own = net.setdefault(moved.axis, {})
            own[moved.from_segment] = own.get(moved.from_segment, 0) - moved.n_customers
            own[moved.to_segment] = own.get(moved.to_segment, 0) + moved.n_customers
    found = {}
    for axis, moves in net.items():
        shifts = {name: n / n_customers for name, n in moves.items()}
        # 0.9 - 0.7 is a little above 0.2
        far = [name for name in shifts if round(abs(shifts[name]), 9) > max_shift]
        if far:
            now = shares_now.get(axis, {})
            found[axis] = ", ".join(
                f"{name} from {percent(max(now.get(name, 0.0) - shifts[name], 0.0))}"
                f" to {percent(now.get(name, 0.0))}"
                for name in sorted(far, key=lambda name: (-abs(shifts[name]), name))
            )
    return found


def check_gates(reasons: Sequence[str]) -> None:
    """Raise GateError with every reason, one a line, if there is any."""
    if reasons:
        raise GateError(
            "The run is refused, nothing was published:\n"
            + "".join(f"  - {reason}\n" for reason in reasons)
            + "Correct the input or change the setting; --force publishes anyway."
        )


def _reasons_against_last(
    source: SourceInfo, last: LastRun, settings: GateSettings, today: date
) -> Iterator[str]:
    """Reasons that come from a comparison with the current run."""
    if settings.require_newer_orders:
        yield from _stale(source, last, today)
    yield from _fewer_rows(source, last, settings.max_row_drop_share)


def _too_old(source: SourceInfo, max_age_days: int | None, today: date) -> Iterator[str]:
    newest = source.last_ordered_at
    if max_age_days is None or newest is None:
        return
    age_days = (today - newest.date()).days
    if age_days > max_age_days:
        reason = f"The newest order is from {newest.date()}, {age_days:,} days ago: an old export?"
        yield _with_setting(reason, "max_order_age_days", max_age_days)


def _stale(source: SourceInfo, last: LastRun, today: date) -> Iterator[str]:
    newest = source.last_ordered_at
    then = last.last_ordered_at or last.last_order_on
    if newest is None or then is None or _is_newer(newest, then):
        return
    is_by_second = isinstance(then, datetime) and newest.date() == then.date()
    form = "%Y-%m-%d %H:%M:%S" if is_by_second else "%Y-%m-%d"
    is_in_future = (newest.date() - today).days > 1  # one day, for time zones
    guess = "a date in the future, entered by mistake?" if is_in_future else "a stale export?"
    reason = f"The newest order is from {newest:{form}}, no newer than that of run {last.run_id},"
    yield _with_setting(f"{reason} {then:{form}}: {guess}", "require_newer_orders", value=True)


def _is_newer(newest: datetime, then: datetime | date) -> bool:
    """By the second where both are known to the second, for several runs a day; else by the day."""
    return newest > then if isinstance(then, datetime) else newest.date() > then


def _fewer_rows(source: SourceInfo, last: LastRun, max_share: float) -> Iterator[str]:
    if not last.rows_read:
        return
    n_fewer = last.rows_read - source.n_rows_read
    if n_fewer / last.rows_read > max_share:
        reason = f"The input has {source.n_rows_read:,} rows, {n_fewer / last.rows_read:.1%} fewer"
        reason += f" than the {last.rows_read:,} of run {last.run_id}: only a part of the export?"
        yield _with_setting(reason, "max_row_drop_share", max_share)


def _with_setting(reason: str, key: str, value: float) -> str:
    """The reason with the setting behind it, as a settings file spells it."""
    spelt = str(value).lower() if isinstance(value, bool) else value
    return f"{reason} ([gates] {key} = {spelt})"
