"""Every test has one kind, by which `make test-fast` and others choose."""

from __future__ import annotations

import pytest

from tests.conftest import KINDS


def kinds_of(item: pytest.Item) -> list[str]:
    return [marker.name for marker in item.iter_markers() if marker.name in KINDS]


def test_every_test_has_exactly_one_kind(request: pytest.FixtureRequest) -> None:
    without = {item.nodeid: kinds_of(item) for item in request.session.items}
    assert {name: kinds for name, kinds in without.items() if len(kinds) != 1} == {}


def test_no_unit_test_asks_for_the_server(request: pytest.FixtureRequest) -> None:
    unit = [item for item in request.session.items if kinds_of(item) == ["unit"]]
    assert [item.nodeid for item in unit if "server_url" in getattr(item, "fixturenames", ())] == []
