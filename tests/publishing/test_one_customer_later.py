"""What later happens to a stored customer: the next run, a rollback, and being forgotten."""

from __future__ import annotations

import pytest

from segpipe import runs
from segpipe.core.errors import InputError
from segpipe.privacy import erase_customer
from tests.support.assigned import assert_counts_are_true, define, profile, shop, store
from tests.support.moving_customers import MARCH, VALUE, Customer, Shop, state_of

__all__ = ["shop"]


@pytest.mark.parametrize("is_repeated", [False, True])
def test_the_next_run_updates_the_customer(shop: Shop, *, is_repeated: bool) -> None:
    there = {"a": Customer(), "b": Customer()}
    shop.publish(there, MARCH)
    store(shop, "new", Customer("whale"))
    store(shop, "a", Customer("whale"))
    info = shop.publish({**there, "new": Customer("whale")}, MARCH, is_repeated=is_repeated)
    assert (info.n_inserted, info.n_absent_kept) == (0, 0)
    if is_repeated:
        assert (info.n_updated, info.n_unchanged) == (1, 2)
    assert [(t.from_segment, t.to_segment) for t in info.transitions] == [("whale", "mid_tier")]
    assert shop.remembered("new") == ({}, {}, "2025-03-01")
    assert shop.remembered("a")[0] == {VALUE: "whale"}
    assert_counts_are_true(shop.database)


@pytest.mark.parametrize("is_repeated", [False, True])
def test_the_next_run_without_the_customer_keeps_them_as_absent(
    shop: Shop, *, is_repeated: bool
) -> None:
    there = {"a": Customer(), "b": Customer()}
    shop.publish(there, MARCH)
    store(shop, "new", Customer("whale"))
    info = shop.publish(there, MARCH, is_repeated=is_repeated)
    assert info.n_absent_kept == 1
    row = profile(shop, "new")
    assert (row["absent_since_run_id"], row["run_id"]) == (2, 1)
    assert runs.read_measures(shop.database, "default", 1, "new")
    assert_counts_are_true(shop.database)


@pytest.mark.parametrize("is_repeated", [False, True])
def test_a_rollback_removes_customers_stored_since(shop: Shop, *, is_repeated: bool) -> None:
    shop.publish({name: Customer() for name in "abcd"}, MARCH)
    define(shop)
    store(shop, "early", Customer("whale", value=7.0))
    before = state_of(shop.database)
    changed = {name: Customer() for name in "abc"} | {"a": Customer("whale"), "e": Customer()}
    shop.publish(changed, MARCH, is_repeated=is_repeated)
    store(shop, "late", Customer("whale", value=5.0))
    for name in ("a", "b", "e", "d", "early"):  # changed, untouched, brought, absent, stored
        store(shop, name, Customer("low_value", value=3.0))
    store(shop, "b", Customer("whale", value=4.0))  # once more
    assert_counts_are_true(shop.database)
    runs.rollback(shop.database, "default")
    assert state_of(shop.database) == before
    assert_counts_are_true(shop.database)
    store(shop, "late", Customer())
    assert_counts_are_true(shop.database)


def test_a_rollback_keeps_customers_stored_before_the_run(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    shop.publish({"a": Customer("whale")}, MARCH, is_repeated=True)
    store(shop, "new", Customer())
    shop.publish({"a": Customer(), "new": Customer("whale")}, MARCH, is_repeated=True)
    runs.rollback(shop.database, "default")
    assert profile(shop, "new")["segment_memberships"][VALUE] == "mid_tier"
    assert_counts_are_true(shop.database)
    runs.rollback(shop.database, "default")
    assert runs.show_customer(shop.database, "default", "new") is None
    assert_counts_are_true(shop.database)


def test_a_forgotten_customer_is_removed_and_not_stored_again(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    shop.publish({"a": Customer("whale")}, MARCH, is_repeated=True)
    store(shop, "new", Customer())
    store(shop, "a", Customer("low_value"))
    done = erase_customer(shop.database, "default", "new")
    # the profile, its measures, and both undos
    assert [erasure.n_rows for erasure in done.tables] == [1, 1, 1, 1]
    assert runs.show_customer(shop.database, "default", "new") is None
    before = state_of(shop.database)
    with pytest.raises(InputError, match="asked to be forgotten"):
        store(shop, "new", Customer())
    assert state_of(shop.database) == before
    store(shop, "other", Customer())
    assert erase_customer(shop.database, "default", "new").is_clean
