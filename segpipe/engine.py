"""The analytical engine: the one place that imports DuckDB.

Takes limits; gives a connection whose tables live in memory and spill to a temporary folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from segpipe.config import EngineSettings
from segpipe.errors import InputError

Connection = duckdb.DuckDBPyConnection
EngineError = duckdb.Error
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),  # version 2
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # version 1
)


@contextmanager
def open_engine(settings: EngineSettings) -> Iterator[Connection]:
    """Give a connection in UTC with memory limit, threads and spill folder set.

    Raises InputError when the engine refuses a setting.
    """
    with tempfile.TemporaryDirectory(prefix="segpipe-", dir=settings.spill_path) as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": spill,
            "memory_limit": settings.memory_limit or f"{_half_of_memory_mb()}MB",
        }
        if settings.threads:
            config["threads"] = settings.threads
        try:
            connection = duckdb.connect(":memory:", config=config)
        except duckdb.Error as error:
            msg = f"The engine refused a setting of [engine]: {error}"
            raise InputError(msg) from error
        try:
            connection.execute("SET TimeZone = 'UTC'")  # ICU is loaded only once connected
            yield connection
        finally:
            connection.close()


def quote(identifier: str) -> str:
    """SQL identifier in double quotes, safe for any text."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """SQL string literal, safe for any text; for places that take no parameter."""
    return "'" + text.replace("'", "''") + "'"


def _half_of_memory_mb() -> int:
    """Half of what this process may use: of the machine, or of its container."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _CGROUP_LIMITS:
        with suppress(OSError):
            told = limit.read_text(encoding="ascii").strip()
            total = min(total, int(told)) if told.isdigit() else total
    return max(64, total // 2**21)
