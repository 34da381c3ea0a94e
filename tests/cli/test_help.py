"""The help of every command is what tests/snapshots/help has."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from segpipe.cli.main import cli
from tests.support.commands import call
from tests.support.snapshots import Snapshots


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Words of every command: the program itself, its commands and their subcommands."""
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(commands(cli)), ids=lambda path: " ".join(path) or "segpipe")
def test_the_help_of_a_command(
    path: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    snapshots: Snapshots,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    outcome = call(capsys, *path, "--help")
    assert outcome.status == 0
    snapshots.check(f"help/{'_'.join(path) or 'segpipe'}", outcome.out)
