"""Measures from support tickets, at the edges that the golden customers do not reach."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.features import AS_OF, features_of, line

CHANNELS = {
    "Email": "email",
    " e-mail ": "email",
    "Live Chat": "chat",
    "phone": "phone",
    "Self Service": "self_service",
    "Help Center": "self_service",
    "pigeon": None,
}
TICKETS: dict[str, list[dict[str, Any]]] = {
    **{channel: [{"channel": channel}] for channel in CHANNELS},
    "later": [{"created_at": "2025-03-01 23:59"}, {"created_at": "2025-03-02 00:00"}],
    "silent": [],
    "told": [
        {"message_count": 4, "satisfaction": 4.5, "is_reopened": True},
        {"resolved_at": "2025-02-01 09:30"},
        {"resolved_at": "2025-02-01 08:30", "satisfaction": 2},
    ],
    "open": [{"resolved_at": "2025-03-02 08:00"}, {"resolved_at": "2025-02-01 10:00"}],
    "odd": [{"resolved_at": "2025-01-31 08:00"}, {"resolved_at": "2025-02-01 10:00"}],
}
STRANGE: dict[str, Any] = {}
Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def found() -> Found:
    orders = [line(customer, "o1", "2025-01-01 12:00") for customer in TICKETS]
    tickets = [
        {"customer_id": customer, "created_at": "2025-02-01 08:00", **ticket}
        for customer, given in (*TICKETS.items(), ("stranger", [STRANGE]))
        for ticket in given
    ]
    return features_of(orders, tickets, inputs=frozenset({"tickets"}), as_of=AS_OF)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_ticket_channel_is_recognised_as_people_write_it(found: Found, channel: str) -> None:
    kinds = ("email", "chat", "phone", "self_service")
    shares = {kind: found[channel][f"ticket_{kind}_share"] for kind in kinds}
    assert shares == {kind: float(kind == CHANNELS[channel]) for kind in kinds}


def test_tickets_of_strangers_and_of_later_days_are_not_counted(found: Found) -> None:
    assert set(found) == set(TICKETS)
    assert found["later"]["n_tickets"] == found["later"]["tickets_per_order"] == 1


def test_a_customer_without_tickets_has_none_and_the_rest_is_missing(found: Found) -> None:
    silent = found["silent"]
    assert silent["n_tickets"] == silent["tickets_per_order"] == 0
    assert silent["messages_per_ticket"] is silent["hours_to_resolve"] is None


def test_only_tickets_that_tell_are_in_a_mean(found: Found) -> None:
    told = found["told"]
    assert told["messages_per_ticket"] == 4
    assert told["hours_to_resolve"] == 1
    assert told["reopened_share"] == 1
    assert told["satisfaction_mean"] == 3.25


def test_an_answer_that_came_after_as_of_is_not_known_yet(found: Found) -> None:
    assert found["open"]["hours_to_resolve"] == 2


def test_a_ticket_resolved_before_it_was_created_tells_no_duration(found: Found) -> None:
    assert found["odd"]["hours_to_resolve"] == 2
