"""The rate limit: golden sequences, and one limit for all who share the file."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.access.rate_limit import RateLimit

KEY = 7
ASK = """
import sys
from pathlib import Path
from segpipe.access.rate_limit import RateLimit

limit = RateLimit(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(sum(limit.admit(7, 3000, 1000.0) == 0 for _ in range(2000)))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rates"


@pytest.fixture
def limit(path: Path) -> Iterator[RateLimit]:
    made = RateLimit(path)
    yield made
    made.close()


def test_a_minutes_worth_is_admitted_at_once_and_then_one_per_interval(limit: RateLimit) -> None:
    """Two a minute: one each 30 s."""
    asked = (1000, 1000, 1000, 1029, 1030, 1030, 1059.5, 1060, 1060, 1090)
    waits = [limit.admit(KEY, 2, now) for now in asked]
    assert waits == [0, 0, 30, 1, 0, 30, 0.5, 0, 30, 0]


def test_a_quiet_minute_gives_the_whole_allowance_back_and_no_more(limit: RateLimit) -> None:
    for now in (1000, 1060, 99000):
        assert [limit.admit(KEY, 3, now) for _ in range(4)] == [0, 0, 0, 20]


def test_a_rejected_request_does_not_count(limit: RateLimit) -> None:
    assert [limit.admit(KEY, 1, 1000) for _ in range(50)] == [0] + [60] * 49
    assert limit.admit(KEY, 1, 1060) == 0


@pytest.mark.parametrize("now", [0.0, 0.1, 12_345_678.9])
@pytest.mark.parametrize("per_minute", [1, 7, 999, 6000])
def test_a_burst_is_limited_to_the_exact_allowance(
    limit: RateLimit, per_minute: int, now: float
) -> None:
    waits = [limit.admit(KEY, per_minute, now) for _ in range(per_minute + 1)]
    assert waits[:-1] == [0] * per_minute
    assert waits[-1] == pytest.approx(60 / per_minute, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    per_minute=st.integers(1, 8),
    gaps=st.lists(st.sampled_from((0, 0, 0.3, 1, 7.5, 20, 61)), min_size=1, max_size=60),
)
def test_no_period_has_more_than_its_share(per_minute: int, gaps: list[float]) -> None:
    admitted: list[float] = []
    now = 5000.0
    with tempfile.TemporaryDirectory() as folder:
        limit = RateLimit(Path(folder, "rates"))
        for gap in gaps:
            now += gap
            wait = limit.admit(KEY, per_minute, now)
            admitted += [now] * (wait == 0)
            assert 0 <= wait <= 60 / per_minute + 1e-6
        limit.close()
    for first, start in enumerate(admitted):
        for last, end in enumerate(admitted[first:], first):
            assert last - first + 1 <= per_minute * (1 + (end - start) / 60) + 1e-6


def test_keys_do_not_share_a_limit_and_the_file_stays_small(limit: RateLimit, path: Path) -> None:
    ids = (1, 2, 3, 500, 1_000_000, 2**62 + 9, 2**63 - 1)
    for _ in range(2):
        waits = [limit.admit(key_id, 2, 1000) for key_id in ids]
        assert waits == [0] * len(ids)
    assert [limit.admit(key_id, 2, 1000) for key_id in ids] == [30] * len(ids)
    assert path.stat().st_size <= 8 << 20


def test_nobody_else_may_read_the_file(limit: RateLimit, path: Path) -> None:
    assert limit.admit(KEY, 1, 1) == 0
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_process_that_starts_later_shares_the_limit(limit: RateLimit, path: Path) -> None:
    assert limit.admit(KEY, 1, 1000) == 0
    later = RateLimit(path)
    assert later.admit(KEY, 1, 1001) == 59
    later.close()


def test_threads_share_one_limit(limit: RateLimit) -> None:
    def ask(_: int) -> int:
        return sum(limit.admit(KEY, 1000, 1000) == 0 for _ in range(500))

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(ask, range(4))) == 1000


def test_processes_share_one_limit(path: Path) -> None:
    """Two that ask 2,000 times each, where 3,000 are allowed."""
    command = [sys.executable, "-c", ASK, str(path)]
    pipe = subprocess.PIPE
    workers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for worker in workers:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    admitted = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert sum(admitted) == 3000
