"""Which earlier runs stay, and the space that dropping the others frees."""

from __future__ import annotations

import pytest

from segpipe import postgres
from segpipe.core.errors import InputError
from segpipe.postgres import Connection, fetch_one
from segpipe.runs import Pruned, prune, rollback
from tests.support.moving_customers import MARCH, Customer, Shop, named_tables, state_of, tables_of


@pytest.fixture
def shop(database: Connection) -> Shop:
    return Shop(database)


def _publish(shop: Shop, n_runs: int, keep_runs: int, *, is_repeated: bool = False) -> list[int]:
    return [
        shop.publish(
            {"a": Customer(value=float(n)), "b": Customer()},
            MARCH,
            keep_runs=keep_runs,
            is_repeated=is_repeated,
        ).run_id
        for n in range(n_runs)
    ]


def _endings(database: Connection) -> list[str]:
    """Tables of the runs, without the store."""
    return sorted(f"{name.split('_')[1]}_{name.split('_', 3)[3]}" for name in tables_of(database))


def _tables(*numbers: int) -> list[str]:
    return sorted(f"{kind}_r{run}" for kind in ("profiles", "measures") for run in numbers)


def _size(database: Connection, names: set[str]) -> int:
    query = "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) AS name"
    return int(fetch_one(database, query, [sorted(names)])[0] or 0)


@pytest.mark.parametrize("keep_runs", [0, 1, 2, 3])
def test_as_many_earlier_runs_are_kept_as_requested(
    shop: Shop, database: Connection, keep_runs: int
) -> None:
    runs = _publish(shop, 5, keep_runs)
    assert _endings(database) == _tables(*runs[-keep_runs - 1 :])
    assert tables_of(database) == named_tables(database)
    kept = prune(database, "default", 9)
    assert kept == Pruned(tuple(runs[-2 : -keep_runs - 2 : -1]), 0)


@pytest.mark.parametrize("keep_runs", [0, 1, 2, 3])
def test_runs_in_place_keep_their_undo_tables(
    shop: Shop, database: Connection, keep_runs: int
) -> None:
    runs = _publish(shop, 5, keep_runs, is_repeated=True)
    undos = [f"{kind}_r{run}_undo" for kind in ("profiles", "measures") for run in runs[1:]]
    expected = [name for name in undos if int(name.split("r")[-1].split("_")[0]) > 5 - keep_runs]
    assert _endings(database) == sorted([*_tables(1), *expected])
    assert tables_of(database) == named_tables(database)


def test_fewer_are_kept_from_one_run_to_the_next(shop: Shop, database: Connection) -> None:
    _publish(shop, 4, 3)
    _publish(shop, 1, 0)
    assert _endings(database) == _tables(5)
    assert tables_of(database) == named_tables(database)


def test_pruning_frees_the_bytes_that_it_reports(shop: Shop, database: Connection) -> None:
    runs = _publish(shop, 4, 3)
    other = Shop(database, store_id="other")
    _publish(other, 2, 2)
    before, of_other = state_of(database), state_of(database, "other")
    n_bytes = _size(database, tables_of(database))
    pruned = prune(database, "default", 2)
    assert pruned.kept == (runs[2], runs[1])
    assert pruned.freed_bytes == n_bytes - _size(database, tables_of(database)) > 0
    assert prune(database, "default", 2).freed_bytes == 0
    assert prune(database, "default", 0).kept == ()
    assert tables_of(database) == named_tables(database)
    assert (state_of(database), state_of(database, "other")) == (before, of_other)
    with pytest.raises(InputError, match="is kept"):
        rollback(database, "default")
    assert rollback(database, "other").withdrawn == (6,)


def test_pruning_drops_the_undo_of_the_oldest_kept_run(shop: Shop, database: Connection) -> None:
    _publish(shop, 3, 3, is_repeated=True)
    assert prune(database, "default", 1).freed_bytes > 0
    assert _endings(database) == sorted([*_tables(1), "measures_r3_undo", "profiles_r3_undo"])
    assert rollback(database, "default").current_run_id == 2
    assert _endings(database) == _tables(1)


def test_fewer_than_none_cannot_be_kept(shop: Shop, database: Connection) -> None:
    _publish(shop, 2, 2)
    before = tables_of(database)
    with pytest.raises(InputError, match="-1 earlier runs cannot be kept; give 0 or more"):
        prune(database, "default", -1)
    assert tables_of(database) == before


def test_a_store_without_runs_has_nothing_to_prune(database: Connection) -> None:
    assert prune(database, "nowhere", 0) == Pruned((), 0)


def test_a_table_in_use_is_dropped_the_next_time(
    shop: Shop, database: Connection, database_url: str
) -> None:
    _publish(shop, 3, 2)
    first, second = (
        next(name for name in tables_of(database) if name.endswith(f"r{run}") and "prof" in name)
        for run in (1, 2)
    )
    database.execute(f"CREATE VIEW theirs AS SELECT * FROM {first}".encode())
    with postgres.connect(database_url) as reader, reader.transaction():
        reader.execute(f"SELECT * FROM {second}".encode())
        assert prune(database, "default", 0).freed_bytes > 0  # the measures
        assert {first, second} <= tables_of(database) == named_tables(database)
    database.execute("DROP VIEW theirs")
    assert prune(database, "default", 0).freed_bytes > 0
    assert _endings(database) == _tables(3)
    assert tables_of(database) == named_tables(database)
