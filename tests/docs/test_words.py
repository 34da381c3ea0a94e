"""Words that the glossary has retired are gone from code and documents."""

from __future__ import annotations

import re

import pytest

from tests.support.commands import ROOT
from tests.support.repository import texts

RETIRED = re.compile(
    r"\b(in force|anew|amiss|besides|dearer|one cloud|passed over|given the median"
    r"|the model moved|lone)\b",
    re.IGNORECASE,
)
# The glossary lists them, and this is the test.
ALLOWED = {"docs/glossary.md", "tests/docs/test_words.py"}
# Migrations that were released are never edited; a later one comments on a column again.
RELEASED = re.compile(r"sql/schema/000[1-5]_")

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git checkout")


def test_no_retired_word_is_used() -> None:
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts(".py", ".md", ".toml", ".html", ".sh", ".example", ".yml", ".sql")
        if name not in ALLOWED and not RELEASED.match(name)
        for number, line in enumerate(text.splitlines(), start=1)
        if RETIRED.search(line)
    ]
    assert found == []


def test_the_glossary_lists_every_retired_word() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    retired = glossary.partition("## Not these")[2]
    for word in re.findall(r"[a-z ]+", RETIRED.pattern.removeprefix(r"\b").removesuffix(r"\b")):
        assert word in retired, word
