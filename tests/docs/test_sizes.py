"""Files and functions stay short enough to read."""

from __future__ import annotations

import ast

import pytest

from tests.support.commands import ROOT
from tests.support.repository import texts

MOST_LINES, MOST_LINES_OF_A_FUNCTION = 350, 60

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git checkout")


def test_no_file_is_too_long() -> None:
    lengths = {name: text.count("\n") for name, text in texts(".py", ".sh", ".sql", ".js")}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def test_no_function_is_too_long() -> None:
    lengths = {
        f"{name}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, text in texts(".py")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: n for name, n in lengths.items() if n > MOST_LINES_OF_A_FUNCTION} == {}
