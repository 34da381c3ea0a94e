"""The service's log: JSON lines, or readable ones on a terminal, and nobody's data in them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import datetime
from typing import Any

from tests.support.commands import ROOT

PROGRAM = """
import logging
from segpipe.api.log import configure_log, log_error, log_request

def quote(name):
    raise ValueError(f"customer {name} has no orders")

configure_log()
log_request(request_id="look-1", method="GET", route="/runs", status=200, key=None)
try:
    quote("anna")
except ValueError as error:
    log_error(error, "look-1")
    logging.getLogger("library").error("it failed", exc_info=True)
logging.getLogger("library").warning("disk %s is full", "/data")
logging.getLogger("library").info("not shown")
"""
ACCESS = ("time", "level", "event", "request_id", "method", "route", "status", "key")


def run(out: int, err: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(
        command, cwd=ROOT, stdout=out, stderr=err, text=True, check=True, timeout=60
    )


def parsed(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_requests_and_errors_are_json_lines_of_one_format() -> None:
    done = run(subprocess.PIPE, subprocess.PIPE)
    [access] = parsed(done.stdout)
    assert tuple(access) == ACCESS
    assert (access["level"], access["event"], access["key"]) == ("info", "request", None)
    assert datetime.fromisoformat(access["time"]).utcoffset() is not None
    own, library, warning = parsed(done.stderr)
    assert tuple(own) == ("time", "level", "event", "request_id", "error", "stack")
    assert (own["level"], own["request_id"], own["error"]) == ("error", "look-1", "ValueError")
    assert "in quote" in own["stack"]
    assert (library["event"], library["error"]) == ("it failed", "ValueError")
    assert (warning["level"], warning["event"]) == ("warning", "disk /data is full")
    assert "anna" not in done.stderr


def test_a_terminal_gets_readable_lines() -> None:
    ours, theirs = pty.openpty()
    try:
        run(theirs, theirs)
        text = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    access, error, *_ = text.splitlines()
    assert "{" not in text
    assert "request_id=look-1" in access
    assert "route=/runs" in access
    assert "unexpected error" in error
    assert "error=ValueError" in error
    assert "in quote" in text
    assert "\x1b" not in text
    assert "anna" not in text
