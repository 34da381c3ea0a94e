"""The example queries: each runs, gives the right rows, and binds its parameters."""

from __future__ import annotations

from datetime import date

import pytest

from segpipe import publishing, runs
from segpipe.core.errors import InputError
from segpipe.postgres import Connection, example_queries
from tests.conftest import AXES, Rows


@pytest.fixture
def published(database: Connection, rows: Rows) -> Connection:
    for day, was in ((1, "whale"), (2, "modest")):
        batches = [
            rows(["b"], value=900.0),
            rows(["a"], value=950.0),
            rows(["c"], value=400.0),
            rows(["d'; DROP"], segments={"price_sensitivity": "full_price_buyer"}),
            rows(["moved"], 20.0, {"price_sensitivity": "deal_hunter", "purchase_value": was}),
        ]
        facts = runs.RunFacts(as_of=date(2025, 3, day))
        run_id = runs.start_run(database, "default", facts)
        publishing.publish(database, publishing.Publication(run_id, "default", batches, axes=AXES))
    return database


def test_every_query_runs_and_begins_with_its_question(published: Connection) -> None:
    for query in example_queries.list_queries():
        assert query.question.endswith((".", "?")), query.name
        given = dict.fromkeys(query.parameters, "a")
        assert example_queries.run_query(published, query.name, given).rows, query.name


@pytest.mark.parametrize("form", ["", "_gin"])
def test_both_forms_give_the_same_rows(published: Connection, form: str) -> None:
    whales = example_queries.run_query(published, f"whales_who_wait_for_discounts{form}")
    assert whales.rows == [("a", 950.0), ("b", 900.0), ("c", 400.0)]
    declining = example_queries.run_query(published, f"declining_worth_keeping{form}")
    assert declining.columns == ("customer_id", "lifetime_value", "days_since_last_purchase")
    assert [row[0] for row in declining.rows] == ["a", "b"]


def test_customers_who_moved_are_listed_with_their_former_segment(published: Connection) -> None:
    found = example_queries.run_query(published, "moved_this_month")
    assert found.rows == [("moved", "whale", "modest", 20.0, 20)]


def test_the_well_known_query_names_exist() -> None:
    assert example_queries.read_query("whales_who_wait_for_discounts").sql == (
        "SELECT customer_id, lifetime_value FROM customer_profiles"
        " WHERE segment_memberships->>'purchase_value' = 'whale'"
        " AND segment_memberships->>'price_sensitivity' = 'deal_hunter'"
        " ORDER BY lifetime_value DESC LIMIT 1000;"
    )
    assert example_queries.read_query("declining_worth_keeping").sql == (
        "SELECT customer_id, lifetime_value, days_since_last_purchase FROM customer_profiles"
        " WHERE segment_memberships->>'loyalty_trajectory' = 'declining'"
        " AND lifetime_value > 500 ORDER BY days_since_last_purchase DESC;"
    )


def test_a_parameter_is_bound_and_not_pasted(published: Connection) -> None:
    result = example_queries.run_query(published, "one_customer", {"customer_id": "d'; DROP"})
    assert {row[2]: row[3] for row in result.rows} == {
        "purchase_value": "whale",
        "price_sensitivity": "full_price_buyer",
        "loyalty_trajectory": "declining",
    }


def test_a_limit_says_that_there_is_more(published: Connection) -> None:
    result = example_queries.run_query(published, "whales_who_wait_for_discounts", limit=2)
    assert (len(result.rows), result.has_more) == (2, True)
    assert not example_queries.run_query(
        published, "whales_who_wait_for_discounts", limit=3
    ).has_more


def test_wrong_parameters_are_named(database: Connection) -> None:
    with pytest.raises(InputError, match="parameters: customer_id; found: none"):
        example_queries.run_query(database, "one_customer")
    with pytest.raises(InputError, match="parameters: none; found: x"):
        example_queries.run_query(database, "run_history", {"x": "1"})


def test_an_unknown_query_lists_the_near_ones() -> None:
    with pytest.raises(InputError, match="segment_sizes"):
        example_queries.read_query("segment_size")
    with pytest.raises(InputError, match="run_history"):
        example_queries.read_query("../0001")


def test_percent_signs_and_colons_in_texts_are_left_alone() -> None:
    text = "SELECT a::text, ':b' -- :c\nWHERE x LIKE '%y' AND z = :d"
    assert (
        example_queries.bound(text)
        == "SELECT a::text, ':b' -- :c\nWHERE x LIKE '%%y' AND z = %(d)s"
    )
