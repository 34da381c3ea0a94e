"""Processes as a test looks at them from outside, by /proc and ps."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Processes that it started."""
    command = ["ps", "-o", "pid=", "--ppid", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return [int(text) for text in found.stdout.split()]


def is_running(pid: int) -> bool:
    """Whether the process exists, and is no zombie."""
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return stat.rsplit(")", 1)[1].split()[0] != "Z"
    return False


def memory_mb(pid: int) -> float:
    """Resident memory of the process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024
