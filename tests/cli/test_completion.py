"""Shell completion, as bash asks for it."""

from __future__ import annotations

import pytest

from tests.support.commands import segpipe


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("segpipe transi", ["transitions"]),
        ("segpipe run --verb", ["--verbose"]),
        ("segpipe run --audit f", ["full"]),
        ("segpipe sql declining", ["declining_worth_keeping", "declining_worth_keeping_gin"]),
    ],
)
def test_the_shell_completes_commands_options_and_names(line: str, expected: list[str]) -> None:
    words = line.split()
    env = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = segpipe(_SEGPIPE_COMPLETE="bash_complete", **env)
    assert [found.split(",")[1] for found in done.out.split()] == expected


def test_the_shell_completes_file_names() -> None:
    env = {"COMP_WORDS": "segpipe run --csv-path sho", "COMP_CWORD": "3"}
    assert segpipe(_SEGPIPE_COMPLETE="bash_complete", **env).out.startswith("file,")
