"""The options by which a command is told what to read, and the settings that they make."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from segpipe.core.settings import RunSettings

FILE = click.Path(path_type=Path)
Command = Callable[..., Any]
database_url_option = click.option(
    "--database-url", help="Else DATABASE_URL, else the embedded PostgreSQL."
)
store_option = click.option("--store-id", help="Where several stores have been published.")
customer_store_option = click.option("--store-id", help="Where several stores have the customer.")
json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")
_INPUT = (
    click.option(
        "--csv-path",
        "csv_paths",
        multiple=True,
        metavar="PATH",
        help="Order lines: .csv, .csv.gz, .parquet or .xlsx; repeatable, globs welcome.",
    ),
    click.argument("more_paths", nargs=-1, metavar="[PATH]..."),
    click.option(
        "--source", metavar="PRESET", help="Preset of config/sources; else by the header."
    ),
    click.option(
        "--preset-file", "preset_files", type=FILE, multiple=True, help="Your own mapping."
    ),
    click.option("--timezone", help="The shop's time zone.  [default: UTC]"),
    click.option("--tickets", type=FILE, help="Support tickets, one row a ticket."),
    click.option("--max-reject-share", type=float, help="Refuse above it.  [default: 0.05]"),
    click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Observation date."),
    click.option(
        "--axis-file", "axis_files", type=FILE, multiple=True, help="An axis of your own, or rfm."
    ),
    click.option("--memory-limit", metavar="SIZE", help="Of the engine, such as 4GB."),
    click.option(
        "--config", "config_path", type=FILE, help="Settings file (TOML), under the options."
    ),
)


def input_options(command: Command) -> Command:
    """The command with the options of the source, feature and engine settings."""
    for option in reversed(_INPUT):
        command = option(command)
    return command


def settings_of(options: dict[str, Any], more: dict[str, dict[str, Any]]) -> RunSettings:
    """Settings of `input_options` and of `more`, over those of the settings file.

    Raises InputError where no input is named.
    """
    from segpipe.core.errors import InputError
    from segpipe.core.settings import load_settings

    as_of: datetime | None = options["as_of"]
    by_stage: dict[str, dict[str, Any]] = {
        "source": {
            "paths": (*options["csv_paths"], *options["more_paths"]) or None,
            "preset": options["source"],
            "preset_paths": options["preset_files"] or None,
            "timezone": options["timezone"],
            "tickets_path": options["tickets"],
            "max_reject_share": options["max_reject_share"],
        },
        "engine": {"memory_limit": options["memory_limit"]},
        "features": {
            "as_of": as_of.date() if as_of else None,
            "axis_paths": options["axis_files"] or None,
        },
    }
    for stage, values in more.items():
        by_stage[stage] = {**by_stage.get(stage, {}), **values}
    settings = load_settings(options["config_path"], by_stage)
    if not settings.source.paths:
        raise InputError("No input was named; give --csv-path FILE, or paths under [source].")
    return settings


def notify(text: str) -> None:
    """Print a line about the command itself to standard error, where no result goes."""
    click.echo(f"segpipe: {text}", err=True)
