"""Publishing on a real PostgreSQL: what is kept, what changes, and what nobody may see."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date

import pyarrow as pa
import pytest

from segpipe import postgres, publishing, runs
from segpipe.core.errors import DatabaseError, InputError
from segpipe.core.report import LoadInfo
from segpipe.postgres import Connection
from segpipe.publishing.content_hash import content_hashes
from tests.conftest import AXES, Rows
from tests.support.publishing import publish_batches


def _counts(info: LoadInfo) -> tuple[int, int, int, int, int]:
    return (
        info.n_published,
        info.n_inserted,
        info.n_updated,
        info.n_absent_kept,
        info.n_absent_deleted,
    )


def _profile(
    database: Connection, customer_id: str, store_id: str = "default"
) -> dict[str, object]:
    profile = runs.show_customer(database, store_id, customer_id)
    assert profile
    return profile


def test_a_row_has_the_values_of_the_batch(database: Connection, rows: Rows) -> None:
    info = publish_batches(database, [rows(["a", "b"], value=12.5)], as_of=date(2024, 3, 2))
    assert _counts(info) == (2, 2, 0, 0, 0)
    profile = _profile(database, "a")
    written = {key: profile.pop(key) for key in ("last_updated", "created_at")}
    assert written["last_updated"] == written["created_at"]
    segments = {
        "purchase_value": "whale",
        "price_sensitivity": "deal_hunter",
        "loyalty_trajectory": "declining",
    }
    assert profile == {
        "store_id": "default",
        "customer_id": "a",
        "segment_memberships": segments,
        "dominant_segments": segments,
        "membership_strengths": dict.fromkeys(AXES, 0.1234),
        "lifetime_value": 12.5,
        "avg_order_value": 12.5,
        "churn_risk_score": 12.5,
        "expected_value_90d": 12.5,
        "total_orders": 12,
        "days_since_last_purchase": 12,
        "customer_tenure_days": 12,
        "rfm_score": None,
        "previous_segments": {},
        "segment_since": {},
        "first_seen_on": date(2024, 3, 2),
        "content_hash": content_hashes(rows(["other"], value=12.5), AXES)[0],
        "absent_since_run_id": None,
        "run_id": info.run_id,
    }


def test_a_second_run_keeps_created_at_and_absent_customers(
    database: Connection, rows: Rows
) -> None:
    first = publish_batches(database, [rows(["stays", "goes"])])
    before = {name: _profile(database, name) for name in ("stays", "goes")}
    second = publish_batches(database, [rows(["stays"], value=99.0), rows(["comes"])])
    assert _counts(second) == (2, 1, 1, 1, 0)
    stays, comes = _profile(database, "stays"), _profile(database, "comes")
    since = {"absent_since_run_id": second.run_id}
    assert _profile(database, "goes") == before["goes"] | since
    assert before["goes"]["run_id"] == first.run_id
    assert stays["created_at"] == before["stays"]["created_at"]
    assert stays["lifetime_value"] == 99.0
    assert stays["last_updated"] == comes["last_updated"] == comes["created_at"]
    assert str(stays["last_updated"]) > str(before["stays"]["last_updated"])
    current = database.execute("SELECT customer_id FROM current_profiles ORDER BY 1").fetchall()
    assert current == [("comes",), ("stays",)]
    third = publish_batches(database, [rows(["stays"], value=99.0)])
    assert _counts(third) == (1, 0, 1, 2, 0)
    assert _profile(database, "goes") == before["goes"] | since
    assert _profile(database, "comes") == comes | {"absent_since_run_id": third.run_id}
    assert _counts(publish_batches(database, [rows(["goes"])])) == (1, 0, 1, 2, 0)
    assert _profile(database, "goes")["absent_since_run_id"] is None


def test_absent_customers_are_deleted_on_request(database: Connection, rows: Rows) -> None:
    publish_batches(database, [rows(["stays", "goes"])])
    assert _counts(publish_batches(database, [rows(["stays"])], absent="delete")) == (1, 0, 1, 0, 1)
    assert runs.show_customer(database, "default", "goes") is None


def test_an_empty_file_keeps_everybody(database: Connection, rows: Rows) -> None:
    publish_batches(database, [rows(["a"])])
    assert _counts(publish_batches(database, [])) == (0, 0, 0, 1, 0)
    assert _counts(publish_batches(database, [rows([])], absent="delete")) == (0, 0, 0, 0, 1)
    assert _counts(publish_batches(database, [rows(["a"])])) == (1, 1, 0, 0, 0)


def test_two_earlier_tables_are_kept_and_older_ones_are_dropped(
    database: Connection, rows: Rows
) -> None:
    numbers = [publish_batches(database, [rows(["a"])]).run_id for _ in range(4)]
    tables = database.execute(
        "SELECT relname FROM pg_class WHERE relname LIKE 'customer_profiles%r%' AND relkind = 'r'"
        " ORDER BY oid"
    ).fetchall()
    assert [name.rpartition("_r")[2] for (name,) in tables] == [str(run) for run in numbers[-3:]]
    listed = runs.list_runs(database)
    assert [run["run_id"] for run in listed] == numbers[::-1]
    assert [run["previous_run_id"] for run in listed] == [*numbers[-2::-1], None]
    assert [run["profiles_table"] is None for run in listed] == [False, False, False, True]
    assert runs.latest_published(database, "default") == numbers[-1]


HOSTILE = [
    "it's",
    'say "hi"',
    "back\\slash\\n",
    "tab\there",
    "line\nfeed\r\nreturn",
    '{"json": ["\\u0041"]}',
    "\\.",
    "\\N",
    "ünïcödé 漢字 🛒",
    ",;%s %(x)s {0} $1",
    " leading and trailing ",
    "NULL",
    "007",
    "x" * 100,
]


@pytest.mark.parametrize("store_id", HOSTILE)
def test_every_store_has_its_own_partition(database: Connection, rows: Rows, store_id: str) -> None:
    for _ in range(2):
        info = publish_batches(database, [rows(["a"])], store_id=store_id)
    assert info.n_updated == 1
    assert _profile(database, "a", store_id)["store_id"] == store_id


def test_any_customer_id_is_stored_unchanged(database: Connection, rows: Rows) -> None:
    publish_batches(database, [rows(HOSTILE)])
    assert publish_batches(database, [rows(HOSTILE[1:])]).n_updated == len(HOSTILE) - 1
    found = database.execute("SELECT customer_id FROM customer_profiles").fetchall()
    assert sorted(found) == sorted((name,) for name in HOSTILE)


@pytest.mark.parametrize("name", HOSTILE)
def test_any_segment_name_is_stored_unchanged(database: Connection, rows: Rows, name: str) -> None:
    batch = rows(["a"], segments={"purchase_value": name})
    definition = runs.SegmentDefinition("purchase_value", 3, name, "segment", "d", {"f": 1.5}, 0.5)
    run_id = runs.start_run(database, "default")
    publishing.publish(
        database,
        publishing.Publication(
            run_id, "default", [batch], axes=AXES, definitions=[definition], model={"a": 1}
        ),
    )
    segments = _profile(database, "a")["segment_memberships"]
    assert isinstance(segments, dict)
    assert segments["purchase_value"] == name
    stored = postgres.fetch_dicts(database, "SELECT * FROM segment_definitions")
    assert stored[0] == {
        "store_id": "default",
        "run_id": run_id,
        "axis": "purchase_value",
        "segment_id": 3,
        "segment": name,
        "kind": "segment",
        "description": "d",
        "centroid": {"f": 1.5},
        "n_customers": 1,
        "share": 1.0,
        "lifetime_value": 10.0,
        "silhouette": 0.5,
        "value_share": 1.0,
        "holds_for": None,
        "guidance": {},
    }


def test_segments_are_counted_over_all_batches(database: Connection, rows: Rows) -> None:
    low = {"purchase_value": "modest"}
    publish_batches(database, [rows(["a", "b"]), rows(["c"], 0.1, low), rows(["d"], 0.2, low)])
    found = database.execute(
        "SELECT segment, n_customers, lifetime_value FROM segment_counts"
        " WHERE axis = 'purchase_value' ORDER BY 1"
    ).fetchall()
    assert found == [("modest", 2, 0.3), ("whale", 2, 20.0)]


def test_two_stores_do_not_touch_each_other(database: Connection, rows: Rows) -> None:
    publish_batches(database, [rows(["a"], 1.0)], store_id="north")
    publish_batches(database, [rows(["a"], 2.0)], store_id="south")
    publish_batches(database, [rows(["b"], 3.0)], store_id="north", absent="delete")
    found = database.execute(
        "SELECT store_id, customer_id, lifetime_value FROM current_profiles ORDER BY 1"
    ).fetchall()
    assert found == [("north", "b", 3.0), ("south", "a", 2.0)]


def test_a_value_that_is_not_a_number_is_never_published(database: Connection, rows: Rows) -> None:
    batch = rows(["a"])
    broken = {
        "lifetime_value": pa.array([float("nan")]),
        "total_orders": pa.array([None], pa.int32()),
        "purchase_value_strength": pa.array([float("nan")]),
        "customer_id": pa.array([None], pa.string()),
    }
    for name, values in broken.items():
        wrong = batch.set_column(batch.schema.get_field_index(name), name, values)
        with pytest.raises(InputError):
            publish_batches(database, [wrong])
    assert runs.latest_published(database, "default") is None


def test_a_failure_in_the_batches_keeps_the_last_results_live(
    database: Connection, rows: Rows
) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield rows(["a"], value=2.0)
        raise InputError("The stage before has failed.")

    publish_batches(database, [rows(["a"], value=1.0)])
    with pytest.raises(InputError, match="The stage before"):
        publish_batches(database, batches())
    assert _profile(database, "a")["lifetime_value"] == 1.0
    assert publish_batches(database, [rows(["a"], value=3.0)]).n_updated == 1


def test_the_same_customer_twice_fails_the_run(database: Connection, rows: Rows) -> None:
    with pytest.raises(DatabaseError, match="is there twice"):
        publish_batches(database, [rows(["a"]), rows(["a"])])


def test_a_backend_killed_during_publication_keeps_the_last_results_live(
    database: Connection, database_url: str, rows: Rows
) -> None:
    publish_batches(database, [rows(["a"], value=1.0)])
    with postgres.connect(database_url) as victim:
        run_id = runs.start_run(victim, "default")

        def batches() -> Iterator[pa.RecordBatch]:
            yield rows([f"c{n}" for n in range(10_000)])
            database.execute("SELECT pg_terminate_backend(%s)", [victim.info.backend_pid])
            while postgres.fetch_one(
                database,
                "SELECT count(*) FROM pg_stat_activity WHERE pid = %s",
                [victim.info.backend_pid],
            ) != (0,):
                pass
            yield rows([f"d{n}" for n in range(10_000)])

        with pytest.raises(DatabaseError, match="connection was lost"):
            publishing.publish(
                victim, publishing.Publication(run_id, "default", batches(), axes=AXES)
            )
    assert database.execute("SELECT customer_id FROM customer_profiles").fetchall() == [("a",)]
    runs.fail_run(database, run_id, "load", "killed")
    assert _counts(publish_batches(database, [rows(["a"])])) == (1, 0, 1, 0, 0)


def test_readers_never_see_a_mixture(database: Connection, database_url: str, rows: Rows) -> None:
    ids = [f"c{n}" for n in range(2000)]
    publish_batches(database, [rows(ids, value=0.0)])
    seen: list[tuple[int, float, float]] = []
    done = threading.Event()

    def read(isolation: str) -> None:
        with postgres.connect(database_url) as reader:
            while not done.is_set():
                with reader.transaction():
                    reader.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}".encode())
                    reader.execute("SELECT 1 FROM segmentation_runs LIMIT 1")  # takes the snapshot
                    query = (
                        "SELECT count(*), min(lifetime_value), max(lifetime_value)"
                        " FROM customer_profiles WHERE customer_id LIKE 'c%'"
                    )
                    n_customers, low, high = postgres.fetch_one(reader, query)
                    seen.append((n_customers, low, high))

    readers = [
        threading.Thread(target=read, args=[level])
        for level in ("READ COMMITTED", "REPEATABLE READ")
    ]
    for reader in readers:
        reader.start()
    try:
        for run in range(1, 6):  # half of the customers are absent from each other file
            publish_batches(
                database, [rows(ids[run % 2 :: 2] if run == 5 else ids, value=float(run))]
            )
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert seen
    assert all(n_customers == len(ids) for n_customers, _, _ in seen)
    assert all(low == high or (low, high) == (4.0, 5.0) for _, low, high in seen)
