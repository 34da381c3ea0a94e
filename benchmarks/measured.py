"""What every benchmark records: what a program cost, on which machine, and of which commit.

Every program that is measured runs in its own process. The benchmark's process stays small, because
a child's peak memory starts at the peak of the process that it was forked from.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from threading import Event, Thread
from time import perf_counter
from typing import Any

from segpipe import __version__, postgres
from segpipe.postgres import embedded, fetch_one, sql

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SCRIPT = ROOT / "scripts" / "load_efficient_segments_to_db.py"
_SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Server:
    """A PostgreSQL of the benchmark's own."""

    home: Path
    url: str

    @property
    def state(self) -> Path:
        """Where segpipe keeps what it needs between runs."""
        return self.home / "state"

    @property
    def spill(self) -> Path:
        """Where segpipe's engine spills what does not fit into memory."""
        return self.home / "spill"


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    wall_seconds: float
    cpu_seconds: float  # user and system, of the process
    postgres_cpu_seconds: float | None  # of all processes of the server; None where unreadable
    peak_memory_mb: float
    wal_bytes: int
    peak_disk_bytes: int  # outside the database: spilled, or kept for --resume

    def plain(self) -> dict[str, Any]:
        """Rounded, for JSON."""
        server = self.postgres_cpu_seconds
        return {
            "wall_seconds": round(self.wall_seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "postgres_cpu_seconds": None if server is None else round(server, 2),
            "peak_memory_mb": round(self.peak_memory_mb),
            "wal_bytes": self.wal_bytes,
            "peak_disk_bytes": self.peak_disk_bytes,
        }


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    status: int  # minus the signal's number if it was killed
    out: str
    err: str
    cost: Cost


@contextmanager
def open_server(wal_level: str | None = None) -> Iterator[Server]:
    """A fresh server in a temporary folder, stopped and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="segpipe-") as folder:
        home = Path(folder)
        try:
            server = Server(home, embedded.start(home))
            server.state.mkdir()
            server.spill.mkdir()
            if wal_level:
                with postgres.connect(server.url) as connection:
                    setting = sql.SQL("ALTER SYSTEM SET wal_level = {}")
                    connection.execute(setting.format(sql.Literal(wal_level)))
                embedded.stop(home)
                embedded.start(home)
            yield server
        finally:
            embedded.stop(home)


@contextmanager
def open_database(server: Server, name: str) -> Iterator[str]:
    """URL of an empty database, dropped at the end."""
    named = sql.Identifier(name)
    with postgres.connect(server.url) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(named))
    try:
        yield server.url.replace("/postgres?", f"/{name}?")
    finally:
        with postgres.connect(server.url) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(named))


def run_segpipe(
    server: Server, url: str, *arguments: object, program: Path = SCRIPT
) -> tuple[dict[str, Any], Cost]:
    """Report and cost of the main script, from process start to end. Exits if the run fails."""
    command = (sys.executable, program, *arguments, "--json", "--quiet", "--database-url", url)
    ended = run_process(server, *command)
    if ended.status:
        shown = " ".join(map(str, command))
        raise SystemExit(f"{shown}\nended with {ended.status}:\n{ended.err}")
    print(f"a run: {ended.cost.wall_seconds:.2f} s", file=sys.stderr, flush=True)
    return json.loads(ended.out), ended.cost


def run_process(server: Server, *command: object) -> Ended:
    """Run a program to its end."""
    wal, cpu = wal_position(server), postgres_cpu_seconds(server)
    started = perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [str(part) for part in command], env=environment(server), stdout=out, stderr=err
        )
        with _watched(server.state, server.spill) as peak:
            _, status, used = os.wait4(process.pid, 0)
        wall = perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed, errors = out.read(), err.read()
    cpu_after = postgres_cpu_seconds(server)
    cost = Cost(
        wall_seconds=wall,
        cpu_seconds=used.ru_utime + used.ru_stime,
        postgres_cpu_seconds=None if cpu is None or cpu_after is None else cpu_after - cpu,
        peak_memory_mb=used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        wal_bytes=wal_position(server) - wal,
        peak_disk_bytes=peak[0],
    )
    return Ended(process.returncode, printed, errors, cost)


def environment(server: Server) -> dict[str, str]:
    """Environment of every segpipe that is started: its files go to the server's folder."""
    unwanted = ("DATABASE_URL", "SEGPIPE_HEALTHCHECK_URL", "SEGPIPE_METRICS_FILE")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "SEGPIPE_HOME": str(server.state), "TMPDIR": str(server.spill)}


def wal_position(server: Server) -> int:
    """Bytes of WAL since the server was made."""
    with postgres.connect(server.url) as connection:
        return int(fetch_one(connection, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")[0])


def postgres_cpu_seconds(server: Server) -> float | None:
    """User and system time of the server's processes, also of those that have ended."""
    postmaster = embedded.status(server.home).pid
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    try:
        for pid in (postmaster, *_children(postmaster)):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                # 14 to 17: user, system, and of its children that have ended, user and system
                parts = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
                total += sum(map(int, parts[11:15] if pid == postmaster else parts[11:13]))
    except OSError:
        return None
    return total / ticks


def facts(server: Server | None = None) -> dict[str, Any]:
    """Machine, versions, commit and time; call it before the measurement begins."""
    found: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "load_before": round(os.getloadavg()[0], 2),  # above 1: the machine was busy
        "python": platform.python_version(),
        "segpipe": __version__,
        "commit": commit(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if server:
        with postgres.connect(server.url) as connection:
            query = "SELECT current_setting('server_version'), current_setting('wal_level')"
            found["postgresql"], found["wal_level"] = fetch_one(connection, query)
    return found


def commit() -> str:
    """Commit that was measured, with a plus if files differ from it."""
    git = ["git", "-C", str(ROOT)]
    name = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True
    )
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--untracked-files=no", "segpipe", "sql", "config"],
        check=True,
        capture_output=True,
        text=True,
    )
    return name.stdout.strip() + ("+" if changed.stdout.strip() else "")


def middle(values: Sequence[float], digits: int = 2) -> float:
    """Median, rounded."""
    return round(float(median(values)), digits)


def show(result: Mapping[str, Any], table: str, out: Path) -> None:
    """Write the result as JSON, and print it with its table."""
    text = json.dumps(result, indent=2, ensure_ascii=False)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)
    print(table)


def as_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown table: the first column aligned left, the figures right."""
    texts = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    texts.insert(
        1, [f"{'-' * (width - 1)}:" if i else "-" * width for i, width in enumerate(widths)]
    )
    return "\n".join(f"| {' | '.join(_aligned(row, widths))} |" for row in texts)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if i else cell.ljust(width)


def _children(pid: int | None) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


@contextmanager
def _watched(*folders: Path) -> Iterator[list[int]]:
    """Most bytes that the folders' files took during the block, in a list of one."""
    peak, is_over = [0], Event()

    def watch() -> None:
        while not is_over.wait(_SAMPLE_SECONDS):
            peak[0] = max(peak[0], sum(map(_size, folders)))

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        is_over.set()
        watcher.join()


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # it has just been removed
                total += Path(place, name).lstat().st_blocks * 512
    return total
