"""The documents are true: their commands run, their SQL answers, every command is in them."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import click
import pytest

from segpipe import postgres
from segpipe.cli.main import cli
from segpipe.core.settings import STAGES, RunSettings
from segpipe.datasets.synthetic import generate_order_lines
from segpipe.postgres import embedded
from tests.support.commands import ROOT, segpipe, spawn
from tests.support.documents import DOCS, blocks

PAGES = (ROOT / "README.md", DOCS / "query.md", DOCS / "operations.md")
COMMAND_LINE = DOCS / "command-line.md"


def commands() -> list[str]:
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    runnable = [line for line in lines if line.startswith(("segpipe ", "python scripts/"))]
    return list(dict.fromkeys(shlex.join(shlex.split(line, comments=True)) for line in runnable))


def queries() -> list[str]:
    return list(dict.fromkeys(query for page in PAGES for query in blocks(page, "sql")))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder with an export, and the home of an embedded database on which it was run."""
    folder = tmp_path_factory.mktemp("documents")
    generate_order_lines(folder / "product_sales_order.csv", 300, seed=3)
    home = folder / "home"
    try:
        first = segpipe(
            "run", "--csv-path", folder / "product_sales_order.csv", SEGPIPE_HOME=str(home)
        )
        assert first.status == 0, first.err
        yield folder, str(home)
    finally:
        embedded.stop(home)


@pytest.mark.postgres
@pytest.mark.parametrize("command", commands())
def test_a_command_runs(
    command: str,
    workplace: tuple[Path, str],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, home = workplace
    monkeypatch.chdir(folder)
    program, *arguments = shlex.split(command)
    env = {"SEGPIPE_HOME": home}
    if program == "python" or arguments[0] == "run":
        env["DATABASE_URL"] = database_url  # empty: where this export is not the current run
    if program == "segpipe":
        outcome = segpipe(*arguments, **env)
    else:
        outcome = spawn(sys.executable, ROOT / arguments[0], *arguments[1:], **env)
    assert outcome.status == 0, outcome.err
    assert outcome.out


@pytest.mark.postgres
@pytest.mark.parametrize("query", queries())
def test_a_query_answers(query: str, workplace: tuple[Path, str]) -> None:
    with postgres.connect(embedded.start(Path(workplace[1]))) as connection:
        cursor = connection.execute(query.encode())
        assert cursor.description or query.startswith("DELETE")


def test_every_command_is_documented_and_its_help_gives_an_example() -> None:
    documented = COMMAND_LINE.read_text(encoding="utf-8")
    for name, command in cli.commands.items():
        assert re.search(rf"`segpipe {name}[ `]", documented), name
        subcommands = command.commands if isinstance(command, click.Group) else {}
        for subcommand in subcommands:
            assert re.search(rf"[`, ]{subcommand}[ `]", documented), subcommand
        for found in (command, *subcommands.values()):
            assert "Example:" in (found.help or ""), found.name


def test_every_option_of_a_command_has_a_help_text() -> None:
    for command in cli.commands.values():
        subcommands = command.commands if isinstance(command, click.Group) else {}
        for found in (command, *subcommands.values()):
            for option in found.params:
                if isinstance(option, click.Option):
                    assert option.help, f"{found.name} {option.name}"


def test_every_setting_is_documented_with_its_default() -> None:
    (block,) = blocks(COMMAND_LINE, "toml")
    defaults, everything = tomllib.loads(block), tomllib.loads(re.sub("(?m)^# ", "", block))
    settings = RunSettings()
    assert set(everything) == {*STAGES, "axes"}
    assert everything["axes"] == {"purchase_value": {"cuts": "quantiles"}}
    for stage in STAGES:
        record = getattr(settings, stage)
        assert list(everything[stage]) == [field.name for field in fields(record)]
        plain = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(record).items()
        }
        assert defaults[stage].items() <= plain.items()
