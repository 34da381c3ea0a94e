"""Measures of support tickets that `features` computes in the engine, as rows like the others."""

from __future__ import annotations

from segpipe.axes.raw_measures import Row

TICKET_MEASURES: tuple[Row, ...] = (
    ("n_tickets", "support tickets", "count", "tickets created up to as_of"),
    ("tickets_per_order", "tickets per order", "ratio", "n_tickets / n_orders"),
    ("messages_per_ticket", "messages per ticket", "ratio", "mean over tickets with a count"),
    ("hours_to_resolve", "hours to resolve", "hours", "mean over tickets resolved up to as_of"),
    ("reopened_share", "reopened tickets", "share", "of tickets where it is known"),
    ("satisfaction_mean", "satisfaction", "1 to 5", "mean over rated tickets"),
    ("n_rated_tickets", "rated tickets", "count", "tickets with a satisfaction"),
    (
        "satisfaction_spread",
        "spread of satisfaction",
        "1 to 5",
        "sample deviation over rated tickets; missing for one",
    ),
    ("ticket_email_share", "tickets by e-mail", "share", "of tickets with a channel"),
    ("ticket_chat_share", "tickets by chat", "share", "of tickets with a channel"),
    ("ticket_phone_share", "tickets by phone", "share", "of tickets with a channel"),
    ("ticket_self_service_share", "self-service", "share", "of tickets with a channel"),
    ("n_channel_tickets", "tickets with a channel", "count", "tickets whose channel is known"),
    ("n_email_tickets", "tickets by e-mail", "count", "of n_channel_tickets"),
    ("n_chat_tickets", "tickets by chat", "count", "of n_channel_tickets"),
    ("n_phone_tickets", "tickets by phone", "count", "of n_channel_tickets"),
    ("n_self_service_tickets", "self-service tickets", "count", "of n_channel_tickets"),
    (
        "n_ticket_kinds",
        "kinds of ticket channels",
        "count",
        "of e-mail, chat, phone and self-service, those used",
    ),
)
