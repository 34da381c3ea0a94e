"""The gates: reasons to refuse a run before it is published.

Takes the figures of this run and of the current run; gives sentences, none where all is well.
Whatever is not known of the current run passes. Reads no clock: today is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from segpipe.core.errors import GateError
from segpipe.core.report import AxisInfo, SourceInfo
from segpipe.core.settings import GateSettings
from segpipe.core.verdicts import STRUCTURED
from segpipe.runs.last_run import LastRun

Shares = Mapping[str, float]  # segment or state → share of the customers

_NO_ANSWER = {"no_structure", "unavailable"}  # states of an axis without segments


def early_reasons(
    source: SourceInfo,
    axes: Sequence[AxisInfo],
    last: LastRun | None,
    settings: GateSettings,
    min_agreement: float,
    today: date,
) -> tuple[str, ...]:
    """Reasons that are known once the axes are discovered, before anybody is assigned."""
    return (
        *source.over_limit,
        *_too_old(source, settings.max_order_age_days, today),
        *(
            _reasons_against_last(source, axes, last, settings, min_agreement, today)
            if last
            else ()
        ),
    )


def late_reasons(
    shares_now: Mapping[str, Shares],
    last: LastRun | None,
    same_segments: Mapping[str, Mapping[str, str | None]],
    settings: GateSettings,
) -> tuple[str, ...]:
    """Reasons that are known once everybody is assigned: segments that grew or shrank too much.

    Shares are compared segment by segment, whatever its name (`compare.same_names`): one that has
    ended fell to 0, a new one rose from 0. An axis that had no segments and has some now passes; so
    does one that lost its structure, since `early_reasons` has it.
    """
    if last is None:
        return ()
    reasons: list[str] = []
    for axis, now in shares_now.items():
        before = last.shares.get(axis)
        if before and not _is_other_question(before, now, last.verdicts.get(axis)):
            reasons += _moved(axis, before, now, same_segments.get(axis, {}), last, settings)
    return tuple(reasons)


def check_gates(reasons: Sequence[str]) -> None:
    """Raise GateError with every reason, one a line, if there is any."""
    if reasons:
        raise GateError(
            "The run is refused, nothing was published:\n"
            + "".join(f"  - {reason}\n" for reason in reasons)
            + "Correct the input or change the setting; --force publishes anyway."
        )


def _reasons_against_last(
    source: SourceInfo,
    axes: Sequence[AxisInfo],
    last: LastRun,
    settings: GateSettings,
    min_agreement: float,
    today: date,
) -> Iterator[str]:
    """Reasons that come from a comparison with the current run."""
    if settings.require_newer_orders:
        yield from _stale(source, last, today)
    yield from _fewer_rows(source, last, settings.max_row_drop_share)
    for axis in axes:
        if not settings.allow_lost_structure:
            yield from _lost_structure(axis, last)
        if settings.require_agreement:
            yield from _disagrees(axis, last, min_agreement)


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


def _lost_structure(axis: AxisInfo, last: LastRun) -> Iterator[str]:
    before = last.verdicts.get(axis.name)
    if before in STRUCTURED and axis.verdict not in STRUCTURED:
        reason = f"{axis.name} is {axis.verdict!r} now, and was {before!r} in run {last.run_id}"
        reason += f": {axis.reason.rstrip('.')}." if axis.reason else "."
        yield _with_setting(reason, "allow_lost_structure", value=False)


def _disagrees(axis: AxisInfo, last: LastRun, min_agreement: float) -> Iterator[str]:
    """Only where it fell: a shop that was below the limit before is nothing new."""
    before = last.agreement.get(axis.name)
    if axis.agreement is None or axis.agreement.share >= min_agreement:
        return
    if before is None or before >= min_agreement:
        reason = f"{axis.name}: sample and population agree on {axis.agreement.share:.2%} of the"
        reason += f" customers, below [cluster] min_agreement = {min_agreement}"
        reason += "." if before is None else f"; {before:.2%} in run {last.run_id}."
        yield _with_setting(reason, "require_agreement", value=True)


def _is_other_question(before: Shares, now: Shares, verdict: str | None) -> bool:
    """Whether the axis had no segments before, or has none now, which `early_reasons` has."""
    return _has_no_answer(before) or (_has_no_answer(now) and verdict in STRUCTURED)


def _has_no_answer(shares: Shares) -> bool:
    """Whether the axis gives everybody who is eligible its default state."""
    return any(shares.get(state) for state in _NO_ANSWER)


def _moved(
    axis: str,
    before: Shares,
    now: Shares,
    same: Mapping[str, str | None],
    last: LastRun,
    settings: GateSettings,
) -> Iterator[str]:
    """A reason for each segment whose share moved too far, the largest move first."""
    was: dict[tuple[str, bool], float] = {(name, True): 0.0 for name in now}
    for name, share in before.items():
        present = same.get(name, name)
        key = (name, False) if present is None else (present, True)  # False: it has ended
        was[key] = was.get(key, 0.0) + share
    moves = [
        (now.get(name, 0.0) - share if is_there else -share, name, is_there)
        for (name, is_there), share in was.items()
    ]
    for move, name, is_there in sorted(moves, key=lambda item: (-abs(item[0]), item)):
        if round(abs(move), 9) > settings.max_share_shift:  # 0.9 - 0.7 is a little above 0.2
            share = was[name, is_there]
            reason = f"{axis}: {name} has {share + move:.1%} of the customers, {share:.1%} in run"
            reason += f" {last.run_id}" + ("." if is_there else ", and no longer exists.")
            yield _with_setting(reason, "max_share_shift", settings.max_share_shift)


def _with_setting(reason: str, key: str, value: float) -> str:
    """The reason with the setting behind it, as a settings file spells it."""
    spelt = str(value).lower() if isinstance(value, bool) else value
    return f"{reason} ([gates] {key} = {spelt})"
