"""Measures from support tickets: how often, through which channel, and how hard to serve.

Takes the tickets table and the customers with their number of orders; gives one row per customer.
"""

from __future__ import annotations

from datetime import date
from functools import reduce
from operator import add
from typing import Any

import ibis
import ibis.expr.types as ir

from segpipe.features.grains import as_word, ratio


def ticket_measures(
    tickets: ir.Table, customers: ir.Table, as_of: date, kinds: dict[str, list[str]]
) -> ir.Table:
    """One row per customer with orders; without tickets the count is 0, the rest missing."""
    end = ibis.timestamp(as_of) + ibis.interval(days=1)
    seen = tickets.filter(tickets.created_at < end)
    word = as_word(seen.channel)
    seconds = seen.resolved_at.epoch_seconds() - seen.created_at.epoch_seconds()
    minutes = (seconds.cast("float64") / 60).round().cast("int64")
    is_resolved = (seen.resolved_at >= seen.created_at) & (seen.resolved_at < end)
    of_kind: dict[str, Any] = {
        f"n_{kind}_tickets": ibis.ifelse(word.isin(words), 1, 0).sum()
        for kind, words in kinds.items()
    }
    hundredths = (seen.satisfaction * 100).round().cast("int64")
    sums = seen.group_by("customer_id").aggregate(
        n=seen.count(),
        n_resolved=is_resolved.sum(),
        n_counted=seen.message_count.count(),
        messages=seen.message_count.sum(),
        minutes=ibis.ifelse(is_resolved, minutes, None).sum().cast("float64"),
        n_reopened=seen.is_reopened.sum(),
        n_reopened_known=seen.is_reopened.count(),
        n_channel_tickets=seen.channel.count(),
        n_rated_tickets=seen.satisfaction.count(),
        satisfaction=hundredths.sum().cast("float64"),
        satisfaction_squared=(hundredths * hundredths).sum().cast("float64"),
        **of_kind,
    )
    buyers = customers.filter(customers.n_orders > 0)
    known = buyers.select("customer", "customer_id", n_customer_orders="n_orders")
    joined = known.left_join(sums, "customer_id")
    n_tickets = joined.n.fill_null(0)
    n_rated, total = joined.n_rated_tickets, joined.satisfaction
    variance = ratio(joined.satisfaction_squared - total * ratio(total, n_rated), n_rated - 1)
    used = ((joined[name] > 0).cast("int32") for name in of_kind)
    return joined.select(
        "customer",
        "n_channel_tickets",
        "n_rated_tickets",
        *of_kind,
        n_tickets=n_tickets,
        n_ticket_kinds=reduce(add, used),
        tickets_per_order=ratio(n_tickets, joined.n_customer_orders),
        messages_per_ticket=ratio(joined.messages, joined.n_counted),
        hours_to_resolve=ratio(joined.minutes, joined.n_resolved) / 60,
        reopened_share=ratio(joined.n_reopened, joined.n_reopened_known),
        satisfaction_mean=ratio(total, n_rated) / 100,
        satisfaction_spread=variance.clip(lower=0.0).sqrt() / 100,
        **{
            f"ticket_{kind}_share": ratio(joined[f"n_{kind}_tickets"], joined.n_channel_tickets)
            for kind in kinds
        },
    )
