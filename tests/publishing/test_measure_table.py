"""The table of measures: exact, published with its run, kept and dropped with it."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from segpipe import postgres, publishing, runs
from segpipe.core.errors import DatabaseError
from segpipe.core.settings import EngineSettings
from segpipe.engines.duckdb import open_engine
from segpipe.engines.duckdb_tables import DuckDbTables
from segpipe.model.assign import needed_measures
from segpipe.model.document import AxisModel, Model
from segpipe.model.preprocessing import FeatureScale
from segpipe.pipeline.memberships import measure_batches
from segpipe.postgres import Connection
from segpipe.publishing.measure_table import copy_rows
from tests.conftest import AXES, Rows
from tests.model.test_explain import REFERENCE
from tests.support.features import put_customers

FIGURES = [0.1, -0.0, 1 / 3, 5e-324, 1.7976931348623157e308, -123456.789, None, 2.0**53 + 2]
IDS = ["a", "tab\there", 'quote " and \\', "\\N", "\\.", "новый", "line\nfeed", "007"]


def _batch(ids: list[str], **measures: list[float | None]) -> pa.RecordBatch:
    columns = {name: pa.array(values, pa.float64()) for name, values in measures.items()}
    return pa.RecordBatch.from_pydict({"customer_id": pa.array(ids), **columns})


def _publish(
    database: Connection,
    rows: Rows,
    ids: list[str],
    measures: list[pa.RecordBatch] | Iterator[pa.RecordBatch] | None = None,
    value: float = 10.0,
    absent: str = "keep",
) -> int:
    """A run of these customers, who have 1, 2, 3 … orders if not given otherwise."""
    run_id = runs.start_run(database, "default")
    if measures is None:
        measures = [_batch(ids, n_orders=[float(n) for n, _ in enumerate(ids, 1)])]
    publishing.publish(
        database,
        publishing.Publication(
            run_id,
            "default",
            [rows(ids, value)],
            axes=AXES,
            measures=measures or None,
            absent=absent,
        ),
    )
    return run_id


def _tables(database: Connection) -> list[int]:
    """Runs whose measures are in the database."""
    return sorted(int(name.rpartition("_r")[2]) for name in _names(database))


def _names(database: Connection) -> list[str]:
    """Tables of measures that are in the database, what was kept to undo a run among them."""
    found = database.execute(
        "SELECT relname FROM pg_class"
        " WHERE relkind = 'r' AND starts_with(relname, 'customer_measures_') ORDER BY 1"
    ).fetchall()
    return [name for (name,) in found]


def _ledger(database: Connection) -> list[int]:
    """Runs that the ledger names a table of measures for."""
    found = database.execute(
        "SELECT run_id FROM segmentation_runs WHERE measures_table IS NOT NULL ORDER BY run_id"
    ).fetchall()
    return [run_id for (run_id,) in found]


def test_every_measure_is_read_back_as_it_was_written(database: Connection, rows: Rows) -> None:
    batch = _batch(IDS, n_orders=FIGURES, gap_trend=FIGURES[::-1])
    run_id = _publish(database, rows, IDS, [batch.slice(0, 3), batch.slice(3)])
    for customer_id, first, second in zip(IDS, FIGURES, FIGURES[::-1], strict=True):
        found = runs.read_measures(database, "default", run_id, customer_id)
        assert repr(found) == repr({"n_orders": first, "gap_trend": second})
    assert runs.read_measures(database, "default", run_id, "nobody") is None
    assert runs.read_measures(database, "elsewhere", run_id, "a") is None


def test_a_row_has_the_bytes_of_the_binary_copy_format() -> None:
    batch = _batch(["left out", "ab"], n_orders=[9.0, 3.0], mean_gap_days=[1.0, None]).slice(1)
    made = struct.pack(">hi2sidi", 3, 2, b"ab", 8, 3.0, -1)
    assert bytes(copy_rows(batch, ["n_orders", "mean_gap_days"])) == made


def test_a_customer_has_one_row(database: Connection, rows: Rows) -> None:
    twice = _batch(["a", "a"], n_orders=[1.0, 2.0])
    with pytest.raises(DatabaseError, match="is there twice"):
        _publish(database, rows, ["a"], [twice])
    assert _tables(database) == []


def test_measures_of_kept_runs_stay_and_older_ones_are_dropped(
    database: Connection, rows: Rows
) -> None:
    runs = [_publish(database, rows, ["a", "b"]) for _ in range(4)]
    assert _tables(database) == _ledger(database) == runs[-3:]


def test_a_carried_over_customer_keeps_the_measures_that_still_exist(
    database: Connection, rows: Rows
) -> None:
    both = _batch(["a", "gone"], n_orders=[1.0, 7.0], gap_trend=[0.5, None], price_spread=[0.2] * 2)
    first = _publish(database, rows, ["a", "gone"], [both])
    for _ in range(3):
        last = _publish(database, rows, ["a"], [_batch(["a"], n_orders=[2.0], gap_trend=[0.1])])
    assert first not in _tables(database)
    found = runs.read_measures(database, "default", first, "gone")
    assert found == {"n_orders": 7.0, "gap_trend": None}
    assert runs.read_measures(database, "default", last, "a") == {
        "n_orders": 2.0,
        "gap_trend": 0.1,
    }


def test_a_runs_own_measures_come_before_the_current_ones(database: Connection, rows: Rows) -> None:
    first = _publish(database, rows, ["a"], [_batch(["a"], n_orders=[1.0])])
    second = _publish(database, rows, ["a"], [_batch(["a"], n_orders=[2.0])])
    found = [runs.read_measures(database, "default", run, "a") for run in (first, second)]
    assert found == [{"n_orders": 1.0}, {"n_orders": 2.0}]


def test_a_deleted_customers_measures_are_deleted_with_the_profile(
    database: Connection, rows: Rows
) -> None:
    _publish(database, rows, ["a", "gone"])
    last = _publish(database, rows, ["a"], absent="delete")
    query = f"SELECT customer_id FROM {_name(database, last)}"
    assert database.execute(query.encode()).fetchall() == [("a",)]


def test_rows_updated_in_place_have_measures_too(database: Connection, rows: Rows) -> None:
    first = _publish(database, rows, ["a", "gone"])
    database.execute("ALTER TABLE customer_profiles ADD COLUMN note text")
    for n_orders in (3.0, 4.0, 5.0):
        last = _publish(database, rows, ["a"], [_batch(["a"], n_orders=[n_orders])], n_orders)
        found = runs.read_measures(database, "default", last, "a")
        assert found == {"n_orders": n_orders}
        assert runs.read_measures(database, "default", first, "gone") == {"n_orders": 2.0}
    tables = database.execute(
        "SELECT measures_table, measures_undo_table FROM segmentation_runs ORDER BY run_id"
    ).fetchall()
    name = _name(database, last)
    assert name.endswith(f"_r{first}")
    undone = [name.removesuffix(f"r{first}") + f"r{run}_undo" for run in (last - 1, last)]
    assert tables == [(name, None), (name, None), (name, undone[0]), (name, undone[1])]
    assert _names(database) == sorted([name, *undone])


def test_a_run_without_measures_has_no_table(database: Connection, rows: Rows) -> None:
    first = _publish(database, rows, ["a"])
    later = [_publish(database, rows, ["a"], []) for _ in range(2)]
    assert _tables(database) == _ledger(database) == [first]
    later.append(_publish(database, rows, ["a"], []))
    assert _tables(database) == _ledger(database) == []
    assert runs.read_measures(database, "default", later[-1], "a") is None
    assert first < later[0] < later[-1]


def test_measures_that_fail_keep_the_last_results_live(database: Connection, rows: Rows) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield _batch(["a"], n_orders=[5.0])
        raise RuntimeError("no more")

    first = _publish(database, rows, ["a"])
    with pytest.raises(RuntimeError, match="no more"):
        _publish(database, rows, ["a"], failing())
    assert runs.latest_published(database, "default") == first
    assert _tables(database) == _ledger(database) == [first]


def test_the_timeouts_of_a_role_do_not_end_the_writing_of_measures(
    database: Connection, database_url: str, rows: Rows
) -> None:
    def slow() -> Iterator[pa.RecordBatch]:
        yield _batch(["a"], n_orders=[5.0])
        time.sleep(1.2)
        yield _batch(["b"], n_orders=[6.0])

    run_id = runs.start_run(database, "default")
    url = database_url + "&options=-cstatement_timeout%3D1000"
    with postgres.connect(url) as theirs:
        batches = [rows(["a", "b"])]
        publishing.publish(
            theirs, publishing.Publication(run_id, "default", batches, axes=AXES, measures=slow())
        )
    assert runs.read_measures(database, "default", run_id, "b") == {"n_orders": 6.0}


def test_a_dropped_table_counts_as_none(database: Connection, rows: Rows) -> None:
    first = _publish(database, rows, ["a", "gone"])
    database.execute(f"DROP TABLE {_name(database, first)}".encode())
    assert runs.read_measures(database, "default", first, "a") is None
    second = _publish(database, rows, ["a"])
    assert runs.read_measures(database, "default", second, "a") == {"n_orders": 1.0}
    assert runs.read_measures(database, "default", first, "gone") is None


def test_only_the_owner_reads_measures_until_others_are_granted(
    database: Connection, rows: Rows
) -> None:
    run_id = _publish(database, rows, ["a"])
    database.execute("GRANT SELECT ON customer_profiles, segmentation_runs TO pg_monitor")
    with database.transaction(force_rollback=True):
        database.execute("SET LOCAL ROLE pg_monitor")
        assert postgres.fetch_one(database, "SELECT count(*) FROM customer_profiles") == (1,)
        with pytest.raises(DatabaseError, match=f"permission denied.*_r{run_id}.*GRANT"):
            runs.read_measures(database, "default", run_id, "a")


def test_the_batches_have_the_measures_that_the_model_needs() -> None:
    scale = FeatureScale("mean_gap_days", "log", 1.0, 0.0, 1.0, 0.5, 1.0)
    axis = AxisModel("own", "marketing", "k-means", None, 0.3, (), (scale,), (), "unavailable")
    model = Model(1, (), "UTC", REFERENCE, (axis,))
    assert needed_measures(model) == ("mean_gap_days",)
    with open_engine(EngineSettings()) as engine:
        given: dict[str, list[Any]] = {
            "customer_id": ["a", "b", "c"],
            "mean_gap_days": [1.5, None, 3.0],
        }
        put_customers(engine, given)
        batches = list(measure_batches(DuckDbTables(engine), model, 2))
    assert pa.Table.from_batches(batches).to_pydict() == given
    assert max(batch.num_rows for batch in batches) == 2


def _name(database: Connection, run_id: int) -> str:
    query = "SELECT measures_table FROM segmentation_runs WHERE run_id = %s"
    return str(postgres.fetch_one(database, query, [run_id])[0])
