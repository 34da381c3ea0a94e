"""Ten thousand hostile bodies: each is refused with a message or answered completely.

Nothing of them stays in the database or in memory. Malformed HTTP and slow clients likewise.
"""

from __future__ import annotations

import json
import math
import random
import re
import socket
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from segpipe import postgres
from segpipe.api.examples import MINIMAL
from tests.support.commands import AXIS_NAMES
from tests.support.hostile_bodies import ASSIGN, INJECTIONS, MANY, PLAIN, WRONG, Hostile, bodies
from tests.support.live_database import wait_for
from tests.support.processes import memory_mb
from tests.support.services import Answer, Served, module_url, served

__all__ = ["module_url", "served"]
N_BODIES, N_CONNECTIONS = 10_000, 24
MOST_GROWTH_MB = 200  # up to 108 were seen, rising and falling; if each body leaked: 300


def reject_constant(text: str) -> object:
    raise AssertionError(text)


def read(text: bytes) -> Any:  # noqa: ANN401 - JSON of any shape
    """JSON without NaN."""
    return json.loads(text, parse_constant=reject_constant)


def assert_refused(found: Answer) -> None:
    assert 400 <= found.status < 500, (found.status, found.body)
    detail = read(found.body)["detail"]
    if found.status == 422:
        assert detail
        assert all(set(one) == {"loc", "msg", "type"} for one in detail)
        assert len(found.body) < 50_000
    else:
        assert isinstance(detail, str)
    for inside in ("Traceback", "SELECT", "EXECUTE", "duckdb", "psycopg", "pydantic", "site-pack"):
        assert inside not in found.body.decode(), found.body


def assert_whole(profile: dict[str, Any]) -> None:
    names = {*AXIS_NAMES, "rfm"}
    assert set(profile["segment_memberships"]) == set(profile["membership_strengths"]) == names
    assert all(profile["segment_memberships"].values())
    assert all(0 <= strength <= 1 for strength in profile["membership_strengths"].values())
    assert 0 <= profile["confidence"] <= 1
    metrics = profile["metrics"]
    risk, value = metrics.pop("churn_risk_score"), metrics.pop("expected_value_90d")
    assert (risk is None) == (value is None)
    assert risk is None or (0 <= risk <= 1 and value >= 0)
    assert re.fullmatch("[1-5]{3}", metrics.pop("rfm_score"))
    assert all(math.isfinite(value) for value in metrics.values())
    assert metrics["total_orders"] >= 0
    assert metrics["days_since_last_purchase"] >= 0
    assert profile["run"]["run_id"] == 1
    assert profile["persisted"] is False


def assert_answered(sent: Hostile, found: Answer) -> None:
    """Refused with a message, or answered completely."""
    assert found.headers["x-request-id"]
    if found.status != 200:
        assert_refused(found)
    elif sent.path == ASSIGN:
        assert_whole(read(found.body))
    elif sent.path == MANY:
        for line in found.body.splitlines():
            assert_whole(read(line))
    else:
        answer = read(found.body)
        assert answer["segment_name"]
        assert 0 <= answer["confidence"] <= 1
        assert answer["distance_to_center"] is None or math.isfinite(answer["distance_to_center"])


def send(served: Served, requests: Sequence[Hostile]) -> Counter[tuple[str, int]]:
    """Requests by path and status, sent one after another over one connection."""
    counts = Counter[tuple[str, int]]()
    with closing(served.connect()) as connection:
        for one in requests:
            try:
                found = served.post(one.path, one.body, headers=one.headers, connection=connection)
                assert_answered(one, found)
            except Exception as error:
                raise AssertionError((one.path, one.headers, one.body[:3_000])) from error
            counts[one.path, found.status] += 1
    return counts


def send_all(served: Served, requests: Sequence[Hostile]) -> Counter[tuple[str, int]]:
    batches = [one for one in requests if one.path == MANY]
    others = [one for one in requests if one.path != MANY]
    parts = [others[index::N_CONNECTIONS] for index in range(N_CONNECTIONS)]
    parts += [batches[index::2] for index in range(2)]  # a fifth batch at once would be refused
    with ThreadPoolExecutor(len(parts)) as askers:
        return sum(askers.map(lambda part: send(served, part), parts), Counter[tuple[str, int]]())


def golden(served: Served) -> list[object]:
    """The service's answers to valid requests."""
    answers = [served.post(path, body) for path, body in PLAIN.items()]
    answers += [served.get(path) for path in ("/segments/customer/c0001", "/segments/stats")]
    assert [found.status for found in answers] == [200] * 6
    return [found.body for found in answers]


def stored(url: str) -> dict[str, int]:
    """Rows of every table."""
    with postgres.connect(url) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        return {
            name: postgres.fetch_one(connection, f'SELECT count(*) FROM "{name}"')[0]
            for (name,) in tables
        }


@pytest.mark.slow
def test_ten_thousand_hostile_bodies(served: Served, module_url: str) -> None:
    answers, rows = golden(served), stored(module_url)
    requests = list(bodies(1, N_BODIES))
    warm = N_BODIES // 5  # by then everything is loaded, and the engine has grown
    counts = send_all(served, requests[:warm])
    before = memory_mb(served.process.pid)
    counts += send_all(served, requests[warm:])
    grown = memory_mb(served.process.pid) - before
    assert counts.total() == N_BODIES
    for path in PLAIN:  # each path was reached, and refused some
        assert counts[path, 200] >= 20, counts
        assert counts[path, 422] >= 50, counts
    assert counts[ASSIGN, 200] > N_BODIES / 10, counts
    assert golden(served) == answers
    assert stored(module_url) == rows
    assert grown < MOST_GROWTH_MB, grown
    assert "Traceback" not in served.stderr()
    assert "unexpected error" not in served.stderr()
    assert served.process.poll() is None


def test_hostile_paths_and_queries(served: Served) -> None:
    texts = [*INJECTIONS, *(text for text in WRONG if isinstance(text, str)), "c0001", "rfm", "a/b"]
    rng, statuses = random.Random(2), Counter[int]()  # noqa: S311 - made-up paths

    def text() -> str:
        return quote(rng.choice(texts)[:300], safe=rng.choice(("", "/", "/?=&;")))

    for _ in range(600):
        path = rng.choice(
            (
                f"/segments/customer/{text()}",
                f"/segments/customer/{text()}/explain?axis={text()}&axis={text()}",
                f"/segments/{text()}/{text()}/customers?after={text()}",
                f"/segments/rfm/{text()}/customers?limit={text()}&order={text()}",
                f"/segments/transitions?run_id={text()}",
                f"/segments/transitions?axis={text()}&run_id=1&{text()}={text()}",
                f"/runs?limit={text()}",
                f"/{text()}/%ff%fe%c0%af?{text()}",
            )
        )
        found = served.get(path)
        statuses[found.status] += 1
        if found.status == 200:
            read(found.body)
        else:
            assert_refused(found)
    assert {200, 404, 422} <= set(statuses), statuses
    assert "unexpected error" not in served.stderr()


HEAD = b"POST /segments/assign HTTP/1.1\r\nHost: x\r\nX-API-Key: %b\r\n"
GARBAGE = [
    b"",
    b"\x00\x01\x02\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET " + b"/a" * 40_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nX-API-Key: \x00\xff\r\n\r\n",
    b"GET /runs HTTP/1.1\r\nHost: x\r\nX-API-Key: \xff\xfe\r\nConnection: close\r\n\r\n",
    b"GET http://[::1/ HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"CONNECT nix:1 HTTP/1.1\r\nConnection: close\r\n\r\n",
    HEAD + b"Content-Length: -1\r\n\r\n",
    HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
    HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nnix\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nnix\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345678\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n3\r\nnix\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: nix\r\n\r\nnix",
    HEAD + b"Content-Length: 100\r\nConnection: close\r\n\r\n{",
    HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
]


def converse(port: int, sent: bytes) -> bytes:
    """What comes back until the peer closes, after everything is sent."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        try:
            peer.sendall(sent)
            peer.shutdown(socket.SHUT_WR)
            while part := peer.recv(65536):
                found += part
        except (BrokenPipeError, ConnectionResetError):
            pass  # the peer closed early
    return found


def test_malformed_http(served: Served) -> None:
    token = served.tokens["read"].encode()
    for sent in GARBAGE:
        found = converse(served.port, sent.replace(b"%b", token))
        if found:
            head, _, body = found.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 4"), (sent[:200], found)
            assert b"x-request-id" in head
            assert read(body)["detail"]
        assert served.get("/health", key=None).status == 200
    assert "Traceback" not in served.stderr()
    assert "unexpected error" not in served.stderr()
    assert golden(served)


@pytest.mark.slow
def test_slow_clients_do_not_delay_others(served: Served) -> None:
    head = (
        b"POST /segments/assign HTTP/1.1\r\nHost: x\r\nX-API-Key: "
        + served.tokens["read"].encode()
        + b"\r\nContent-Length: 1000\r\n"
    )
    peers = [socket.create_connection(("127.0.0.1", served.port), timeout=60) for _ in range(200)]
    sent = (
        b"",
        head[:40],
        head,
        head + b"\r\n{",
    )  # nothing, half a head, a head without its end, the start of a body
    for peer, text in zip(peers, sent * 50, strict=True):
        peer.sendall(text)
    begun = time.monotonic()
    trickling = set(peers[3::4])
    n_served = 0
    while trickling and time.monotonic() - begun < 60:
        assert served.get("/segments/customer/c0001").status == 200
        assert served.post("/segments/assign", MINIMAL).status == 200
        n_served += 2
        for peer in list(trickling):
            if not trickle(peer):
                trickling.remove(peer)
        time.sleep(0.1)
    assert n_served >= 20
    answers = [rest_of(peer) for peer in peers]
    assert all(text.startswith(b"HTTP/1.1 408 ") for text in answers), set(answers)
    assert served.get("/segments/stats").status == 200
    wait_for(lambda: connections_of(served) < 20)


def trickle(peer: socket.socket) -> bool:
    """Send another byte; False if the peer has answered."""
    peer.setblocking(False)
    try:
        peer.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        pass
    except OSError:
        return False
    else:
        return False
    with suppress(OSError):
        peer.send(b" ")
    return True


def rest_of(peer: socket.socket) -> bytes:
    """All that comes until the peer closes."""
    peer.setblocking(True)
    peer.settimeout(60)
    found = b""
    with peer, suppress(ConnectionResetError):
        while part := peer.recv(65536):
            found += part
    return found


def connections_of(served: Served) -> int:
    """Number of sockets that the service holds."""
    folder, found = Path(f"/proc/{served.process.pid}/fd"), 0
    for link in folder.iterdir():
        with suppress(OSError):  # closed meanwhile
            found += str(link.readlink()).startswith("socket:")
    return found
