"""`segpipe serve` as a process on a free port, and a client for it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from segpipe import postgres
from segpipe.access.key_table import create_key
from tests.support.commands import FEW_KS, shop_lines, write_shop
from tests.support.live_database import run_here, wait_for


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON of any shape
        return json.loads(self.body)

    @property
    def detail(self) -> Any:  # noqa: ANN401 - as above
        return self.document["detail"]


@dataclass(frozen=True)
class Served:
    """A running service, and the keys to it."""

    process: subprocess.Popen[str]
    port: int
    log_path: Path
    err_path: Path
    tokens: Mapping[str, str] = field(default_factory=dict)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = "read",
        headers: Mapping[str, str] | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> Answer:
        """Send a request with the key of that name; a body other than bytes is sent as JSON."""
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        named = {"X-API-Key": self.tokens[key]} if key else {}
        used = connection or self.connect()
        used.request(method, path, sent, {**named, **(headers or {})})
        found = used.getresponse()
        received = {name.lower(): value for name, value in found.getheaders()}
        answer = Answer(found.status, received, found.read())
        if connection is None:
            used.close()
        return answer

    def get(self, path: str, **more: Any) -> Answer:  # noqa: ANN401 - of ask
        return self.ask("GET", path, **more)

    def post(self, path: str, body: object, **more: Any) -> Answer:  # noqa: ANN401 - of ask
        return self.ask("POST", path, body, **more)

    def log(self) -> list[dict[str, Any]]:
        """The access log so far."""
        lines = self.log_path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def line_of(self, request_id: str) -> dict[str, Any]:
        """The line of that request, which is written after its answer."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [line for line in self.log() if line["request_id"] == request_id]
            return bool(found)

        wait_for(look)
        return found[0]

    def stderr(self) -> str:
        """The error log so far."""
        return self.err_path.read_text(encoding="utf-8")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@cache
def shop_database(server_url: str) -> str:
    """Name of a database with the published run of a shop of 60 customers, to be copied."""
    name = f"shop_{uuid4().hex}"
    with postgres.connect(server_url) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    with tempfile.TemporaryDirectory() as folder:
        publish(server_url.replace("/postgres?", f"/{name}?"), Path(folder))
    return name


@contextmanager
def shop_copy(server_url: str) -> Iterator[str]:
    """URL of a copy of that database, which is dropped after the block."""
    name, shop = f"test_{uuid4().hex}", shop_database(server_url)
    with postgres.connect(server_url) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{shop}"'.encode())
    yield server_url.replace("/postgres?", f"/{name}?")
    with postgres.connect(server_url) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def publish(url: str, folder: Path, n_customers: int = 60, seed: int = 1, *more: object) -> None:
    """Run segpipe on a small shop, with the axis rfm."""
    publish_file(url, write_shop(folder / f"shop{seed}.csv", shop_lines(n_customers, seed)), *more)


def publish_file(url: str, path: Path, *more: object) -> None:
    """Run segpipe on a file, with the axis rfm."""
    options = ("--axis-file", "rfm", "--database-url", url, "--quiet", *FEW_KS, *more)
    done = run_here("run", "--csv-path", path, *options)
    assert done.status == 0, done.err


def make_keys(url: str) -> dict[str, str]:
    """A key that may read, and one that may write."""
    with postgres.connect(url) as connection:
        return {
            "read": create_key(connection, "reader", "read", 1_000_000)[1],
            "write": create_key(connection, "writer", "write", 1_000_000)[1],
        }


@contextmanager
def serving(
    url: str, *options: object, tokens: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """The service, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        log, err = Path(folder, "log"), Path(folder, "err")
        command = [sys.executable, "-m", "segpipe", "serve", "--port", "0", *map(str, options)]
        with log.open("w") as out_file, err.open("w") as err_file:
            process = subprocess.Popen(
                [*command, "--database-url", url],
                env=dict(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
                text=True,
            )
        try:
            port = _port(process, err)
            served = Served(process, port, log, err, tokens or {})
            wait_for(lambda: served.get("/health", key=None).status == 200)
            yield served
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(timeout=60)


def _port(process: subprocess.Popen[str], err: Path) -> int:
    """The port that it logs."""

    def logged() -> re.Match[str] | None:
        return re.search(r"at http://127\.0\.0\.1:(\d+)", err.read_text(encoding="utf-8"))

    wait_for(lambda: logged() or process.poll() is not None)
    found = logged()
    assert found, err.read_text(encoding="utf-8")
    return int(found[1])


@pytest.fixture(scope="module")
def module_url(server_url: str) -> Iterator[str]:
    """Database of a shop of 60 customers with run 1 published."""
    with shop_copy(server_url) as url:
        yield url


@pytest.fixture(scope="module")
def served(module_url: str) -> Iterator[Served]:
    """That shop, served by one worker."""
    with serving(module_url, tokens=make_keys(module_url)) as found:
        yield found
