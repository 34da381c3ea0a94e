"""The answer to COMMIT is lost: the run was published, and is not published twice."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg.conninfo import conninfo_to_dict

from segpipe import postgres
from tests.support.commands import FEW_KS, segpipe, shop_lines, write_shop

_PORT = 5432


@contextmanager
def losing_the_answer_to(word: bytes, url: str) -> Iterator[str]:
    """URL of a proxy that gives no more answers once a client sends `word` after a COPY."""
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    server = Path(parts["host"]) / f".s.PGSQL.{_PORT}"
    with tempfile.TemporaryDirectory(prefix="segpipe-") as folder:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(f"{folder}/.s.PGSQL.{_PORT}")
        listener.listen()
        has_lost = threading.Event()
        threading.Thread(
            target=_accept, args=(listener, server, word, has_lost), daemon=True
        ).start()
        try:
            yield f"postgresql://postgres@/{parts['dbname']}?host={quote(folder)}&port={_PORT}"
            assert has_lost.is_set()
        finally:
            listener.close()


def _accept(listener: socket.socket, server: Path, word: bytes, has_lost: threading.Event) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            upstream.connect(str(server))
            is_cut = threading.Event()
            for work in (
                (_to_server, client, upstream, word, has_lost, is_cut),
                (_to_client, upstream, client, is_cut),
            ):
                threading.Thread(target=work[0], args=work[1:], daemon=True).start()


def _to_server(
    client: socket.socket,
    upstream: socket.socket,
    word: bytes,
    has_lost: threading.Event,
    is_cut: threading.Event,
) -> None:
    has_swapped = False
    with suppress(OSError):
        while data := client.recv(65536):
            has_swapped = has_swapped or b"ATTACH PARTITION" in data
            if has_swapped and not has_lost.is_set() and word in data:
                has_lost.set()
                is_cut.set()
            upstream.sendall(data)
        upstream.shutdown(socket.SHUT_WR)


def _to_client(upstream: socket.socket, client: socket.socket, is_cut: threading.Event) -> None:
    with upstream, client, suppress(OSError):
        while data := upstream.recv(65536):
            if is_cut.is_set():  # the server has done it, and the answer is lost
                break
            client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("attempts", [1, 4])
def test_a_run_whose_commit_is_not_answered_is_published_once(
    tmp_path: Path, database_url: str, attempts: int
) -> None:
    lines = shop_lines()
    shop = write_shop(tmp_path / "shop.csv", lines)
    command = ("run", *FEW_KS, "--config", tmp_path / "attempts.toml", "--csv-path")
    (tmp_path / "attempts.toml").write_text(f"[load]\nattempts = {attempts}\n")
    first = segpipe(*command, shop, "--database-url", database_url)
    assert first.status == 0, first.err
    write_shop(shop, [*lines, "c0001,new,2025-05-16T09:00:00,10,1,0,0,p1,cat1,web"])
    with losing_the_answer_to(b"COMMIT", database_url) as url:
        done = segpipe(*command, shop, "--database-url", url)
    assert done.status == 0, done.err
    assert ("trying again" in done.err) == (attempts > 1)
    assert "Published run 2 of store default: 80 profiles (0 new, 80 updated)" in done.out
    with postgres.connect(database_url) as database:
        found = database.execute(
            "SELECT run_id, status, report IS NOT NULL FROM segmentation_runs ORDER BY run_id"
        ).fetchall()
        assert found == [(1, "published", True), (2, "published", True)]
        assert postgres.fetch_one(database, "SELECT count(*) FROM customer_profiles") == (80,)
