"""The README is true: its commands run, its SQL answers, its options are those of the program."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from segpipe import postgres
from segpipe.cli.main import cli
from segpipe.datasets.synthetic import generate_order_lines
from segpipe.postgres import embedded
from tests.support.commands import ROOT, segpipe, spawn

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = README.splitlines()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith(("segpipe ", "python scripts/"))]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder with an export, and the home of an embedded database on which it was run."""
    folder = tmp_path_factory.mktemp("readme")
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


def test_the_first_command_and_its_output_are_on_the_first_screen() -> None:
    assert LINES.index("make demo") < 20
    assert next(i for i, line in enumerate(LINES) if line.startswith("Published")) < 40


@pytest.mark.slow
def test_the_demo_prints_what_the_readme_shows(database_url: str, tmp_path: Path) -> None:
    outcome = segpipe("demo", "--database-url", database_url, SEGPIPE_HOME=str(tmp_path))
    assert outcome.status == 0, outcome.err
    told = next(block for block in blocks("text") if "Published" in block)
    for line in told.splitlines():
        is_measured = re.match(r"Stage |\w+ +[\d.]+$|Peak memory|Note: The embedded", line)
        if not is_measured and ".segpipe" not in line:  # the home of the test is elsewhere
            assert line in outcome.out.splitlines()


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
        env["DATABASE_URL"] = database_url  # empty; the workplace's has this very export in force
    if program == "segpipe":
        outcome = segpipe(*arguments, **env)
    else:
        outcome = spawn(sys.executable, ROOT / arguments[0], *arguments[1:], **env)
    assert outcome.status == 0, outcome.err
    assert outcome.out


@pytest.mark.parametrize("query", [block for block in blocks("sql") if "SELECT" in block[:7]])
@pytest.mark.postgres
def test_a_query_answers(query: str, workplace: tuple[Path, str]) -> None:
    with postgres.connect(embedded.start(Path(workplace[1]))) as connection:
        cursor = connection.execute(query.encode())
        assert cursor.description


def test_every_option_of_run_is_in_the_table_and_no_other() -> None:
    table = README.split("## Options of `segpipe run`")[1].split("Exit status")[0]
    told = set(re.findall(r"`(--[a-z-]+)|, `(--[a-z-]+)", table))
    named = {option for pair in told for option in pair if option}
    run = cli.commands["run"]
    real = {
        name
        for p in run.params
        if isinstance(p, click.Option)
        for name in (*p.opts, *p.secondary_opts)
    }
    assert named == real


def test_every_command_is_named_and_its_help_gives_an_example() -> None:
    for name, command in cli.commands.items():
        assert re.search(rf"`{name}[ `]|segpipe {name}", README), name
        assert command.help is not None
        subcommands = command.commands if isinstance(command, click.Group) else {}
        for found in (command, *subcommands.values()):
            assert "Example:" in (found.help or ""), found.name


def test_every_relative_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
