"""Starts and stops a program that serves, and measures what it and its workers cost.

Takes a command that prints where it listens; gives its URL, processor time and memory, from /proc.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

LOAD = Path(__file__).with_name("load.py")
_START_SECONDS = 60.0
_IDLE = 0.05  # seconds of processor time in a second
_AT = re.compile(r"at (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True)
class Program:
    """A running server; `pid` is the first of its processes."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time of its processes, also of those that have ended."""
        return sum(self.cpu_of_each())

    def cpu_of_each(self) -> list[float]:
        """The same for each process, the largest first."""
        found = []
        for pid in _tree(self.pid):
            with suppress(OSError):
                parts = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
                found.append(sum(map(int, parts[11:15])) / os.sysconf("SC_CLK_TCK"))
        return sorted(found, reverse=True)

    def peak_memory_mb(self) -> list[int]:
        """Peak memory of each of its processes, the largest first."""
        found = []
        for pid in _tree(self.pid):
            with suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                found += [int(kb) // 1024 for kb in re.findall(r"VmHWM:\s+(\d+) kB", status)]
        return sorted(found, reverse=True)

    def ask(self, path: str, key: str = "", body: object = None) -> bytes:
        """One answer. Raises for any status but a 2xx."""
        sent = None if body is None else json.dumps(body).encode()
        headers = {"X-API-Key": key, "Content-Type": "application/json"}
        with urlopen(Request(self.url + path, sent, headers), timeout=30) as answer:  # noqa: S310 - ours
            content: bytes = answer.read()
            return content


@contextmanager
def program(
    command: Sequence[object], folder: Path, environment: Mapping[str, str]
) -> Iterator[Program]:
    """The running program; its output goes to files in the folder. Ended after the block."""
    out, err = folder / "out", folder / "err"
    with out.open("w") as out_file, err.open("w") as err_file:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out_file,
            stderr=err_file,
        )
    try:
        yield _listening(process, out, err)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _listening(process: subprocess.Popen[bytes], out: Path, err: Path) -> Program:
    give_up = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        found = _AT.search(out.read_text() + err.read_text())
        if found:
            served = Program(found[1], process.pid)
            with suppress(URLError, ConnectionError):
                served.ask("/health")
                return served
        time.sleep(0.05)
    raise SystemExit(f"does not serve: {process.args!r}\n{err.read_text()}")


def wait_until_idle(served: Program) -> None:
    """Wait until its processes have started: then they have nothing to do."""
    before, give_up = -1.0, time.monotonic() + _START_SECONDS
    while (now := served.cpu_seconds()) - before > _IDLE and time.monotonic() < give_up:
        before = now
        time.sleep(1.0)


@dataclass(frozen=True)
class Load:
    """Requests of a file, at a rate."""

    requests: Path
    rate: float
    seconds: float
    warm_up: float = 2.0
    connections: int = 32
    is_poisson: bool = False


def offer(served: Program, key: str, *loads: Load) -> list[dict[str, Any]]:
    """Results of the loads, all sent at the same time, each by its own process."""
    running = [
        subprocess.Popen(
            _command(served, load),
            env={**os.environ, "SEGPIPE_API_KEY": key},
            stdout=subprocess.PIPE,
        )
        for load in loads
    ]
    answers = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit("the load could not be sent")
    return [json.loads(answer) for answer in answers]


def _command(served: Program, load: Load) -> list[str]:
    options: dict[str, object] = {
        "--url": served.url,
        "--rate": load.rate,
        "--seconds": load.seconds,
        "--warm-up": load.warm_up,
        "--requests": load.requests,
        "--connections": load.connections,
    }
    command = [sys.executable, LOAD, *(part for option in options.items() for part in option)]
    return [*map(str, command), *(["--poisson"] if load.is_poisson else [])]


def _tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text().split()
            found += [one for child in children for one in _tree(int(child))]
    return found
