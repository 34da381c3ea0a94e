"""The monthly job as cron starts it: with the real run, and with whatever can go wrong.

No PATH, no HOME, working folder /, a strict umask, and relative paths in the settings.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from segpipe.postgres import Connection, embedded
from segpipe.runs import hold_store
from tests.support.commands import ROOT, shop_lines, write_shop
from tests.support.healthcheck_server import Listener, listening

SCRIPT = ROOT / "scripts" / "monthly_resegment.sh"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
STARTED = ("/start", "started")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="cron is a Unix service")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


@dataclass(frozen=True)
class Night:
    """A settings file, and the job that cron starts with it."""

    folder: Path
    listener: Listener

    @property
    def settings(self) -> Path:
        return self.folder / "segpipe.env"

    @property
    def metrics(self) -> Path:
        return self.folder / "segpipe.prom"

    def relative(self, name: str) -> str:
        return os.path.relpath(self.folder / name, ROOT)

    def write(self, more: str = "", **settings: str) -> None:
        """Write settings of a job of the store north, with paths relative to the checkout."""
        values = {
            "CSV_PATH": self.relative("shop.csv"),
            "STORE_ID": "north",
            "LOG_DIR": self.relative("logs"),
            "METRICS_FILE": self.relative("segpipe.prom"),
            "HEALTHCHECK_URL": self.listener.url,
            "SEGPIPE_PYTHON": sys.executable,
            **settings,
        }
        lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
        text = "\n".join([*lines, "MORE_OPTIONS=(--max-k 3)", more])
        self.settings.write_text(text + "\n", encoding="utf-8")
        self.settings.chmod(0o600)

    @property
    def command(self) -> list[str]:
        # "/" is where cron starts it, and the settings are named from there.
        settings = os.path.relpath(self.settings, "/")
        return ["/usr/bin/env", "-i", "PATH=", "/bin/bash", str(SCRIPT), settings]

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command,
            cwd="/",
            umask=0o077,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    def log(self) -> str:
        """The newest log."""
        return max((self.folder / "logs").glob("segpipe-*.log")).read_text(encoding="utf-8")


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    write_shop(tmp_path / "shop.csv", shop_lines())
    with listening() as listener:
        yield Night(tmp_path, listener)


def assert_failed(night: Night, done: subprocess.CompletedProcess[str], status: int) -> str:
    """The reason on the last line, printed and logged; the URL of the healthcheck is nowhere."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    line = done.stderr.splitlines()[-1]
    found = re.fullmatch(
        rf"segpipe: FAILED at {TIME} with status {status}: (.*); log: (.+\.log)", line
    )
    assert found, line
    log = Path(found[2]).read_text(encoding="utf-8")
    assert log.splitlines()[-1] == line
    assert night.listener.url not in log + done.stderr
    return found[1]


def exit_status(night: Night) -> str | None:
    """Exit status of the last run in the metrics file."""
    text = night.metrics.read_text(encoding="utf-8")
    sample = r'^segpipe_last_run_exit_status{store="north"} (\d+)(?:\.0)?$'
    found = re.search(sample, text, re.MULTILINE)
    return found and found[1]


def test_the_job_publishes_and_reports_it_everywhere(night: Night, database_url: str) -> None:
    night.write(DATABASE_URL=database_url)
    done = night.run()
    assert (done.returncode, done.stderr) == (0, ""), night.log()
    published = r"run 1 of store north: 80 profiles \(80 new, 0 updated\)"
    assert re.fullmatch(rf"segpipe: OK at {TIME}: {published}; log: .+\.log\n", done.stdout)
    assert night.log().endswith(done.stdout)
    assert night.listener.events == [
        STARTED,
        ("", "published run 1 of store north: 80 profiles"),
    ]
    assert exit_status(night) == "0"
    assert night.metrics.stat().st_mode & 0o777 == 0o644
    assert night.listener.url not in night.log()


@pytest.mark.postgres
def test_the_embedded_database_needs_neither_home_nor_path(night: Night) -> None:
    home = Path(tempfile.mkdtemp(prefix="segpipe-"))  # short, as a socket's name must be
    try:
        night.write(SEGPIPE_HOME=str(home))
        done = night.run()
        assert (done.returncode, done.stderr) == (0, ""), night.log()
        assert done.stdout.startswith("segpipe: OK at ")
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


def test_a_stale_export_exits_with_3(night: Night, database_url: str) -> None:
    night.write(DATABASE_URL=database_url)
    assert night.run().returncode == 0
    first = night.metrics.read_text(encoding="utf-8")
    assert "stale" in assert_failed(night, night.run(), 3)
    assert [event for event, _ in night.listener.events] == ["/start", "", "/start", "/fail"]
    assert night.listener.events[-1][1].startswith("exit status 3: ")
    assert exit_status(night) == "3"
    success = next(line for line in first.splitlines() if line.startswith("segpipe_last_success"))
    assert success in night.metrics.read_text(encoding="utf-8").splitlines()


def test_a_forced_job_reports_how_many_rows_are_unchanged(night: Night, database_url: str) -> None:
    night.write(DATABASE_URL=database_url)
    assert night.run().returncode == 0
    night.write("MORE_OPTIONS+=(--force)", DATABASE_URL=database_url)
    done = night.run()
    assert (done.returncode, done.stderr) == (0, ""), night.log()
    published = "run 2 of store north: 80 profiles (0 new, 0 updated, 80 unchanged)"
    assert f": {published}; log: " in done.stdout


def test_another_run_of_the_store_exits_with_75(
    night: Night, database: Connection, database_url: str
) -> None:
    night.write(DATABASE_URL=database_url)
    with hold_store(database, "north", wait=False, notify=print):
        assert_failed(night, night.run(), 75)
    assert night.listener.events[0] == STARTED
    assert night.listener.events[1][0] == "/fail"
    assert night.listener.events[1][1].startswith("exit status 75: ")
    assert exit_status(night) == "75"


@needs_curl
def test_another_job_exits_with_75_and_the_script_reports_it(night: Night) -> None:
    night.write()
    (night.folder / "logs").mkdir()
    with (night.folder / "logs" / "monthly_resegment.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        reason = assert_failed(night, night.run(), 75)
    assert "monthly_resegment.lock" in reason
    assert night.listener.events == [("/fail", f"exit status 75: {reason}")]


def test_a_file_that_is_no_export_exits_with_2(night: Night, database_url: str) -> None:
    (night.folder / "shop.csv").write_text("name,colour\nx,y\n", encoding="utf-8")
    night.write(DATABASE_URL=database_url)
    reason = assert_failed(night, night.run(), 2)
    assert "lacks" in reason
    assert night.listener.events == [STARTED, ("/fail", f"exit status 2: {reason}")]
    assert exit_status(night) == "2"


def test_a_database_that_is_down_exits_with_2(night: Night) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        night.write(DATABASE_URL=f"postgresql://shop:s3cr3t@127.0.0.1:{port}/shop")
        done = night.run()
    reason = assert_failed(night, done, 2)
    assert "does not answer" in reason
    assert night.listener.events == [STARTED, ("/fail", f"exit status 2: {reason}")]
    assert "s3cr3t" not in night.log() + done.stderr


@needs_curl
@pytest.mark.parametrize(
    ("settings", "status", "topic"),
    [
        ({"CSV_PATH": ""}, 2, "CSV_PATH"),
        ({"SEGPIPE_PYTHON": "/no/such/python"}, 127, "/no/such/python"),
        ({"LOG_DIR": "/dev/null/logs"}, 73, "/dev/null/logs"),
        ({"SEGPIPE_PYTHON": "/bin/true"}, 70, "published"),
        ({"SEGPIPE_PYTHON": "/bin/false"}, 1, "log"),
    ],
)
def test_the_script_reports_failures_outside_the_run(
    settings: dict[str, str], status: int, topic: str, night: Night
) -> None:
    night.write(**settings)
    assert night.run().returncode == status
    ((event, body),) = night.listener.events
    assert event == "/fail"
    assert body.startswith(f"exit status {status}: ")
    assert topic in body


@needs_curl
def test_the_script_reports_an_unknown_option_without_naming_it(night: Night) -> None:
    night.write("MORE_OPTIONS=(--sample-sze 100)")
    assert "--sample-sze" in assert_failed(night, night.run(), 2)
    ((event, body),) = night.listener.events
    assert event == "/fail"
    assert body.startswith("exit status 2: ")
    assert "--sample-sze" not in body


@needs_curl
@pytest.mark.parametrize(
    ("sent", "topic", "status"),
    [("KILL", "ended by signal 9", 137), ("TERM", "ended by a signal", 143)],
)
def test_the_end_of_a_run_by_a_signal_is_reported_once(
    sent: str, topic: str, status: int, night: Night, database_url: str
) -> None:
    python, pid = night.folder / "python", night.folder / "pid"
    python.write_text(f'#!/bin/bash\necho $$ >{pid}; exec {sys.executable} "$@"\n', "utf-8")
    python.chmod(0o755)
    night.write(DATABASE_URL=database_url, SEGPIPE_PYTHON=str(python))
    job = subprocess.Popen(
        night.command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    night.listener.wait(1)
    os.kill(int(pid.read_text(encoding="utf-8")), signal.Signals[f"SIG{sent}"])
    out, err = job.communicate(timeout=120)
    done = subprocess.CompletedProcess(night.command, job.returncode, out, err)
    assert_failed(night, done, status)
    started, (event, body) = night.listener.events
    assert started == STARTED
    assert event == "/fail"
    assert body.startswith(f"exit status {status}: ")
    assert topic in body


@pytest.mark.skipif(shutil.which("ps") is None, reason="lists the processes")
def test_no_process_has_the_url_in_its_arguments(night: Night) -> None:
    fake = night.folder / "python"
    seen = night.folder / "seen"
    fake.write_text(f"#!/bin/bash\nps -A -o args= >{seen}; exit 1\n", encoding="utf-8")
    fake.chmod(0o755)
    night.write(SEGPIPE_PYTHON=str(fake))
    assert_failed(night, night.run(), 1)
    assert str(SCRIPT) in seen.read_text(encoding="utf-8")
    assert night.listener.url not in seen.read_text(encoding="utf-8")


def test_a_healthcheck_that_does_not_answer_is_a_warning(night: Night) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/secret"
        night.write(CSV_PATH="", HEALTHCHECK_URL=url)
        done = night.run()
    assert done.returncode == 2
    warning, line = done.stderr.splitlines()
    assert re.match("segpipe: warning: .*healthcheck", warning)
    assert line.startswith("segpipe: FAILED at ")
    assert "secret" not in done.stderr


def test_a_warning_says_that_everybody_can_read_the_url_of_the_healthcheck(night: Night) -> None:
    night.write(SEGPIPE_PYTHON="/bin/false")
    night.settings.chmod(0o644)
    warning = night.run().stderr.splitlines()[0]
    assert "URL" in warning
    assert re.search(rf"chmod 600 .*{night.settings}$", warning)
