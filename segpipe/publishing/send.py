"""Bytes into COPY, the next made while the server reads the last."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from segpipe.postgres import Connection, sql


def send(
    connection: Connection, statement: sql.Composed, parts: Iterable[memoryview | bytes]
) -> int:
    """Rows that `COPY … FROM STDIN` took in; `parts` are in the format that it names."""
    with connection.cursor() as cursor:
        with ThreadPoolExecutor(1) as sender, cursor.copy(statement) as copy:
            sending: Future[None] | None = None
            for part in parts:
                if sending:
                    sending.result()
                sending = sender.submit(copy.write, part)
            if sending:
                sending.result()
        return cursor.rowcount
