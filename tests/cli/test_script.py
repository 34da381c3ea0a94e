"""The script that cron jobs call: `segpipe run` from any folder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "load_efficient_segments_to_db.py"


def test_the_script_has_the_help_of_run_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: load_efficient_segments_to_db.py run [OPTIONS]")
    assert "--csv-path" in done.stdout


def test_the_script_gives_the_status_of_the_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--csv-path", "no.csv", "--dry-run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no.csv" in done.stderr.splitlines()[-1]


def without_packages(checkout: Path) -> subprocess.CompletedProcess[str]:
    """The script of a checkout, run by a Python that has no packages."""
    (checkout / "scripts").mkdir()
    script = shutil.copy(SCRIPT, checkout / "scripts")
    command = [sys.executable, "-S", "-I", script, "--csv-path", "no.csv"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def test_the_script_names_what_to_install_where_modules_are_missing(tmp_path: Path) -> None:
    done = without_packages(tmp_path)
    assert done.returncode == 1
    assert re.search(r"the Python module '\w+' is missing in .*-m pip install ", done.stderr)


def test_the_script_hands_over_to_the_environment_of_its_checkout(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "handed over: $*"\n')
    python.chmod(0o755)
    done = without_packages(tmp_path)
    assert done.returncode == 0
    assert done.stdout.endswith("load_efficient_segments_to_db.py --csv-path no.csv\n")
