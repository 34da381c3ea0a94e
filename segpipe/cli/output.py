"""What commands print beside plain text: JSON as the result, and lines about the command itself."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

import click

from segpipe.core.plain import plain_values


def print_json(value: Any) -> None:  # noqa: ANN401 - a record, or rows of the database
    """Print the value as JSON: dates as ISO texts, times in UTC."""
    document = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    plain = plain_values(document)
    click.echo(json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False))


def notify(text: str) -> None:
    """Print a line about the command itself to standard error, where no result goes."""
    click.echo(f"segpipe: {text}", err=True)


def warn(text: str) -> None:
    """Print a warning to standard error."""
    notify(f"warning: {text}")
