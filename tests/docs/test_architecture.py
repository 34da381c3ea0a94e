"""The map of the house is that of the code."""

from __future__ import annotations

import re
import tomllib

from tests.support.commands import ROOT

MAP = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_the_floors_are_those_of_the_import_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]
    floors = [layer.replace("segpipe.", "") for layer in contract["layers"]]
    house = MAP.split("## The house")[1].split("## ")[0]
    drawn = re.findall(r"^    (\w.*?)  ", house, re.MULTILINE)
    assert drawn == [floor for floor in floors if floor != "__main__"]


def test_every_room_has_a_line() -> None:
    named = set(re.findall(r"`(\w+)`", MAP.split("| room | holds |")[1].split("\n\n")[0]))
    rooms = {path.parent.name for path in (ROOT / "segpipe").glob("*/__init__.py")}
    assert rooms <= named, rooms - named


def test_it_fits_two_pages() -> None:
    assert len(MAP.splitlines()) <= 120
