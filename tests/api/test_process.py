"""`segpipe serve` as a process: how it starts, when it refuses to, and how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from segpipe.api.examples import MINIMAL
from segpipe.postgres import migrate
from tests.support.commands import ROOT, call
from tests.support.live_database import wait_for
from tests.support.processes import children_of, is_running
from tests.support.services import Served, make_keys, serving

pytestmark = pytest.mark.service


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_in_flight_finish(database_url: str, number: signal.Signals) -> None:
    migrate.upgrade(database_url)
    with serving(database_url, tokens=make_keys(database_url)) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as peer:
            token = served.tokens["read"].encode()
            body = b'{"recency": 1, "frequency": 1, "monetary": 1}'
            peer.sendall(
                b"POST /segment/manual HTTP/1.1\r\nHost: x\r\nX-API-Key: " + token + b"\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)
            )
            served.get("/health", key=None)  # by then the head has been read
            served.process.send_signal(number)
            wait_for(lambda: not accepts(served))
            peer.sendall(body)
            answer = b""
            while part := peer.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 503 ")  # for no run is published here
        assert served.process.wait(timeout=60) == 0
        assert "error" not in served.stderr()
        assert "no API key" not in served.stderr()


def accepts(served: Served) -> bool:
    try:
        socket.create_connection(("127.0.0.1", served.port), timeout=30).close()
    except ConnectionRefusedError:
        return False
    return True


PARENT = """
import sys
from uvicorn.supervisors import Multiprocess

def show_modules(_supervisor):
    print(*{"duckdb", "fastapi", "ibis", "numpy", "pyarrow", "structlog"} & set(sys.modules))

Multiprocess.run = show_modules
from segpipe.cli import main
main(["serve", "--workers", "2", "--port", "0", "--database-url", sys.argv[1]])
"""


def test_the_parent_of_workers_loads_neither_engine_nor_app(database_url: str) -> None:
    migrate.upgrade(database_url)
    parent = subprocess.run(
        [sys.executable, "-c", PARENT, database_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "(2 workers)" in parent.stderr
    assert parent.stdout == "\n"


def has_engine(pid: int) -> bool:
    """Whether the process has the code of DuckDB or Arrow in its memory."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    return "duckdb" in maps or "pyarrow" in maps


def refuses_without_a_run(served: Served) -> None:
    for found in (
        served.get("/ready"),
        served.get("/segments/stats"),
        served.get("/segments/axes"),
        served.get("/segments/transitions"),
        served.get("/segments/rfm/champions/customers"),
        served.get("/segments/customer/c0001"),
        served.get("/segments/customer/c0001/explain"),
        served.post("/segments/assign", MINIMAL),
        served.post("/segment/customer", {"customer_id": "c0001"}),
    ):
        assert (found.status, found.headers["retry-after"]) == (503, "1")
        assert "No run is published" in found.detail


def test_workers_share_the_port_and_end_with_their_parent(database_url: str) -> None:
    migrate.upgrade(database_url)
    with serving(database_url, "--workers", 2, tokens=make_keys(database_url)) as served:
        assert "no run yet" in served.stderr()
        assert "(2 workers)" in served.stderr()
        refuses_without_a_run(served)
        with ThreadPoolExecutor(4) as askers:
            found = list(askers.map(lambda _: served.get("/runs").status, range(40)))
        assert found == [200] * 40

        def counted() -> int:
            text = served.get("/metrics").body.decode()
            line = re.search(r'segpipe_requests_total\{.*route="/runs".*\} (\d+)', text)
            return int(line[1]) if line else 0

        wait_for(lambda: counted() == 40)  # of both, whichever is asked
        pids = children_of(served.process.pid)
        assert not has_engine(served.process.pid)
        assert any(has_engine(pid) for pid in pids)
        assert served.stop() == 0
        wait_for(lambda: not any(is_running(pid) for pid in pids))
        assert "Traceback" not in served.stderr()


def test_workers_end_when_their_parent_is_killed(database_url: str) -> None:
    migrate.upgrade(database_url)
    with serving(database_url, "--workers", 2) as served:
        assert "segpipe keys create NAME" in served.stderr()
        pids = children_of(served.process.pid)
        assert len(pids) >= 2
        assert served.stop(signal.SIGKILL) == -signal.SIGKILL
        wait_for(lambda: not any(is_running(pid) for pid in pids))


def test_a_port_in_use_is_reported(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = call(capsys, "serve", "--port", port, "--database-url", database_url)
    assert found.status == 2
    assert f"127.0.0.1 port {port} cannot be served (Address already in use)" in found.err
    assert "--port" in found.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example"])  # noqa: S104
def test_an_address_that_others_reach_needs_a_key(
    database_url: str, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = call(capsys, "serve", "--host", host, "--database-url", database_url)
    assert found.status == 2
    assert "segpipe keys create NAME" in found.err


def test_an_unreachable_database_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://nobody:hush@127.0.0.1:1/nix"
    found = call(capsys, "serve", "--database-url", url)
    assert found.status == 2
    assert "hush" not in found.err
    assert "127.0.0.1:1" in found.err


def test_the_missing_extra_is_named(
    database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    found = call(capsys, "serve", "--database-url", database_url)
    assert found.status == 2
    assert "pip install 'segpipe[api]'" in found.err
