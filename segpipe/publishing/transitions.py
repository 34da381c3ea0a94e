"""Who moved from one segment to another since the previous run, why, and what they are worth.

Takes membership batches and the rows before; gives the history of each profile, and the
transitions of the run. A customer who is new, or whose axis is new, has not moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segpipe.core.arrays import Codes, Flags, Floats, Rows
from segpipe.core.report import TransitionInfo
from segpipe.core.schema import BEHAVIOUR, CAUSES, HAS_NEW_TICKET, MODEL, TIME, rescored_column
from segpipe.publishing.categories import MISSING, CategoryColumn
from segpipe.publishing.copy import History
from segpipe.publishing.previous_rows import PreviousAxis, PreviousRows
from segpipe.runs.records import PreviousRun


@dataclass
class TransitionCounter:
    """Customers and their lifetime value by (axis, from, to, cause), filled batch by batch."""

    known: PreviousRows
    previous: PreviousRun | None
    as_of: date
    n_customers: dict[tuple[str, str, str, str], int] = field(default_factory=dict)
    lifetime_value: dict[tuple[str, str, str, str], float] = field(default_factory=dict)

    def same_segments(self, axis: str) -> Mapping[str, str | None]:
        """Former name → what the same segment is called now."""
        return self.previous.same_segments.get(axis, {}) if self.previous else {}

    def is_kept(self, axis: str) -> bool:
        """Whether the axis makes its segments as in the previous run."""
        return self.previous is not None and axis in self.previous.kept_axes

    def was_held(self, axis: str) -> bool:
        """Whether the previous run held the axis back."""
        held = self.previous.held if self.previous else None
        return held is not None and axis in held.axes

    def transitions(self, axes: Sequence[str]) -> tuple[TransitionInfo, ...]:
        """All of them by axis, the largest first; none without a previous run."""
        if self.previous is None:
            return ()
        found = [
            TransitionInfo(*key, n_customers, round(self.lifetime_value[key], 2))
            for key, n_customers in self.n_customers.items()
        ]
        found.sort(key=lambda t: (-t.n_customers, t.from_segment, t.to_segment, t.cause))
        return tuple(sorted(found, key=lambda t: axes.index(t.axis)))


@dataclass(frozen=True)
class _AxisStep:
    """The segment of each customer of a batch on one axis, before and now; arrays (n_rows,)."""

    before: CategoryColumn
    now: CategoryColumn
    has_moved: Flags
    cause: Codes  # index in CAUSES, of those who moved


def track_transitions(batch: pa.RecordBatch, counter: TransitionCounter, now: str) -> History:
    """History of the batch's profiles; customers who moved are added to the counter.

    A customer moved if their segment is another one, whatever it is called now. The cause is
    `model` if the previous model would have left them where they were on their new measures, or
    cannot be asked: its axis is gone, an input has come or gone, or usual prices were learnt again.
    Else it is `behaviour` if their orders, value, day of the last order or tickets changed. Else it
    is `time`, or `model` if no time has passed since, as with a model of another store. On an axis
    that was kept it is never `model`: whoever moves within one day has other figures. On an axis
    that the previous run held back, it is what happened since the run before it: an order or a
    ticket, or time.
    """
    known = counter.known
    rows = known.customers.find(batch["customer_id"])
    values = batch["lifetime_value"].to_numpy(zero_copy_only=False)
    own_cause = _own_cause(batch, counter, rows)
    held_cause = _held_cause(batch, counter, rows, own_cause)
    previous, since = {}, {}
    for axis, old in known.axes.items():
        before = old.segment.take(rows)
        cause = held_cause if counter.was_held(axis) else own_cause
        same, is_kept = counter.same_segments(axis), counter.is_kept(axis)
        step = _step(batch, axis, before, same, cause, is_kept=is_kept)
        _count(counter, axis, step, values)
        previous[axis] = _previous(old, rows, step)
        since[axis] = _since(old, rows, step, counter.as_of)
    first_seen = _first_seen(known.first_seen.take(rows), counter.as_of)
    return History(known.created(rows, now), previous, since, first_seen)


def _own_cause(batch: pa.RecordBatch, counter: TransitionCounter, rows: Rows) -> Codes:
    """Cause of a move that does not come from the model; within one day no time passes."""
    seen = counter.known.as_of.take(rows)
    is_earlier = [text < counter.as_of.isoformat() for text in seen.texts]
    has_time_passed = np.array([*is_earlier, False])[seen.codes]
    causes = np.where(has_time_passed, CAUSES.index(TIME), CAUSES.index(MODEL))
    acted = _has_acted(batch, counter, rows)
    return np.where(acted, CAUSES.index(BEHAVIOUR), causes).astype(np.int32)


def _held_cause(
    batch: pa.RecordBatch, counter: TransitionCounter, rows: Rows, own_cause: Codes
) -> Codes:
    """Likewise on axes that the previous run held back: since the run before it.

    The profile is of the run that held them, so that only its date tells what was new then.
    Customers who were new then had what its model said.
    """
    held = counter.previous.held if counter.previous else None
    if held is None:
        return own_cause
    acted = own_cause == CAUSES.index(BEHAVIOUR)
    acted |= _last_order(batch, counter.as_of) > np.datetime64(held.since, "D")
    if held.with_ticket:
        ids = batch["customer_id"].to_pylist()
        acted |= np.array([customer_id in held.with_ticket for customer_id in ids], np.bool_)
    otherwise = TIME if held.since < counter.as_of else MODEL
    causes = np.where(acted, CAUSES.index(BEHAVIOUR), CAUSES.index(otherwise))
    first_seen = counter.known.first_seen.take(rows)
    is_newer = [text > held.since.isoformat() for text in first_seen.texts]
    was_new = np.array([*is_newer, False])[first_seen.codes]
    return np.where(was_new, own_cause, causes).astype(np.int32)


def _last_order(batch: pa.RecordBatch, as_of: date) -> NDArray[np.datetime64]:
    """Day of each customer's last order."""
    days = batch["days_since_last_purchase"].to_numpy(zero_copy_only=False)
    found: NDArray[np.datetime64] = np.datetime64(as_of, "D") - days.astype("m8[D]")
    return found


def _has_acted(batch: pa.RecordBatch, counter: TransitionCounter, rows: Rows) -> Flags:
    """Whether the customer did something since the old row was written."""
    is_known = rows >= 0
    acted = np.zeros(len(rows), np.bool_)
    if not is_known.any():
        return acted
    new = {
        name: batch[name].to_numpy(zero_copy_only=False)[is_known]
        for name in ("total_orders", "lifetime_value")
    }
    known, old = counter.known, rows[is_known]
    acted[is_known] = (
        (known.total_orders[old] != new["total_orders"])
        | (known.lifetime_value[old] != new["lifetime_value"])
        | (known.last_order[old] != _last_order(batch, counter.as_of)[is_known])
    )
    if HAS_NEW_TICKET in batch.schema.names:
        acted |= batch[HAS_NEW_TICKET].to_numpy(zero_copy_only=False)
    return acted


def _step(
    batch: pa.RecordBatch,
    axis: str,
    before: CategoryColumn,
    same: Mapping[str, str | None],
    own_cause: Codes,
    *,
    is_kept: bool,
) -> _AxisStep:
    """Who moved on one axis and why; `is_kept`: its segments are made as in the previous run."""
    numbers: dict[tuple[str | None, str | None], int] = {}
    now = CategoryColumn.of(batch[axis])
    now_called = _numbered(now, {}, numbers)
    before_called = _numbered(before, same, numbers)
    has_moved = ~before.is_missing & (before_called != now_called)
    rescored = rescored_column(axis)
    if is_kept:
        is_due, instead = own_cause == CAUSES.index(MODEL), BEHAVIOUR
    elif rescored in batch.schema.names:
        called = _numbered(CategoryColumn.of(batch[rescored]), same, numbers)
        is_due, instead = called == before_called, MODEL
    else:
        is_due, instead = np.ones(len(has_moved), np.bool_), MODEL
    cause = np.where(is_due, CAUSES.index(instead), own_cause).astype(np.int32)
    return _AxisStep(before, now, has_moved, cause)


def _numbered(
    column: CategoryColumn,
    same: Mapping[str, str | None],
    numbers: dict[tuple[str | None, str | None], int],
) -> Codes:
    """Number of each row's segment, whatever its name; segments that are gone have their own."""
    table = []
    for text in column.texts:
        called = same.get(text, text)
        key = (called, None) if called is not None else (None, text)
        table.append(numbers.setdefault(key, len(numbers)))
    return np.array([*table, MISSING], np.int32)[column.codes]


def _count(counter: TransitionCounter, axis: str, step: _AxisStep, values: Floats) -> None:
    moved = step.has_moved
    if not moved.any():
        return
    shape = (len(step.before.texts), len(step.now.texts), len(CAUSES))
    cells = np.ravel_multi_index(
        (step.before.codes[moved], step.now.codes[moved], step.cause[moved]), shape
    )
    counts = np.bincount(cells, minlength=int(np.prod(shape)))
    sums = np.bincount(cells, values[moved], minlength=len(counts))
    for cell in np.flatnonzero(counts).tolist():
        before, now, cause = (int(part) for part in np.unravel_index(cell, shape))
        key = (axis, step.before.texts[before], step.now.texts[now], CAUSES[cause])
        counter.n_customers[key] = counter.n_customers.get(key, 0) + int(counts[cell])
        counter.lifetime_value[key] = counter.lifetime_value.get(key, 0.0) + float(sums[cell])


def _previous(old: PreviousAxis, rows: Rows, step: _AxisStep) -> CategoryColumn:
    """The segment before this one, under the name that it had."""
    kept = old.previous.take(rows)
    left = step.before.codes + len(kept.texts)
    codes = np.where(step.has_moved, left, kept.codes).astype(np.int32)
    return CategoryColumn(codes, (*kept.texts, *step.before.texts))


def _since(old: PreviousAxis, rows: Rows, step: _AxisStep, as_of: date) -> CategoryColumn:
    """The day of the move into the segment; missing for customers who never moved.

    An axis that the old row lacks was entered at `as_of`.
    """
    kept = old.since.take(rows)
    has_entered = step.has_moved | (step.before.is_missing & (rows >= 0))
    codes = np.where(has_entered, len(kept.texts), kept.codes).astype(np.int32)
    return CategoryColumn(codes, (*kept.texts, as_of.isoformat()))


def _first_seen(kept: CategoryColumn, as_of: date) -> CategoryColumn:
    codes = np.where(kept.is_missing, len(kept.texts), kept.codes).astype(np.int32)
    return CategoryColumn(codes, (*kept.texts, as_of.isoformat()))
