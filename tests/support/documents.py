"""The documents as text, and the blocks of commands and queries in them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.commands import ROOT

DOCS = ROOT / "docs"
PAGES = (
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
)


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of the page in that language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
