"""The crontab line and the example settings of the monthly job."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

from segpipe.core.settings import GateSettings, load_settings

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "monthly_resegment.sh"


def test_the_crontab_line_calls_the_script_once_a_month() -> None:
    lines = (ROOT / "cron" / "segpipe.crontab").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line and not line.startswith("#")]
    minute, hour, day, month, weekday, *command = line.split()
    assert (month, weekday) == ("*", "*")
    assert 0 <= int(minute) < 60
    assert 0 <= int(hour) < 24
    assert 1 <= int(day) <= 28
    assert command == [
        "/bin/bash",
        "/opt/segpipe/scripts/monthly_resegment.sh",
        "/opt/segpipe/cron/segpipe.env",
    ]


def test_the_example_settings_name_every_setting_that_the_script_reads() -> None:
    example = (ROOT / "cron" / "segpipe.env.example").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{([A-Z][A-Z_]+)", SCRIPT.read_text(encoding="utf-8")))
    used -= {"PATH", "BASH_SOURCE", "SEGPIPE_ENV"}
    assert {
        name for name in used if not re.search(rf"^#? ?{name}=", example, re.MULTILINE)
    } == set()


def test_the_example_settings_file_has_the_defaults() -> None:
    path = ROOT / "cron" / "segpipe.toml.example"
    gates = load_settings(path, {}).gates
    assert gates == replace(GateSettings(), max_order_age_days=40)
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"^(\w+) =", text, re.MULTILINE))
    assert named == {field.name for field in fields(GateSettings)}
