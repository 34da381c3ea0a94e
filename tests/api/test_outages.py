"""The service while what it stands on breaks: the database, a worker, or their parent."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from segpipe import postgres, runs
from segpipe.api.examples import CUSTOMER, MINIMAL
from segpipe.postgres import embedded
from tests.support.live_database import own_home, wait_for
from tests.support.processes import children_of, is_running
from tests.support.service_load import READS, Asked, under_load
from tests.support.services import (
    Answer,
    Served,
    make_keys,
    module_url,
    publish,
    served,
    serving,
    shop_copy,
)

__all__ = ["module_url", "served"]

pytestmark = pytest.mark.service
MOST_SESSIONS = 9  # eight to ask, one to watch


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of a server with a shop; the tests may stop the server."""
    with own_home() as folder:
        publish(embedded.start(folder), tmp_path_factory.mktemp("shop"))
        yield folder


@pytest.fixture(scope="module")
def own(home: Path) -> Iterator[Served]:
    """That shop, served."""
    url = embedded.start(home)
    with serving(url, tokens=make_keys(url)) as found:
        yield found


def sessions(url: str) -> int:
    """Connections of the service."""
    with postgres.connect(url) as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'segpipe serve' AND datname = current_database()"
        )
        return int(postgres.fetch_one(connection, query)[0])


def assert_away(asked: Sequence[Asked]) -> None:
    """Each request is answered, or asked to try again; assignments are all answered."""
    for one in asked:
        assert one.answer.status in {200, 503}, (one.path, one.answer.body)
        assert one.answer.status == 200 or one.path != "/segments/assign", one.answer.body
        assert one.answer.status == 200 or one.answer.headers["retry-after"] == "1"


def test_the_database_is_stopped_and_started_under_load(own: Served, home: Path) -> None:
    with under_load(own) as load_on:
        wait_for(lambda: own.get("/ready").status == 200)
        embedded.stop(home)
        wait_for(lambda: own.get("/ready").status == 503)
        for _ in range(20):
            assert own.get("/segments/stats").status == 503
            assert own.post("/segments/assign", CUSTOMER).status == 200
            assert own.get("/segments/stats", key=None).status == 401
        assert own.get("/health", key=None).status == 200
        url = embedded.start(home)
        wait_for(lambda: own.get("/ready").status == 200)
        wait_for(lambda: own.get("/segments/stats").status == 200)
        asked = load_on.end()
    assert_away(asked)
    away = [one for one in asked if one.answer.status == 503]
    assert away
    wait_for(lambda: 1 <= sessions(url) <= MOST_SESSIONS)
    assert own.get("/segments/customer/c0001").status == 200
    assert "unexpected error" not in own.stderr()


@contextmanager
def paused(home: Path) -> Iterator[None]:
    """The server and all its sessions are stopped in the block, and go on after it."""
    pid = embedded.status(home).pid
    assert pid
    family = [pid, *children_of(pid)]
    for one in family:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in family:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)


def test_the_database_hangs_under_load(own: Served, home: Path) -> None:
    wait_for(lambda: own.get("/ready").status == 200)
    with under_load(own) as load_on, paused(home):
        wait_for(lambda: own.get("/segments/stats").status == 503)  # no answer takes 30 s
        assert own.post("/segments/assign", MINIMAL).status == 200
        assert own.get("/health", key=None).status == 200
        asked = load_on.end()
    assert_away(asked)
    wait_for(lambda: own.get("/ready").status == 200)
    assert own.get("/segments/stats").status == 200
    url = embedded.start(home)
    wait_for(lambda: sessions(url) <= MOST_SESSIONS)  # the server ends the aborted sessions


@contextmanager
def reader(server_url: str) -> Iterator[str]:
    """URL of a shop that the role only_reader may read, and no more."""
    with postgres.connect(server_url) as admin:
        admin.execute("CREATE ROLE only_reader LOGIN")
    try:
        with shop_copy(server_url) as url:
            with postgres.connect(url) as owner:
                owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_reader")
            yield url
    finally:
        with postgres.connect(server_url) as admin:
            admin.execute("DROP ROLE only_reader")


def test_a_missing_privilege_is_named_in_the_log(server_url: str) -> None:
    with reader(server_url) as url:
        own = url.replace("//postgres@", "//only_reader@")
        with serving(own, tokens=make_keys(url)) as served:
            wait_for(lambda: served.get("/ready").status == 200)
            refused = served.post("/segments/assign?persist=true", CUSTOMER, key="write")
            assert refused.status == 503
            assert "lacks a privilege" in refused.detail
            assert "permission denied" not in refused.detail
            assert "for lack of a privilege: permission denied for" in served.stderr()
            assert served.get("/segments/stats").status == 200


def batch_of(n: int) -> dict[str, Any]:
    return {"customers": [{**CUSTOMER, "customer_id": f"n{index}"} for index in range(n)]}


@pytest.mark.parametrize("n_workers", [1, 2])
def test_requests_in_flight_are_answered_completely(server_url: str, n_workers: int) -> None:
    with (
        shop_copy(server_url) as url,
        serving(url, "--workers", n_workers, tokens=make_keys(url)) as served,
    ):
        wait_for(lambda: served.get("/ready").status == 200)
        family = children_of(served.process.pid)
        n = 300
        bodies = [{**CUSTOMER, "customer_id": f"f{i}"} for i in range(5)]
        flying = [begin(served, "/segments/assign/batch", batch_of(n))]
        flying += [begin(served, "/segments/assign", body) for body in bodies]
        takers = serving_of(served, family)
        assert all(listens(pid, served.port) for pid in takers)
        served.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not any(listens(pid, served.port) for pid in takers))
        with ThreadPoolExecutor(6) as askers:
            answers = list(askers.map(Begun.finish, flying))
        assert [answer.status for answer in answers] == [200] * 6
        lines = [json.loads(line) for line in answers[0].body.splitlines()]
        assert [line["customer_id"] for line in lines] == [f"n{index}" for index in range(n)]
        assert served.process.wait(timeout=60) == 0
        with pytest.raises(ConnectionRefusedError):
            served.get("/health", key=None)
        wait_for(lambda: not any(is_running(pid) for pid in family))
        assert "Traceback" not in served.stderr()
        wait_for(lambda: sessions(url) == 0)


@dataclass(frozen=True)
class Begun:
    """A request whose head the service has read; it waits for the body."""

    connection: http.client.HTTPConnection
    body: bytes

    def finish(self) -> Answer:
        """The answer, once the body is sent."""
        self.connection.send(self.body)
        found = self.connection.getresponse()
        answer = Answer(found.status, dict(found.getheaders()), found.read())
        self.connection.close()
        return answer


def begin(served: Served, path: str, document: object) -> Begun:
    """Send a head, and wait until the service asks for the rest."""
    connection, body = served.connect(), json.dumps(document).encode()
    connection.putrequest("POST", path)
    head = {"X-API-Key": served.tokens["read"], "Content-Length": str(len(body))}
    for name, value in {**head, "Expect": "100-continue"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    return Begun(connection, body)


def serving_of(served: Served, family: Sequence[int]) -> list[int]:
    """The processes that take requests: the workers, or the only process."""
    return [pid for pid in family if is_worker(pid)] or [served.process.pid]


def listens(pid: int, port: int) -> bool:
    """Whether the process still takes new connections there."""
    own = {str(place_of(link)) for link in Path(f"/proc/{pid}/fd").iterdir()}
    lines = Path("/proc/net/tcp").read_text(encoding="utf-8").splitlines()[1:]
    here = f"0100007F:{port:04X}"
    rows = [line.split() for line in lines]
    return any(row[1] == here and row[3] == "0A" and f"socket:[{row[9]}]" in own for row in rows)


def place_of(link: Path) -> Path:
    """What it points to, or the link itself if it is gone by now."""
    with suppress(OSError):
        return link.readlink()
    return link


def test_a_killed_worker_is_replaced_and_none_outlives_the_parent(server_url: str) -> None:
    with (
        shop_copy(server_url) as url,
        serving(url, "--workers", 2, tokens=make_keys(url)) as served,
    ):
        workers = wait_for_workers(served.process.pid, 2)
        os.kill(workers[0], signal.SIGKILL)
        wait_for(lambda: not is_running(workers[0]))
        for _ in range(20):  # by the other one
            assert status_of_lookup(served) == 200
        fresh = wait_for_workers(served.process.pid, 2)
        assert workers[0] not in fresh
        assert workers[1] in fresh
        for _ in range(20):
            assert status_of_lookup(served) == 200
        family = children_of(served.process.pid)
        served.process.kill()
        served.process.wait(timeout=60)
        wait_for(lambda: not any(is_running(pid) for pid in family))
        with socket.create_server(("127.0.0.1", served.port)):
            pass  # the port is free
        wait_for(lambda: sessions(url) == 0)


def status_of_lookup(served: Served) -> int:
    """Status of a lookup, tried again if its worker was killed."""
    for _ in range(100):
        with suppress(ConnectionError):
            return served.get("/segments/customer/c0001").status
    return 0


def wait_for_workers(parent: int, n: int) -> list[int]:
    """The worker processes that were spawned to serve, once there are `n`."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid in children_of(parent) if is_running(pid) and is_worker(pid)]
        return len(found) == n

    wait_for(look)
    return found


def is_worker(pid: int) -> bool:
    with suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def test_a_run_and_a_rollback_under_load(served: Served, module_url: str, tmp_path: Path) -> None:
    model = tmp_path / "model.json"
    with postgres.connect(module_url) as connection:
        model.write_text(json.dumps(runs.read_model(connection, 1)), encoding="utf-8")
    sizes = served.get("/segments/stats").document["segment_distribution"]["rfm"]
    page = f"/segments/rfm/{max(sizes, key=sizes.__getitem__)}/customers?order=-lifetime_value"
    paths = (*READS[:4], page, "/segments/transitions")
    with under_load(served, paths, 4) as load_on:
        publish(module_url, tmp_path, 60, 2, "--model", model, "--force")
        wait_for(lambda: assigned_by(served) == 2)
        with postgres.connect(module_url) as connection:
            runs.rollback(connection, "default")
        wait_for(lambda: assigned_by(served) == 1)
        asked = load_on.end()
    assert {one.answer.status for one in asked} == {200}
    answers: dict[tuple[str, int], Any] = {}
    for one in asked:
        document = one.answer.document
        run_id = run_of(document)
        known = answers.setdefault((one.path, run_id), lasting(document))
        assert lasting(document) == known, (one.path, run_id)  # one run, one answer
    for path in (*paths, "/segments/assign"):
        assert {run_id for where, run_id in answers if where == path} == {1, 2}, path
        if path != "/segments/axes":
            assert answers[path, 1] != answers[path, 2], path


def assigned_by(served: Served) -> int:
    """The run by which customers are assigned."""
    return run_of(served.post("/segments/assign", MINIMAL).document)


def run_of(document: dict[str, Any]) -> int:
    """The run that an answer names."""
    named = document["run"]["run_id"] if "run" in document else document["run_id"]
    assert isinstance(named, int)
    return named


def lasting(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """The value without the times at which it was written."""
    if isinstance(value, dict):
        return {k: lasting(part) for k, part in value.items() if not k.endswith(("_at", "updated"))}
    return [lasting(part) for part in value] if isinstance(value, list) else value
