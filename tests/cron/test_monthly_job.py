"""The monthly job around a fake run: its last line, and never OK after a failure."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from segpipe.core.report import FeatureInfo, LoadInfo, RunReport, SourceInfo
from segpipe.reports.text import report_text

ROOT = Path(__file__).resolve().parents[2]
RUN_SCRIPT = "scripts/load_efficient_segments_to_db.py"
SCRIPT = ROOT / "scripts" / "monthly_resegment.sh"
PUBLISHED = "Published run 7 of store default: 12 profiles (12 new, 0 updated)"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
SECRET = "s3cr3t@w0rd"
URL = f"postgresql://shop:{SECRET}@db.example.com:5432/shop"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="cron is a Unix service")


@dataclass(frozen=True)
class Job:
    """A monthly job whose Python is a shell script."""

    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / "segpipe.env"

    @property
    def logs(self) -> list[Path]:
        return sorted((self.folder / "logs").glob("segpipe-*.log"))

    def log(self) -> str:
        (path,) = self.logs
        return path.read_text(encoding="utf-8")

    def write(self, python: str, **settings: str) -> None:
        fake = self.folder / "python"
        fake.write_text(f"#!/bin/bash\n{python}\n", encoding="utf-8")
        fake.chmod(0o755)
        values = {
            "CSV_PATH": "orders of June.csv",
            "LOG_DIR": str(self.folder / "logs"),
            "SEGPIPE_PYTHON": str(fake),
            **settings,
        }
        lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
        self.settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.settings.chmod(0o600)

    def run(
        self, *arguments: str | Path, env: dict[str, str] | None = None, cwd: str | Path = "/"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", SCRIPT, *(arguments or (self.settings,))],
            env=env or {},
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["/bin/bash", SCRIPT, self.settings],
            env={},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def wait_for(path: Path) -> None:
    while not path.exists() or not path.read_text(encoding="utf-8"):
        time.sleep(0.02)


def last_line(text: str) -> str:
    return text.splitlines()[-1]


def assert_failed(
    job: Job, done: subprocess.CompletedProcess[str], status: int, topic: str
) -> None:
    assert done.returncode == status
    assert done.stdout == ""
    line = last_line(done.stderr)
    assert re.match(rf"segpipe: FAILED at {TIME} with status {status}: .*{topic}.*; log: ", line)
    for log in job.logs:
        text = log.read_text(encoding="utf-8")
        assert last_line(text) == line
        assert "segpipe: OK" not in text


def test_a_published_run_ends_with_ok_printed_and_logged(job: Job) -> None:
    job.write(f"echo working >&2; echo '{PUBLISHED}'; echo 'and more'")
    done = job.run()
    assert (done.returncode, done.stderr) == (0, "")
    (log,) = job.logs
    published = re.escape(PUBLISHED.removeprefix("Published "))
    expected = rf"segpipe: OK at {TIME}: {published}; log: {re.escape(str(log))}\n"
    assert re.fullmatch(expected, done.stdout)
    assert job.log() == f"working\n{PUBLISHED}\nand more\n{done.stdout}"
    assert sorted(p.name for p in log.parent.iterdir()) == ["monthly_resegment.lock", log.name]


def test_ok_names_what_the_real_report_says_was_published(job: Job) -> None:
    report = RunReport(
        version="1",
        seed=42,
        source=SourceInfo(
            "product_sales_order", ("a.csv",), "0", 1, 0, None, {}, 0, 0, 0, None, frozenset(),
            None, None,
        ),
        features=FeatureInfo(date(2025, 7, 1), 1, 1, 0, 0),
        sample=None,
        axes=(),
        load=LoadInfo(3, "default", "db", 1, 1, 0, 0, 0),
        stages=(),
        model_hash="0",
        peak_memory_mb=1.0,
    )  # fmt: skip
    (job.folder / "report").write_text(report_text(report), encoding="utf-8")
    job.write(f"cat {job.folder}/report")
    done = job.run()
    assert done.returncode == 0
    assert ": run 3 of store default: 1 profiles (1 new, 0 updated); log: " in done.stdout


@pytest.mark.parametrize(
    ("python", "status", "topic"),
    [
        ("exit 0", 70, "without reporting that it published"),
        ("echo 'Published nothing, this was a dry run'", 70, "without reporting that it published"),
        (f"echo '{PUBLISHED}'; kill -KILL $$", 137, "ended by signal 9"),
        ("kill -SEGV $$", 139, "ended by signal 11"),
        ("echo working; echo 'segpipe: error: no column Date.' >&2; exit 2", 2, "no column Date."),
        (f"echo '{PUBLISHED}'; echo 'Traceback: boom' >&2; exit 1", 1, "Traceback: boom"),
        (
            "echo 'segpipe: error: refused:'; echo '  a b'; echo; echo ' c'; exit 3",
            3,
            "refused: a b c",
        ),
        ("exit 3", 3, "the run printed nothing"),
    ],
)
def test_a_failed_run_gives_its_reason_and_never_ok(
    python: str, status: int, topic: str, job: Job
) -> None:
    job.write(python)
    assert_failed(job, job.run(), status, topic)


def test_a_missing_python_is_named(job: Job) -> None:
    for missing in ("/no/such/python", "no-such-python"):
        job.write("", SEGPIPE_PYTHON=missing)
        done = job.run()
        assert done.returncode == 127
        assert missing in last_line(done.stderr)


def test_missing_settings_are_a_failure_without_a_log(job: Job) -> None:
    assert_failed(
        job, job.run("nowhere.env", cwd=job.folder), 2, f"settings file {job.folder}/nowhere.env"
    )
    job.write("exit 0", CSV_PATH="")
    assert_failed(job, job.run(), 2, "CSV_PATH")


@pytest.mark.parametrize("line", ["exit 0", "if then", "echo $NOT_SET"])
def test_settings_that_stop_the_script_never_end_in_ok(line: str, job: Job) -> None:
    job.write(f"echo '{PUBLISHED}'")
    with job.settings.open("a", encoding="utf-8") as settings:
        settings.write(line + "\n")
    done = job.run()
    assert done.returncode != 0
    assert "OK" not in done.stdout
    assert re.match("segpipe: FAILED at ", last_line(done.stderr))


def test_it_works_without_a_path_from_another_folder_with_relative_names(job: Job) -> None:
    job.write(f'pwd; printf "<%s>" "$@"; echo; echo "{PUBLISHED}"')
    relative = os.path.relpath(job.folder / "logs", ROOT)
    with job.settings.open("a", encoding="utf-8") as settings:
        settings.write(f"LOG_DIR={shlex.quote(relative)}\nMORE_OPTIONS=(--as-of '2025-06-30')\n")
    done = job.run("segpipe.env", env={"PATH": ""}, cwd=job.folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert job.log().splitlines()[:2] == [
        str(ROOT),
        f"<{RUN_SCRIPT}><--csv-path><orders of June.csv><--no-wait><--as-of><2025-06-30>",
    ]


def test_settings_become_options_and_the_file_may_be_named_in_the_environment(job: Job) -> None:
    job.write(
        f'printf "<%s>" "${{@:4}}"; echo; echo "{PUBLISHED}"',
        CONFIG_PATH="cron/segpipe.toml",
        STORE_ID="north shop",
        SOURCE="shopify",
        TICKETS_PATH="tickets.csv",
        SAMPLE_SIZE="900",
        BATCH_SIZE="100",
    )
    done = subprocess.run(
        [SCRIPT],
        env={"SEGPIPE_ENV": str(job.settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert job.log().startswith(
        "<--no-wait><--config><cron/segpipe.toml><--store-id><north shop><--source><shopify>"
        "<--tickets><tickets.csv><--sample-size><900><--batch-size><100>\n"
    )


def test_the_password_reaches_the_run_but_neither_its_arguments_nor_the_log(job: Job) -> None:
    job.write(
        f'echo "$@"; echo "cannot reach $DATABASE_URL and password={SECRET} x"; '
        f'printf %s "$DATABASE_URL" >{job.folder}/seen; exit 2',
        DATABASE_URL=URL,
    )
    done = job.run()
    assert (job.folder / "seen").read_text(encoding="utf-8") == URL
    for text in (job.log(), done.stdout, done.stderr):
        assert SECRET not in text
        assert "w0rd" not in text
    assert "cannot reach postgresql://shop:***@db.example.com:5432/shop" in job.log()
    assert "password=*** x" in job.log()


def test_a_warning_says_that_everybody_can_read_the_password(job: Job) -> None:
    job.write(f"echo '{PUBLISHED}'", DATABASE_URL=URL)
    assert "warning" not in job.run().stderr
    job.settings.chmod(0o644)
    done = job.run()
    assert done.returncode == 0
    assert "password" in done.stderr
    assert f"chmod 600 {job.settings}" in done.stderr
    assert SECRET not in done.stderr


def test_only_the_owner_can_read_logs_and_the_run_keeps_its_own_umask(job: Job) -> None:
    job.write(f"umask >{job.folder}/umask; echo '{PUBLISHED}'")
    own = os.umask(0o022)
    try:
        assert job.run().returncode == 0
    finally:
        os.umask(own)
    (log,) = job.logs
    assert log.stat().st_mode & 0o777 == 0o600
    assert (job.folder / "umask").read_text(encoding="utf-8").strip() == "0022"


def test_a_second_run_exits_with_75_and_the_first_continues(job: Job) -> None:
    gate = job.folder / "gate"
    os.mkfifo(gate)
    job.write(f"echo now >{job.folder}/started; read -r _ <{gate}; echo '{PUBLISHED}'")
    first = job.start()
    wait_for(job.folder / "started")
    second = job.run()
    assert second.returncode == 75
    line = last_line(second.stderr)
    assert re.match(rf"segpipe: FAILED at {TIME} with status 75: .*/monthly_resegment\.lock", line)
    gate.write_text("go\n", encoding="utf-8")
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 0
    assert "segpipe: OK" in out


def test_a_process_that_outlives_the_run_holds_neither_the_lock_nor_the_job(job: Job) -> None:
    # like the embedded server, which keeps the output of the run open
    job.write(f"sleep 300 & echo $! >{job.folder}/left; echo '{PUBLISHED}'")
    try:
        assert job.run().returncode == 0
        with (job.folder / "logs" / "monthly_resegment.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.kill(int((job.folder / "left").read_text(encoding="utf-8")), signal.SIGKILL)


def test_a_signal_also_ends_the_run_and_is_named(job: Job) -> None:
    job.write(f"echo half way; echo $$ >{job.folder}/pid; exec sleep 300")
    running = job.start()
    wait_for(job.folder / "pid")
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 143
    assert "with status 143: ended by signal TERM" in last_line(err)
    assert job.log().splitlines()[0] == "half way"
    assert last_line(job.log()) == last_line(err)
    with pytest.raises(ProcessLookupError):
        os.kill(int((job.folder / "pid").read_text(encoding="utf-8")), 0)


def test_a_killed_job_leaves_no_ok(job: Job) -> None:
    job.write(f"echo $$ >{job.folder}/pid; echo '{PUBLISHED}'; exec sleep 300")
    running = job.start()
    wait_for(job.folder / "pid")
    running.kill()
    running.communicate(timeout=60)
    os.kill(int((job.folder / "pid").read_text(encoding="utf-8")), signal.SIGKILL)
    assert "OK" not in job.log()


def test_a_log_folder_that_cannot_be_made_is_a_failure(job: Job) -> None:
    (job.folder / "file").touch()
    job.write(f"echo '{PUBLISHED}'", LOG_DIR=str(job.folder / "file" / "logs"))
    assert_failed(job, job.run(), 73, f"{job.folder}/file/logs")
