"""Assigns the customers of a request by the batch's model, its features and its arithmetic.

Each customer gets an answer, or the reason why there is none. A measure whose input the request
lacks is missing, as it is in a file without that column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

from segpipe.axes import axes_for
from segpipe.core.assigned import Assigned, Refused
from segpipe.core.schema import INPUTS, METRICS, OUTLOOK_METRICS, STRENGTH_STEPS
from segpipe.model.document import UNAVAILABLE, AxisModel, Model
from segpipe.model.outlook import OUTLOOK_MEASURES, outlook_metrics
from segpipe.realtime.customers import ITEMS, Customer
from segpipe.realtime.lines import is_returned, line_rows, ticket_row, unknown_order
from segpipe.realtime.prepared_features import Figures, PreparedFeatures
from segpipe.realtime.vectorised import Axes

_OF_ITEMS = ("price_position", "price_spread")
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
    by_key = dict(zip(features, _assigned(prepared.axes, model, seen, as_of), strict=True))
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
    axes: Axes, model: Model, seen: Sequence[tuple[Customer, Figures]], as_of: date
) -> list[Assigned]:
    """Answers for customers by their features."""
    if not seen:
        return []
    inputs = {customer.inputs for customer, _ in seen}
    lost = {own: _lost_measures(axes.measures, own) for own in inputs}
    lacking = {own: _lacking_inputs(model, own) for own in inputs}
    known = [
        {name: None if name in lost[customer.inputs] else own.get(name) for name in axes.measures}
        for customer, own in seen
    ]
    figures = np.array([list(measures.values()) for measures in known], dtype=np.float64)
    codes, strengths = axes.assign(figures.T)
    strengths = np.rint(strengths * STRENGTH_STEPS) / STRENGTH_STEPS  # as they are published
    outlook = _outlook(model, [own for _, own in seen])
    answers = []
    for (customer, own), measures, places, sure, prospects in zip(
        seen, known, codes.T.tolist(), strengths.T.tolist(), outlook, strict=True
    ):
        named = zip(model.axes, axes.vocabularies, places, strict=True)
        memberships = {axis.name: words[place] for axis, words, place in named}
        certainty = dict(zip(memberships, sure, strict=True))
        cannot = lacking[customer.inputs]
        memberships |= dict.fromkeys(cannot, UNAVAILABLE)
        certainty |= dict.fromkeys(cannot, 0.0)
        answers.append(
            Assigned(
                customer_id=customer.customer_id,
                as_of=as_of,
                segment_memberships=memberships,
                membership_strengths=certainty,
                metrics={name: {**own, **prospects}[name] for name in METRICS},
                unavailable=cannot,
                filled=_filled(model.axes, memberships, measures),
                notes=_notes(customer),
                measures=measures,
            )
        )
    return answers


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
    """Axis → its missing measures, of the axes that gave the customer a segment."""
    found = {}
    for axis in axes:
        missing = tuple(s.measure for s in axis.scales if measures[s.measure] is None)
        if missing and any(s.name == memberships[axis.name] for s in axis.segments):
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
    """Axes that cannot answer → the inputs they lack: most of their measures need them."""
    lost = {axis.name: _lost(axis, inputs) for axis in model.axes}
    return {
        axis.name: tuple(
            dict.fromkeys(need for needs in lost[axis.name].values() for need in needs)
        )
        for axis in model.axes
        if 2 * len(lost[axis.name]) > len(axis.scales)
    }


def _lost(axis: AxisModel, inputs: frozenset[str]) -> dict[str, list[str]]:
    """Measure of the axis → inputs that it needs and the request lacks."""
    needs = {s.measure: _needs().get(s.measure, ()) for s in axis.scales}
    lost = {measure: [n for n in own if n not in inputs] for measure, own in needs.items()}
    return {measure: missing for measure, missing in lost.items() if missing}


def _lost_measures(measures: Sequence[str], inputs: frozenset[str]) -> frozenset[str]:
    return frozenset(m for m in measures if not inputs.issuperset(_needs().get(m, ())))


@cache
def _needs() -> dict[str, tuple[str, ...]]:
    """Measure → inputs that it needs."""
    features = (feature for axis in axes_for(frozenset(INPUTS)) for feature in axis.features)
    known = {feature.measure: feature.needs for feature in features if feature.needs}
    return {**known, **dict.fromkeys(_OF_ITEMS, (ITEMS,))}
