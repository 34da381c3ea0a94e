"""Readers in a loop while runs are published and put back: they never see a mixture."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from segpipe import postgres, runs
from segpipe.postgres import Connection, fetch_one
from tests.support.moving_customers import MARCH, Customer, Shop

CURRENT_RUN = (
    "(SELECT run_id FROM segmentation_runs WHERE store_id = 'default' AND status = 'published'"
    " ORDER BY finished_at DESC LIMIT 1)"
)
SUMS = """(
    SELECT json_agg(found ORDER BY axis, segment)::text FROM (
        SELECT axis, segment, count(*), sum(lifetime_value::numeric), sum(total_orders),
            array_agg(DISTINCT run_id ORDER BY run_id), count(absent_since_run_id),
            sum((membership_strengths->>axis)::numeric), count(DISTINCT customer_id)
        FROM {of} AS p, jsonb_each_text(segment_memberships) AS m (axis, segment)
        WHERE store_id = 'default' GROUP BY axis, segment
    ) AS found
)"""
STATE = f"SELECT {CURRENT_RUN}, {SUMS.format(of='customer_profiles')}"
_Read = tuple[int, str]


@dataclass
class _Log:
    """What a reader saw, in order."""

    seen: list[_Read] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)


def _one_statement(reader: Connection) -> _Read:
    run_id, sums = fetch_one(reader, STATE)
    return run_id, sums


def _through_a_view(reader: Connection) -> _Read:
    run_id, sums = fetch_one(reader, f"SELECT {CURRENT_RUN}, {SUMS.format(of='theirs')}")
    return run_id, sums


def _repeatable(reader: Connection) -> _Read:
    """Two statements and more in one snapshot, taken once no other run can come in between."""
    with reader.transaction():
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("LOCK TABLE customer_profiles IN ACCESS SHARE MODE")
        run_id = fetch_one(reader, f"SELECT {CURRENT_RUN}")[0]
        sums = fetch_one(reader, f"SELECT {SUMS.format(of='customer_profiles')}")[0]
        assert fetch_one(reader, STATE) == (run_id, sums)
    return run_id, sums


def _old_snapshot(reader: Connection) -> _Read:
    """The profiles alone, from a snapshot that may be older than the partition; run 0."""
    with reader.transaction():
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1 FROM segment_counts LIMIT 1")  # takes the snapshot
        time.sleep(0.01)
        sums = fetch_one(reader, f"SELECT {SUMS.format(of='customer_profiles')}")[0]
        assert fetch_one(reader, f"SELECT {SUMS.format(of='customer_profiles')}") == (sums,)
    return 0, sums


READS = (_one_statement, _through_a_view, _repeatable, _old_snapshot)


@contextmanager
def _reading(url: str, reads: tuple[Callable[[Connection], _Read], ...]) -> Iterator[list[_Log]]:
    logs = [_Log() for _ in reads]
    done = threading.Event()

    def loop(read: Callable[[Connection], _Read], log: _Log) -> None:
        try:
            with postgres.connect(url) as reader:
                while not done.is_set():
                    log.seen.append(read(reader))
        except Exception as error:  # noqa: BLE001 - asserted to be none, where it is seen
            log.errors.append(error)

    threads = [threading.Thread(target=loop, args=pair) for pair in zip(reads, logs, strict=True)]
    for thread in threads:
        thread.start()
    try:
        yield logs
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _let_them_read(logs: list[_Log]) -> None:
    """Until each has read twice more, so that it saw what is current now."""
    enough = [len(log.seen) + 2 for log in logs]
    while any(len(log.seen) < n for log, n in zip(logs, enough, strict=True)):
        assert not [error for log in logs for error in log.errors]
        time.sleep(0.005)


def test_readers_see_one_state_or_another(database: Connection, database_url: str) -> None:
    shop = Shop(database)
    states: list[_Read] = []

    def note() -> None:
        run_id, sums = fetch_one(database, STATE)
        states.append((run_id, sums))

    shop.publish(_customers(0), MARCH)
    database.execute("CREATE VIEW theirs AS SELECT * FROM customer_profiles")
    note()
    with _reading(database_url, READS) as logs:
        _let_them_read(logs)
        for n, is_repeated in enumerate((False, True, False), start=1):
            shop.publish(_customers(n), MARCH, is_repeated=is_repeated)
            note()
            _let_them_read(logs)
        for _ in range(2):  # by a swap, and by the rows of the run in place
            runs.rollback(database, "default")
            note()
            _let_them_read(logs)
    assert [run_id for run_id, _ in states] == [1, 2, 3, 4, 3, 2]
    assert states[4:] == [states[2], states[1]]
    assert len(set(states)) == 4
    assert not [error for log in logs for error in log.errors]
    for read, log in zip(READS, logs, strict=True):
        of_profiles_alone = {(0, sums) for _, sums in states}
        allowed = of_profiles_alone if read is _old_snapshot else set(states)
        assert set(log.seen) == allowed, read.__name__
        changes = [a for a, b in zip(log.seen, [*log.seen[1:], None], strict=True) if a != b]
        assert len(changes) == len(states), read.__name__  # none is seen again once it is gone


def _customers(n: int) -> dict[str, Customer]:
    """Three hundred, a third of whom have changed, go or come with each n."""
    return {
        f"c{i}": Customer(
            ("whale", "mid_tier", "modest")[(i + n) % 3] if i % 3 == 0 else "whale",
            value=i + n / 10 if i % 3 == 0 else float(i),
            n_orders=n + 1,
        )
        for i in range(n * 10, n * 10 + 300)
    }


def test_ledger_and_profiles_change_in_one_transaction(
    database: Connection, database_url: str
) -> None:
    shop = Shop(database)
    shop.publish(_customers(0), MARCH)
    with postgres.connect(database_url) as reader:
        before = _one_statement(reader)
        for is_repeated in (True, False):
            with database.transaction(force_rollback=True):
                shop.publish(_customers(1), MARCH, is_repeated=is_repeated)
                if is_repeated:  # a swap holds the readers off until it ends
                    assert _one_statement(reader) == before
                assert fetch_one(database, STATE) != before
            assert _one_statement(reader) == before
        shop.publish(_customers(1), MARCH)
        after = _one_statement(reader)
        assert after[0] != before[0]
        with database.transaction(force_rollback=True):
            runs.rollback(database, "default")
            assert fetch_one(database, STATE) == before
        assert _one_statement(reader) == after
