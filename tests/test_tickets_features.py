"""Measures from support tickets, at the edges that the golden customers do not reach."""

from __future__ import annotations

from typing import Any

import pytest
from core_fixtures import AS_OF, features_of, line

ORDERS = [line("a", "o1", "2025-01-01 12:00"), line("b", "o2", "2025-01-02 12:00")]


def _of_a(*tickets: dict[str, Any]) -> dict[str, Any]:
    given = [{"customer_id": "a", "created_at": "2025-02-01 08:00", **row} for row in tickets]
    return features_of(ORDERS, given, as_of=AS_OF)["a"]


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        ("Email", "email"),
        (" e-mail ", "email"),
        ("Live Chat", "chat"),
        ("phone", "phone"),
        ("Self Service", "self_service"),
        ("Help Center", "self_service"),
        ("pigeon", None),
    ],
)
def test_a_ticket_channel_is_recognised_as_people_write_it(channel: str, kind: str | None) -> None:
    found = _of_a({"channel": channel})
    shares = {k: found[f"ticket_{k}_share"] for k in ("email", "chat", "phone", "self_service")}
    assert shares == {name: float(name == kind) for name in shares}


def test_tickets_of_strangers_and_of_later_days_are_not_counted() -> None:
    found = _of_a(
        {"created_at": "2025-03-01 23:59"},
        {"created_at": "2025-03-02 00:00"},
        {"customer_id": "stranger"},
    )
    assert found["n_tickets"] == found["tickets_per_order"] == 1


def test_a_customer_without_tickets_has_none_and_the_rest_is_missing() -> None:
    found = features_of(ORDERS, [{"customer_id": "a", "created_at": "2025-02-01"}])["b"]
    assert found["n_tickets"] == found["tickets_per_order"] == 0
    assert found["messages_per_ticket"] is found["hours_to_resolve"] is None


def test_only_tickets_that_tell_are_in_a_mean() -> None:
    found = _of_a(
        {"message_count": 4, "satisfaction": 4.5, "is_reopened": True},
        {"resolved_at": "2025-02-01 09:30"},
        {"resolved_at": "2025-02-01 08:30", "satisfaction": 2},
    )
    assert found["messages_per_ticket"] == 4
    assert found["hours_to_resolve"] == 1
    assert found["reopened_share"] == 1
    assert found["satisfaction_mean"] == 3.25


def test_an_answer_that_came_after_as_of_is_not_known_yet() -> None:
    found = _of_a({"resolved_at": "2025-03-02 08:00"}, {"resolved_at": "2025-02-01 10:00"})
    assert found["hours_to_resolve"] == 2


def test_a_ticket_resolved_before_it_was_created_tells_no_duration() -> None:
    found = _of_a({"resolved_at": "2025-01-31 08:00"}, {"resolved_at": "2025-02-01 10:00"})
    assert found["hours_to_resolve"] == 2
