"""Assigns the customers of a request by the batch's model, its features and its arithmetic.

Each customer gets an answer, or the reason why there is none. A measure whose input the request
lacks is missing, as it is in a file without that column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from segpipe.axes.needs import NEEDS
from segpipe.core.arrays import Floats
from segpipe.core.assigned import Assigned, Refused
from segpipe.core.schema import METRICS, OUTLOOK_METRICS, RFM_AXIS, RFM_SCORE
from segpipe.model.assign import Tally, as_published, assign_axis
from segpipe.model.derived import derive, inputs_of
from segpipe.model.document import UNAVAILABLE, AxisModel, Model
from segpipe.model.outlook import OUTLOOK_MEASURES, outlook_metrics
from segpipe.model.rfm import rfm_scores
from segpipe.realtime.customers import ITEMS, Customer
from segpipe.realtime.lines import is_returned, line_rows, ticket_row, unknown_order
from segpipe.realtime.prepared_features import Figures, PreparedFeatures

_OF_ITEMS = ("price_position", "price_spread", "n_priced_lines")
_FIRST, _LAST = 1970, 2200  # years that the source stage reads
Lacking = dict[str, tuple[str, ...]]  # axis → inputs
Answers = dict[int, Assigned | Refused]  # by the customer's place


def assign_customers(
    prepared: PreparedFeatures, model: Model, customers: Sequence[Customer]
) -> list[Assigned | Refused]:
    """The answer for each customer, in their order; ids need not differ.

    The observation date is the customer's own, else the model's, or the day after a newer order.
    """
    answers: Answers = {}
    for found in assign_by_day(prepared, model, customers):
        answers |= found
    return [answers[index] for index in range(len(customers))]


def assign_by_day(
    prepared: PreparedFeatures, model: Model, customers: Sequence[Customer]
) -> Iterator[Answers]:
    """Answers by the customer's place, a day at a time: each costs as much as a few customers."""
    refused: Answers = {}
    by_day: dict[date, list[int]] = {}
    for index, customer in enumerate(customers):
        problem = _unreadable_date(customer) or unknown_order(customer)
        if problem:
            refused[index] = problem
        else:
            by_day.setdefault(observation_date(model, customer), []).append(index)
    yield refused
    for as_of, indices in by_day.items():
        found = _of_one_day(prepared, model, [customers[index] for index in indices], as_of)
        yield dict(zip(indices, found, strict=True))


def observation_date(model: Model, customer: Customer) -> date:
    """The observation date of the customer."""
    if customer.as_of:
        return customer.as_of
    zone = ZoneInfo(model.timezone)
    bought = [order.order_date for order in customer.orders if order.total_price >= 0]
    bought += [i.order_date for i in customer.items if i.order_date and not is_returned(i)]
    newest = max((_local_day(text, zone) for text in bought), default=date.min)
    return max(model.reference.as_of, newest + timedelta(days=1))


def _local_day(text: str, zone: ZoneInfo) -> date:
    found = datetime.fromisoformat(text)
    return (found.astimezone(zone) if found.tzinfo else found).date()


def _unreadable_date(customer: Customer) -> Refused | None:
    for field, text in _dates(customer):
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return Refused(field, "is not a date; expected one such as 2025-06-30T12:00:00Z")
        if not _FIRST <= found.year <= _LAST:
            return Refused(field, f"is not in the years {_FIRST} to {_LAST}")
    return None


def _dates(customer: Customer) -> Iterator[tuple[str, str]]:
    """Every date of the customer, with its place in the body."""
    for index, order in enumerate(customer.orders):
        yield f"orders.{index}.order_date", order.order_date
    for index, item in enumerate(customer.items):
        if item.order_date is not None:
            yield f"items.{index}.order_date", item.order_date
    for index, ticket in enumerate(customer.tickets):
        yield f"tickets.{index}.created_at", ticket.created_at
        if ticket.resolved_at is not None:
            yield f"tickets.{index}.resolved_at", ticket.resolved_at


def _of_one_day(
    prepared: PreparedFeatures, model: Model, customers: Sequence[Customer], as_of: date
) -> list[Assigned | Refused]:
    """Answers for customers of the same observation date; the engine knows them by number."""
    keyed = [(f"{index:06}", customer) for index, customer in enumerate(customers)]
    lines = [row for key, customer in keyed for row in line_rows(key, customer)]
    tickets = [ticket_row(key, ticket) for key, customer in keyed for ticket in customer.tickets]
    features, has_rejected = prepared.features(lines, tickets, as_of)
    rejected = prepared.rejected(lines, tickets) if has_rejected else {}
    seen = [(customers[int(key)], figures) for key, figures in features.items()]
    by_key = dict(zip(features, _assigned(prepared.measures, model, seen, as_of), strict=True))
    return [
        _refused(customer, *rejected[key])
        if key in rejected
        else by_key.get(key) or Refused("orders", f"hold no order dated on or before {as_of}")
        for key, customer in keyed
    ]


def _refused(customer: Customer, reason: str, text: str) -> Refused:
    """The reason, with the place in the body of the text that the engine could not read."""
    fields = [field for field, found in _dates(customer) if found.strip() == text]
    return Refused(fields[0] if fields else "orders", f"is rejected: {reason}")


def _assigned(
    names: Sequence[str], model: Model, seen: Sequence[tuple[Customer, Figures]], as_of: date
) -> list[Assigned]:
    """Answers for customers by their features, of which the named measures are for the axes."""
    if not seen:
        return []
    inputs = {customer.inputs for customer, _ in seen}
    lost = {own: frozenset(_missing_inputs(names, own)) for own in inputs}
    lacking = {own: _lacking_inputs(model, own) for own in inputs}
    known = [
        {name: None if name in lost[customer.inputs] else own.get(name) for name in names}
        for customer, own in seen
    ]
    columns = _columns(names, known)
    found = _segments(model, columns, len(known))
    scores = rfm_scores(model.axes, columns, len(known)).to_pylist()
    outlook = _outlook(model, [own for _, own in seen])
    answers = []
    for (customer, own), measures, (names_given, strengths), prospects, score in zip(
        seen, known, found, outlook, scores, strict=True
    ):
        cannot = lacking[customer.inputs]
        by_model = {**prospects, RFM_SCORE: None if RFM_AXIS in cannot else score}
        memberships = names_given | dict.fromkeys(cannot, UNAVAILABLE)
        answers.append(
            Assigned(
                customer_id=customer.customer_id,
                as_of=as_of,
                segment_memberships=memberships,
                membership_strengths=strengths | dict.fromkeys(cannot, 0.0),
                metrics={name: {**own, **by_model}[name] for name in METRICS},
                unavailable=cannot,
                filled=_filled(model.axes, memberships, measures),
                notes=_notes(customer),
                measures=measures,
            )
        )
    return answers


def _columns(
    names: Sequence[str], known: Sequence[Mapping[str, float | None]]
) -> dict[str, Floats]:
    """The named measures of the customers; a missing one is NaN."""
    figures = np.array([list(measures.values()) for measures in known], dtype=np.float64)
    return dict(zip(names, np.ascontiguousarray(figures.T), strict=True))


def _segments(
    model: Model, columns: Mapping[str, Floats], n_customers: int
) -> list[tuple[dict[str, str], dict[str, float]]]:
    """Segment and strength of each customer, by axis; strengths as they are published."""
    found: list[tuple[dict[str, str], dict[str, float]]] = [({}, {}) for _ in range(n_customers)]
    for axis in model.axes:
        vocabulary = axis.vocabulary()
        codes, strengths = assign_axis(axis, columns, n_customers, Tally())
        published = as_published(strengths).tolist()
        for (memberships, certainty), code, strength in zip(
            found, codes.tolist(), published, strict=True
        ):
            memberships[axis.name] = vocabulary[code]
            certainty[axis.name] = strength
    return found


def _outlook(model: Model, figures: Sequence[Figures]) -> list[dict[str, float | None]]:
    """Churn risk and expected value of each customer, as the batch has them; None: withheld."""
    names = OUTLOOK_MEASURES if model.outlook else ("lifetime_value",)
    columns = {name: np.array([float(own[name]) for own in figures]) for name in names}
    found = outlook_metrics(model.outlook, columns)
    rows = zip(*(found[name].tolist() for name in OUTLOOK_METRICS), strict=True)
    return [
        {
            name: None if math.isnan(value) else value
            for name, value in zip(OUTLOOK_METRICS, row, strict=True)
        }
        for row in rows
    ]


def _filled(
    axes: Sequence[AxisModel],
    memberships: Mapping[str, str],
    measures: Mapping[str, float | None],
) -> dict[str, tuple[str, ...]]:
    """Axis → its missing measures, of the axes that gave the customer a segment.

    The shop's median stands in for them, or, in a rule, the rule does not hold.
    """
    found = {}
    for axis in axes:
        if not any(segment.name == memberships[axis.name] for segment in axis.segments):
            continue
        names = [
            name
            for name in axis.judged()
            if any(measures[raw] is None for raw in inputs_of([name]))
        ]
        raw = {name: np.array([measures[name]], np.float64) for name in inputs_of(names)}
        own = derive(raw, names, axis.priors)  # some are known without all of their inputs
        missing = tuple(name for name in names if np.isnan(own[name][0]))
        if missing:
            found[axis.name] = missing
    return found


def _notes(customer: Customer) -> tuple[str, ...]:
    n_loose = sum(item.order_id is None for item in customer.items)
    if not n_loose or len(customer.orders) == 1:
        return ()
    items = (
        "1 item names no order and is" if n_loose == 1 else f"{n_loose} items name no order and are"
    )
    return (f"{items} counted with the newest one.",)


def _lacking_inputs(model: Model, inputs: frozenset[str]) -> Lacking:
    """Axes that cannot answer → the inputs they lack."""
    lost = {axis.name: _lost(axis, inputs) for axis in model.axes}
    return {
        axis.name: tuple(dict.fromkeys(n for needs in lost[axis.name].values() for n in needs))
        for axis in model.axes
        if _is_unavailable(axis, lost[axis.name])
    }


def _is_unavailable(axis: AxisModel, lost: Mapping[str, Sequence[str]]) -> bool:
    """Whether inputs of its main measure are missing, of its eligibility, or of most measures."""
    if axis.rules and axis.rules.ladder and axis.rules.ladder.measure in lost:
        return True
    if any(rule.measure in lost for rule in axis.eligibility):
        return True
    judged = axis.judged()
    return 2 * sum(name in lost for name in judged) > len(judged)


def _lost(axis: AxisModel, inputs: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Measure of the axis → inputs that it needs and the request lacks."""
    names = [*axis.judged(), *(rule.measure for rule in axis.eligibility)]
    lost = {
        name: tuple(dict.fromkeys(_missing_inputs(inputs_of([name]), inputs).values()))
        for name in names
    }
    return {name: missing for name, missing in lost.items() if missing}


def _missing_inputs(names: Sequence[str], inputs: frozenset[str]) -> dict[str, str]:
    """Raw measure, of these → the input that it needs and the request lacks."""
    needs = {name: ITEMS if name in _OF_ITEMS else NEEDS.get(name) for name in names}
    return {name: need for name, need in needs.items() if need and need not in inputs}
