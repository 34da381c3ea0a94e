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
    "answered": [
        {"message_count": 4, "satisfaction": 4.5, "is_reopened": True},
        {"resolved_at": "2025-02-01 09:30"},
        {"resolved_at": "2025-02-01 08:30", "satisfaction": 2},
    ],
    "open": [{"resolved_at": "2025-03-02 08:00"}, {"resolved_at": "2025-02-01 10:00"}],
    "odd": [{"resolved_at": "2025-01-31 08:00"}, {"resolved_at": "2025-02-01 10:00"}],
}
UNKNOWN: dict[str, Any] = {}
Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def found() -> Found:
    orders = [line(customer, "o1", "2025-01-01 12:00") for customer in TICKETS]
    tickets = [
        {"customer_id": customer, "created_at": "2025-02-01 08:00", **ticket}
        for customer, given in (*TICKETS.items(), ("unknown", [UNKNOWN]))
        for ticket in given
    ]
    return features_of(orders, tickets, inputs=frozenset({"tickets"}), as_of=AS_OF)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_ticket_channel_is_recognised_as_people_write_it(found: Found, channel: str) -> None:
    kinds = ("email", "chat", "phone", "self_service")
    shares = {kind: found[channel][f"ticket_{kind}_share"] for kind in kinds}
    assert shares == {kind: float(kind == CHANNELS[channel]) for kind in kinds}


def test_tickets_of_other_people_and_of_later_days_are_not_counted(found: Found) -> None:
    assert set(found) == set(TICKETS)
    assert found["later"]["n_tickets"] == found["later"]["tickets_per_order"] == 1


def test_a_customer_without_tickets_has_a_count_of_0_and_no_other_measure(found: Found) -> None:
    silent = found["silent"]
    assert silent["n_tickets"] == silent["tickets_per_order"] == 0
    assert silent["messages_per_ticket"] is silent["hours_to_resolve"] is None


def test_a_mean_is_over_tickets_with_a_value(found: Found) -> None:
    answered = found["answered"]
    assert answered["messages_per_ticket"] == 4
    assert answered["hours_to_resolve"] == 1
    assert answered["reopened_share"] == 1
    assert answered["satisfaction_mean"] == 3.25


def test_an_answer_after_as_of_does_not_count(found: Found) -> None:
    assert found["open"]["hours_to_resolve"] == 2


def test_a_ticket_resolved_before_it_was_created_has_no_duration(found: Found) -> None:
    assert found["odd"]["hours_to_resolve"] == 2
