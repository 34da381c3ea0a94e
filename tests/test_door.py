"""The script that cron jobs call: a door to `segpipe run` from anywhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOOR = Path(__file__).resolve().parent.parent / "scripts" / "load_efficient_segments_to_db.py"


def test_the_door_has_the_help_of_run_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, DOOR, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: load_efficient_segments_to_db.py run [OPTIONS]")
    assert "--csv-path" in done.stdout


def test_the_door_gives_the_status_of_the_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, DOOR, "--csv-path", "no.csv", "--dry-run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no.csv" in done.stderr.splitlines()[-1]


def test_the_door_names_what_to_install_where_modules_are_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-I", DOOR],  # without the environment's packages
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"the Python module '\w+' is missing in .*-m pip install ", done.stderr)
