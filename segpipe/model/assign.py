"""Assignment: features + model → memberships and strengths, a batch at a time.

Takes Arrow batches of customer_features; gives membership batches (see schema.strength_column).
Memory is bounded by the batch. Real time assigns the customers of a request by the same function.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Codes, Counts, Floats
from segpipe.core.schema import (
    HAS_NEW_TICKET,
    METRICS,
    RFM_SCORE,
    STRENGTH_STEPS,
    rescored_column,
    strength_column,
)
from segpipe.model.derived import derive, inputs_of
from segpipe.model.document import AxisModel, Model, measures_of, raw_measures_of
from segpipe.model.outlook import OUTLOOK_MEASURES, outlook_metrics
from segpipe.model.preprocessing import failed_rules, scale_matrix
from segpipe.model.rfm import rfm_inputs, rfm_scores
from segpipe.model.rules import are_known, meets


@dataclass
class Tally:
    """Counts over the whole population, filled while batches pass."""

    n_customers: int = 0
    customers: dict[str, Counts] = field(default_factory=dict)  # axis → (vocabulary,)
    n_filled: dict[str, dict[str, int]] = field(default_factory=dict)  # axis → measure → customers
    meeting: dict[str, Counts] = field(default_factory=dict)  # axis → (segments,) who meet the name
    judged: dict[str, Counts] = field(default_factory=dict)  # of those whose figures are known

    def holds_for(self, axis: AxisModel) -> tuple[float | None, ...]:
        """Share of each segment's customers who meet its name by their own figures.

        Of those who have the figures. None where the name says nothing of one customer, or nobody
        is in the segment.
        """
        met, judged = self.meeting.get(axis.name), self.judged.get(axis.name)
        if met is None or judged is None:
            return (None,) * len(axis.segments)
        pairs = zip(met.tolist(), judged.tolist(), strict=True)
        return tuple(n / n_judged if n_judged else None for n, n_judged in pairs)


def assign_batches(
    batches: Iterable[pa.RecordBatch],
    model: Model,
    tally: Tally,
    former: Sequence[AxisModel] = (),
    new_tickets: frozenset[str] = frozenset(),
) -> Iterator[pa.RecordBatch]:
    """Membership batches of batches of customer_features; `tally` is filled on the way.

    The batches have customer_id, FEATURE_METRICS and the measures that both kinds of axes need.
    With the `former` axes of the previous run a batch also says what that model makes of the same
    measures (schema.rescored_column), and who is among the customers of `new_tickets`.
    """
    for batch in batches:
        assigned = _assign_batch(model, batch, tally)
        is_compared = former or new_tickets
        yield _rescored(assigned, batch, former, new_tickets) if is_compared else assigned


def _assign_batch(model: Model, batch: pa.RecordBatch, tally: Tally) -> pa.RecordBatch:
    """One membership batch of one batch of features."""
    columns = _columns(batch, batch_measures(model))
    outlook = outlook_metrics(model.outlook, {**columns, "lifetime_value": _values(batch)})
    own = {name: pa.array(values, from_pandas=True) for name, values in outlook.items()}
    own[RFM_SCORE] = rfm_scores(model.axes, columns, batch.num_rows)
    metrics = {name: own[name] if name in own else batch.column(name) for name in METRICS}
    arrays, names = [batch.column("customer_id"), *metrics.values()], ["customer_id", *metrics]
    tally.n_customers += batch.num_rows
    for axis in model.axes:
        codes, strengths = assign_axis(axis, columns, batch.num_rows, tally)
        vocabulary = axis.vocabulary()
        _count(tally, axis.name, codes, len(vocabulary))
        _count_meeting(tally, axis, columns, codes)
        arrays += [pa.DictionaryArray.from_arrays(codes, pa.array(vocabulary)), pa.array(strengths)]
        names += [axis.name, strength_column(axis.name)]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def assign_axis(
    axis: AxisModel, columns: Mapping[str, Floats], n_rows: int, tally: Tally
) -> tuple[Codes, Floats]:
    """Code in the axis's vocabulary and strength 0 to 1 of each customer, both of shape (n_rows,).

    columns are raw measures, from which the axis's derived ones are made by its own priors.
    Strength is that of the axis's partition or rules; 1 in a state, 0 where the axis is
    unavailable.
    """
    vocabulary = axis.vocabulary()
    columns = derive(columns, measures_of([axis]), axis.priors)
    default = vocabulary.index(axis.default_state) if axis.has_default else 0
    codes = np.full(n_rows, default, dtype=np.int32)
    strengths = np.zeros(n_rows)
    failed = failed_rules(columns, axis.eligibility, n_rows)
    for index, rule in enumerate(axis.eligibility):
        codes[failed == index] = vocabulary.index(rule.state)
    eligible = failed < 0
    strengths[~eligible] = 1.0
    if not eligible.any():
        return codes, strengths
    if axis.rules:
        own = {measure: columns[measure][eligible] for measure in axis.rules.measures()}
        if axis.rules.ladder:
            main = axis.rules.ladder.measure
            _count_filled(tally, axis.name, {main: own[main]})
        labels, strengths[eligible] = axis.rules.assign(own)
        codes[eligible] = np.where(labels < 0, codes[eligible], labels)
    elif axis.partition:
        own = {scale.measure: columns[scale.measure][eligible] for scale in axis.scales}
        _count_filled(tally, axis.name, own)
        points = scale_matrix(own, axis.scales)
        codes[eligible], strengths[eligible] = axis.partition.assign_with_strength(points)
    return codes, strengths


def as_published(strengths: Floats) -> Floats:
    """Strengths to the decimals that are published and printed, the same everywhere."""
    found: Floats = np.rint(strengths * STRENGTH_STEPS) / STRENGTH_STEPS
    return found


def batch_measures(model: Model) -> tuple[str, ...]:
    """Measures of customer_features that a batch looks at: also those that names are about."""
    claimed = (
        condition.measure
        for axis in model.axes
        for segment in axis.segments
        for condition in segment.holds
    )
    return tuple(dict.fromkeys((*needed_measures(model), *inputs_of(claimed))))


def needed_measures(model: Model) -> tuple[str, ...]:
    """Measures of customer_features from which axes, outlook and RFM scores are made."""
    of_outlook = OUTLOOK_MEASURES if model.outlook else ()
    of_scores = rfm_inputs(model.axes)
    return tuple(dict.fromkeys((*raw_measures_of(model.axes), *of_outlook, *of_scores)))


def _values(batch: pa.RecordBatch) -> Floats:
    found: Floats = batch.column("lifetime_value").to_numpy(zero_copy_only=False)
    return found


def _columns(batch: pa.RecordBatch, measures: Sequence[str]) -> dict[str, Floats]:
    return {
        name: batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
        for name in measures
    }


def _rescored(
    assigned: pa.RecordBatch,
    batch: pa.RecordBatch,
    former: Sequence[AxisModel],
    new_tickets: frozenset[str],
) -> pa.RecordBatch:
    """The membership batch with what the previous model says; nothing of it is counted."""
    columns = _columns(batch, raw_measures_of(former))
    for axis in former:
        codes, _ = assign_axis(axis, columns, batch.num_rows, Tally())
        names = pa.DictionaryArray.from_arrays(codes, pa.array(axis.vocabulary()))
        assigned = assigned.append_column(rescored_column(axis.name), names)
    asked = [customer in new_tickets for customer in batch.column("customer_id").to_pylist()]
    return assigned.append_column(HAS_NEW_TICKET, pa.array(asked, pa.bool_()))


def _count(tally: Tally, axis: str, codes: Codes, size: int) -> None:
    counts = np.bincount(codes, minlength=size)
    if axis in tally.customers:
        counts += tally.customers[axis]
    tally.customers[axis] = counts


def _count_meeting(
    tally: Tally, axis: AxisModel, columns: Mapping[str, Floats], codes: Codes
) -> None:
    """Count the customers of each segment whose own figures meet what its name says."""
    if not any(segment.holds for segment in axis.segments):
        return
    n_segments = len(axis.segments)
    met = tally.meeting.setdefault(axis.name, np.zeros(n_segments, np.intp))
    judged = tally.judged.setdefault(axis.name, np.zeros(n_segments, np.intp))
    for index, segment in enumerate(axis.segments):
        mine = codes == index
        n_mine = int(mine.sum())
        if segment.holds and n_mine:
            names = [condition.measure for condition in segment.holds]
            raw = {name: columns[name][mine] for name in inputs_of(names)}
            own = derive(raw, names, axis.priors)
            met[index] += int(meets(segment.holds, own, n_mine).sum())
            judged[index] += int(are_known(segment.holds, own, n_mine).sum())


def _count_filled(tally: Tally, axis: str, own: Mapping[str, Floats]) -> None:
    filled = tally.n_filled.setdefault(axis, {})
    for measure, values in own.items():
        missing = int(np.count_nonzero(np.isnan(values)))
        if missing:
            filled[measure] = filled.get(measure, 0) + missing
