"""Whole texts that users see, each a file in tests/snapshots, so that changes show as a diff."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "snapshots"
OPTION = "--update-snapshots"


@dataclass(frozen=True)
class Snapshots:
    """Compares a text with its file, or writes the file if pytest has the option."""

    is_updated: bool
    folder: Path = field(default=FOLDER)

    def check(self, name: str, text: str, masks: Mapping[str, str] | None = None) -> None:
        """Fail with a diff unless the text is that of the file `name`.

        `masks` replaces what differs from run to run: pattern → what stands for it.
        """
        for pattern, replacement in (masks or {}).items():
            text = re.sub(pattern, replacement, text)
        path = self.folder / f"{name}.txt"
        if self.is_updated:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        expected = path.read_text(encoding="utf-8") if path.exists() else ""
        diff = difflib.unified_diff(expected.splitlines(), text.splitlines(), "expected", "found")
        shown = "\n".join(diff)
        assert text == expected, f"{path.name} differs; if that is right: pytest {OPTION}\n{shown}"
