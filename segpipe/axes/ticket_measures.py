"""Measures of support tickets, computed in the engine and derived, as rows like the others."""

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

DERIVED_TICKET_MEASURES: tuple[Row, ...] = (
    (
        "expected_tickets_per_order",
        "tickets an order, expected",
        "ratio",
        "(n_tickets + shape) / (n_orders + orders of the prior)",
    ),
    (
        "expected_satisfaction",
        "satisfaction, expected",
        "1 to 5",
        ("(n_rated_tickets × satisfaction_mean + strength × mean) / (n_rated_tickets + strength)"),
    ),
    (
        "expected_ticket_email_share",
        "tickets by e-mail, expected",
        "share",
        "(n_email_tickets + mean × strength) / (n_channel_tickets + strength)",
    ),
    (
        "expected_ticket_chat_share",
        "tickets by chat, expected",
        "share",
        "(n_chat_tickets + mean × strength) / (n_channel_tickets + strength)",
    ),
    (
        "expected_ticket_phone_share",
        "tickets by phone, expected",
        "share",
        "(n_phone_tickets + mean × strength) / (n_channel_tickets + strength)",
    ),
    (
        "expected_ticket_self_service_share",
        "tickets by self-service, expected",
        "share",
        "(n_self_service_tickets + mean × strength) / (n_channel_tickets + strength)",
    ),
    (
        "mostly_email_tickets_chance",
        "chance of asking mostly by e-mail",
        "chance",
        (
            "P(share of tickets by e-mail > 1/2), given n_email_tickets of n_channel_tickets; "
            "at most what a likelier kind leaves of 1"
        ),
    ),
    (
        "mostly_chat_tickets_chance",
        "chance of asking mostly by chat",
        "chance",
        (
            "P(share of tickets by chat > 1/2), given n_chat_tickets of n_channel_tickets; "
            "at most what a likelier kind leaves of 1"
        ),
    ),
    (
        "mostly_phone_tickets_chance",
        "chance of asking mostly by phone",
        "chance",
        (
            "P(share of tickets by phone > 1/2), given n_phone_tickets of n_channel_tickets; "
            "at most what a likelier kind leaves of 1"
        ),
    ),
    (
        "mostly_self_service_tickets_chance",
        "chance of asking mostly by self-service",
        "chance",
        (
            "P(share of tickets by self-service > 1/2), given n_self_service_tickets of "
            "n_channel_tickets; at most what a likelier kind leaves of 1"
        ),
    ),
    (
        "top_ticket_kind_share",
        "tickets in the customer's main channel",
        "share",
        "the most tickets by e-mail, chat, phone or self-service / n_channel_tickets",
    ),
    (
        "one_ticket_channel_chance",
        "chance of asking through one channel",
        "chance",
        (
            "P(share of the customer's main ticket channel > 3/4), given its tickets; the "
            "highest under the priors of the ticket channels"
        ),
    ),
)
