"""A connection to DuckDB, in the one place that imports it.

Takes limits; gives a connection whose tables live in memory and spill to a temporary folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
from filelock import lock_descriptor

from segpipe.core.errors import InputError
from segpipe.core.settings import EngineSettings

Connection = duckdb.DuckDBPyConnection
DuckDbError = duckdb.Error
DuckDbInterrupt = duckdb.InterruptException
DuckDbMemoryError = duckdb.OutOfMemoryException
_PREFIX, _LOCK = "segpipe-", "lock"
# A hundred thousand customers need less; more of them spill to disk, so the process stays small.
_ENOUGH_MB = 1024
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),  # version 2
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # version 1
)


@contextmanager
def open_engine(settings: EngineSettings) -> Iterator[Connection]:
    """Give a connection in UTC with memory limit, threads and spill folder set.

    Raises InputError when the engine refuses a setting.
    """
    with scratch_folder(settings.spill_path) as scratch:
        config: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": str(scratch / "spill"),
            "memory_limit": settings.memory_limit or f"{default_memory_mb()}MB",
        }
        if settings.threads:
            config["threads"] = settings.threads
        try:
            connection = duckdb.connect(":memory:", config=config)
        except duckdb.Error as error:
            message = f"The engine refused a setting of [engine]: {error}"
            raise InputError(message) from error
        try:
            connection.execute("SET TimeZone = 'UTC'")  # ICU is loaded only once connected
            yield connection
        finally:
            connection.close()


@contextmanager
def scratch_folder(parent: Path | None) -> Iterator[Path]:
    """Give a new folder in `parent` or the system's temporary one, removed at the end.

    Folders that killed processes left there are removed too: the lock that a process holds on a
    file in its folder ends with it.
    """
    home = parent or Path(tempfile.gettempdir())
    _remove_abandoned(home)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=home, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        unlocked = folder / f"{_LOCK}.new"
        with unlocked.open("wb") as lock:
            lock_descriptor(lock.fileno())
            unlocked.rename(folder / _LOCK)  # so that no other process sees it unlocked
            yield folder


def _remove_abandoned(home: Path) -> None:
    for folder in home.glob(f"{_PREFIX}*"):
        # Another user's folder, or one that vanishes while we look, is not ours to remove.
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open("rb") as lock:
                if lock_descriptor(lock.fileno(), blocking=False):
                    shutil.rmtree(folder)


def quote(identifier: str) -> str:
    """SQL identifier in double quotes, safe for any text."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """SQL string literal, safe for any text; for places that take no parameter."""
    return "'" + text.replace("'", "''") + "'"


def default_memory_mb() -> int:
    """Megabytes the engine may use without a memory_limit.

    A fixed amount, or half of the memory of the machine or container if that is less.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _CGROUP_LIMITS:
        with suppress(OSError):
            text = limit.read_text(encoding="ascii").strip()
            total = min(total, int(text)) if text.isdigit() else total
    return min(_ENOUGH_MB, max(64, total // 2**21))
