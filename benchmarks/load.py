"""Send requests at a fixed rate, however long the answers take.

Takes a URL and a file of requests; prints JSON: latencies, statuses, and what sending cost. Latency
counts from when the request was due, so that waiting for a free connection counts too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import math
import os
import random
import resource
import selectors
import socket
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import httptools

PERCENTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "p999_ms": 0.999, "max_ms": 1.0}
_GRACE = 10.0  # seconds for requests that are unanswered at the end
_MOST_CONNECTIONS = 900  # select() takes 1,024 files


@dataclass(frozen=True)
class Target:
    """Where the requests go."""

    host: str
    port: int
    path: str  # before every request's path


@dataclass
class Tally:
    """Results of the requests; those of the warm-up count in n_offered only."""

    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # from due to the end of the answer
    late: list[float] = field(default_factory=list)  # how late a request was sent
    # over a connection that was free
    n_bytes: int = 0
    last: float = 0.0  # when the last answer came
    n_offered: int = 0  # also in the warm-up


class Client(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._due = 0.0
        self._n_bytes = 0
        self._is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a request."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of create_connection
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._load.is_free(self)

    def send(self, request: bytes, due: float) -> None:
        """Send the request, which was due then."""
        assert self._transport is not None  # noqa: S101 - it is free
        self._parser = httptools.HttpResponseParser(self)
        self._due, self._is_busy, self._n_bytes = due, True, 0
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls on_message_complete."""
        if not self._is_busy:  # the service closes a connection that has been idle for too long
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("not HTTP")

    def on_body(self, body: bytes) -> None:
        """Count it."""
        self._n_bytes += len(body)

    def on_message_complete(self) -> None:
        """Record the answer, and ask for the next request."""
        self._is_busy = False
        self._load.record(self._due, self._parser.get_status_code(), self._n_bytes)
        if self._parser.should_keep_alive():
            self._load.is_free(self)
        elif self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Have another connection opened."""
        if self._is_busy:
            self._is_busy = False
            self._load.fail(self._due, type(exc).__name__ if exc else "closed")
        self._load.lost(self)

    def _fail(self, reason: str) -> None:
        self._is_busy = False
        self._load.fail(self._due, reason)
        if self._transport is not None:
            self._transport.abort()


class Load:
    """The requests that are due, and the connections that are free."""

    def __init__(self, target: Target, requests: Sequence[bytes], begin: float) -> None:
        self.tally = Tally()
        self.begin = begin  # what is due before is warm-up
        self._target = target
        self._requests = itertools.cycle(requests)
        self._free: deque[Client] = deque()
        self._waiting: deque[float] = deque()
        self._n_unanswered = 0
        self._is_answered = asyncio.Event()
        self._is_over = False
        self._opening: set[asyncio.Task[None]] = set()

    async def open(self, n_connections: int) -> None:
        """Open the connections."""
        await asyncio.gather(*(self._connect() for _ in range(n_connections)))

    def offer(self, due: float) -> None:
        """Send the next request, or let it wait for a connection."""
        self._n_unanswered += 1
        self._is_answered.clear()
        self.tally.n_offered += 1
        if not self._free:
            self._waiting.append(due)
            return
        if due >= self.begin:
            self.tally.late.append(perf_counter() - due)
        self._free.popleft().send(next(self._requests), due)

    def is_free(self, client: Client) -> None:
        """Send a waiting request over the connection."""
        if self._waiting:
            client.send(next(self._requests), self._waiting.popleft())
        else:
            self._free.append(client)  # at the end, so that no connection is idle for long

    def record(self, due: float, status: int, n_bytes: int) -> None:
        """Count an answer."""
        self._one_less()
        if due >= self.begin:
            self.tally.last = perf_counter()
            self.tally.statuses[status] += 1
            self.tally.n_bytes += n_bytes
            self.tally.seconds.append(self.tally.last - due)

    def fail(self, due: float, reason: str) -> None:
        """Count a request that got no answer."""
        self._one_less()
        if due >= self.begin:
            self.tally.errors[reason] += 1

    def lost(self, client: Client) -> None:
        """Open another connection instead."""
        if client in self._free:
            self._free.remove(client)
        if not self._is_over:
            task = asyncio.get_running_loop().create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def end(self) -> None:
        """Wait for answers; what is missing then is counted as unanswered."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE if self._n_unanswered else 0):
                await self._is_answered.wait()
        self._is_over = True
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        if self._n_unanswered:
            self.tally.errors["unanswered"] += self._n_unanswered

    def _one_less(self) -> None:
        self._n_unanswered -= 1
        if not self._n_unanswered:
            self._is_answered.set()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._is_over:
            try:
                await loop.create_connection(
                    lambda: Client(self), self._target.host, self._target.port
                )
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return


def main() -> None:
    """Send the requests, and print the figures."""
    asked = _parser().parse_args()
    parts = urlsplit(asked.url)
    if parts.scheme != "http" or not parts.hostname:
        raise SystemExit(f"--url is {asked.url!r}; expected one such as http://127.0.0.1:5001")
    if not 1 <= asked.connections <= _MOST_CONNECTIONS:
        raise SystemExit(f"--connections is {asked.connections}; expected 1 to {_MOST_CONNECTIONS}")
    target = Target(parts.hostname, parts.port or 80, parts.path.rstrip("/"))
    requests = read_requests(asked.requests, target, os.environ.get("SEGPIPE_API_KEY", ""))
    gaps = _gaps(asked.rate, asked.seed if asked.poisson else None)
    gc.disable()  # its pauses would count as the service's
    # select() waits to the microsecond, epoll and uvloop to the millisecond.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    try:
        tally, begin, n_due = loop.run_until_complete(
            run(target, requests, gaps, asked.connections, asked.warm_up, asked.seconds)
        )
    finally:
        loop.close()
    print(json.dumps({"rate": asked.rate, **figures(tally, begin, n_due, asked.seconds)}, indent=2))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="The service's key is taken from SEGPIPE_API_KEY."
    )
    parser.add_argument("--url", required=True, help="such as http://127.0.0.1:5001")
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds that are not counted")
    parser.add_argument(
        "--requests",
        type=Path,
        required=True,
        help='JSON lines: {"method": "GET", "path": "/…", "body": …}; sent in turn',
    )
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--poisson", action="store_true", help="arrivals at random, same rate")
    parser.add_argument("--seed", type=int, default=42, help="of --poisson")
    return parser


def read_requests(path: Path, target: Target, key: str) -> list[bytes]:
    """The requests as bytes to send."""
    with path.open(encoding="utf-8") as lines:
        found = [_bytes_of(json.loads(line), target, key) for line in lines if line.strip()]
    if not found:
        raise SystemExit(f"{path} has no request; expected one a line, as JSON")
    return found


def _bytes_of(request: dict[str, Any], target: Target, key: str) -> bytes:
    body = json.dumps(request["body"]).encode() if request.get("body") is not None else b""
    head = [
        f"{request.get('method', 'GET')} {target.path}{request['path']} HTTP/1.1",
        f"Host: {target.host}:{target.port}",
    ]
    head += [f"X-API-Key: {key}"] if key else []
    head += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*head, "", ""]).encode() + body


def _gaps(rate: float, seed: int | None) -> Iterator[float]:
    """Seconds between one request and the next; of a Poisson process with a seed."""
    if seed is None:
        yield from itertools.repeat(1 / rate)
    draw = random.Random(seed)  # noqa: S311 - no secret
    while True:
        yield draw.expovariate(rate)


async def run(
    target: Target,
    requests: Sequence[bytes],
    gaps: Iterator[float],
    n_connections: int,
    warm_up: float,
    seconds: float,
) -> tuple[Tally, float, int]:
    """Send each request when it is due; returns the tally, its start, and how many were due."""
    load = Load(target, requests, math.inf)
    await load.open(n_connections)
    due = perf_counter()
    load.begin = due + warm_up
    end, n_due = load.begin + seconds, 0
    while due < end:
        # Sleep even when late, so that answers are read.
        await asyncio.sleep(max(0.0, due - perf_counter()))
        load.offer(due)
        n_due += due >= load.begin
        due += next(gaps)
    await load.end()
    return load.tally, load.begin, n_due


def figures(tally: Tally, begin: float, n_due: int, seconds: float) -> dict[str, Any]:
    """The figures, for JSON."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = sorted(tally.seconds)
    took = max(seconds, tally.last - begin)
    return {
        "seconds": seconds,
        "sent": n_due,
        "sent_with_warm_up": tally.n_offered,
        "statuses": {str(status): n for status, n in sorted(tally.statuses.items())},
        "errors": dict(tally.errors),
        "achieved_rate": round(len(found) / took, 1),
        **{name: percentile(found, share) for name, share in PERCENTILES.items()},
        "mean_ms": round(1000 * sum(found) / len(found), 3) if found else None,
        "own_lateness_p99_ms": percentile(sorted(tally.late), 0.99),
        "answer_bytes": tally.n_bytes // max(1, len(found)),
        "own_cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
    }


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Nearest-rank percentile of seconds in order, in milliseconds."""
    if not ordered:
        return None
    return round(1000 * ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3)


if __name__ == "__main__":
    main()
