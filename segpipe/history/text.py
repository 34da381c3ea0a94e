"""Two runs compared, as text of at most 100 columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from segpipe.core.text import counted, table_text
from segpipe.history.record import AxisDiff, Change, RunDiff, RunSide, SegmentDiff

_NONE = "-"
_WIDTH = 36  # of a name or a setting's value; the whole of it is in the JSON


def diff_text(diff: RunDiff) -> str:
    """The whole comparison, without a newline at its end."""
    parts = [
        f"Runs {diff.before.run_id} and {diff.after.run_id} of store {diff.store_id}",
        _sides(diff.before, diff.after),
        _changes("Settings", diff.parameters),
        _changes("Versions", diff.versions),
        _axes(diff),
        _moves(diff),
        _segments(diff.axes),
    ]
    return "\n\n".join(part for part in parts if part)


def _sides(before: RunSide, after: RunSide) -> str:
    def row(name: str, format_value: Callable[[RunSide], str]) -> tuple[str, str, str]:
        return name, format_value(before), format_value(after)

    is_same = before.input_hash is not None and before.input_hash == after.input_hash
    rows = [
        row("Status", lambda run: run.status),
        row("Ended", lambda run: f"{run.finished_at:%Y-%m-%d %H:%M}" if run.finished_at else _NONE),
        row("As of", lambda run: _plain(run.as_of)),
        row("Newest order", lambda run: _plain(run.last_order_on)),
        row("Input", lambda run: (run.input_hash or _NONE)[:12]),
        row("Rows read", lambda run: _number(run.rows_read)),
        row("Rows rejected", lambda run: _number(run.rows_rejected)),
        row("Customers", lambda run: _number(run.n_customers)),
        row("Lifetime value", lambda run: _number(run.lifetime_value)),
    ]
    table = table_text(("", f"Run {before.run_id}", f"Run {after.run_id}"), rows)
    return table + ("\nThe input was the same." if is_same else "")


def _changes(title: str, changes: Sequence[Change]) -> str:
    if not changes:
        return f"{title}: the same."
    rows = [(change.name, _setting(change.before), _setting(change.after)) for change in changes]
    return table_text((title, "Before", "After"), rows)


def _axes(diff: RunDiff) -> str:
    if not diff.axes:
        return "Neither run has segments."
    rows = [
        (
            axis.axis,
            _pair(axis.verdict_before or _NONE, axis.verdict_after or _NONE),
            _pair(str(axis.n_clusters_before), str(axis.n_clusters_after)),
            _pair(_score(axis.silhouette_before), _score(axis.silhouette_after)),
            _number(axis.n_moves),
            axis.decision or _NONE,
        )
        for axis in diff.axes
    ]
    return table_text(("Axis", "Verdict", "K", "Silhouette", "Moves", "Decision"), rows)


def _moves(diff: RunDiff) -> str:
    """How to read the column of moves."""
    if not diff.axes:
        return ""
    if diff.steps is None:
        return (
            "Moves cannot be counted: neither run came from the other, and customers are only"
            "\ncompared between a run and the one before it."
        )
    by_cause: dict[str, int] = {}
    for axis in diff.axes:
        for cause, n_moves in (axis.moves or {}).items():
            by_cause[cause] = by_cause.get(cause, 0) + n_moves
    parts = ", ".join(f"{n:,} by {cause}" for cause, n in by_cause.items())
    text = f"{counted(sum(by_cause.values()), 'move')} between segments: {parts}."
    if len(diff.steps) > 1:
        runs = ", ".join(map(str, diff.steps))
        text += (
            f"\nAdded up over the runs {runs}: a customer who moved twice, or back, counts twice."
        )
    return text


def _segments(axes: Sequence[AxisDiff]) -> str:
    rows: list[tuple[str, ...]] = []
    for axis in axes:
        rows.append((axis.axis, *[""] * 6))
        for segment in axis.segments:
            rows += _segment(segment)
    if not rows:
        return ""
    head = ("Segment", "Customers", "now", "Share", "now", "Lifetime value", "now")
    legend = "Share in per cent of the run's customers, lifetime value in the shop's currency."
    return f"{table_text(head, rows)}\n{legend}"


def _segment(segment: SegmentDiff) -> list[tuple[str, ...]]:
    """The segment's row, and one with its former name where it has a new one."""
    s = segment
    row = (
        "  " + _name(s),
        _number(s.n_customers_before),
        _number(s.n_customers_after),
        f"{s.share_before * 100:.1f}",
        f"{s.share_after * 100:.1f}",
        _number(s.lifetime_value_before),
        _number(s.lifetime_value_after),
    )
    if s.name_before is None or s.name_after in (None, s.name_before):
        return [row]
    return [row, (f"    was {_short(s.name_before, _WIDTH - 6)}", *[""] * 6)]


def _name(segment: SegmentDiff) -> str:
    before, after = segment.name_before, segment.name_after
    if before is None:
        return f"{_short(str(after), _WIDTH - 6)} (new)"
    return _short(after, _WIDTH) if after else f"{_short(before, _WIDTH - 7)} (gone)"


def _pair(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def _score(silhouette: float | None) -> str:
    return _NONE if silhouette is None else f"{silhouette:.2f}"


def _plain(value: object) -> str:
    return _NONE if value is None else str(value)


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:,.0f}"


def _setting(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = ", ".join(map(str, value)) if isinstance(value, list) else _plain(value)
    return text if len(text) <= _WIDTH else "…" + text[1 - _WIDTH :]  # of a path, its end


def _short(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"
