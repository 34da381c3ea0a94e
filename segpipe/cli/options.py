"""The options that several commands share, and the settings that a run's options make."""

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
    "--database-url",
    metavar="URL",
    help="The database.  [default: DATABASE_URL, else the embedded PostgreSQL]",
)
store_option = click.option(
    "--store-id", metavar="ID", help="The store, where several have been published."
)
customer_store_option = click.option(
    "--store-id", metavar="ID", help="The store, where several have the customer."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")
verbose_option = click.option(
    "--verbose", is_flag=True, help="Print every figure: each K that was tried, each stage."
)
run_option = click.option(
    "--run",
    default="latest",
    show_default=True,
    metavar="RUN",
    help="A number of `segpipe runs`, or latest.",
)
_INPUT = (
    click.option(
        "--csv-path",
        "csv_paths",
        multiple=True,
        metavar="PATH",
        type=click.Path(),
        help="Order lines: .csv, .csv.gz, .parquet or .xlsx. Repeatable; globs work.",
    ),
    click.argument("more_paths", nargs=-1, metavar="[PATH]...", type=click.Path()),
    click.option(
        "--source",
        metavar="PRESET",
        help="Preset of the file's columns.  [default: found by the header]",
    ),
    click.option(
        "--preset-file",
        "preset_files",
        type=FILE,
        multiple=True,
        help="Your own preset. Repeatable.",
    ),
    click.option(
        "--timezone",
        metavar="ZONE",
        help="The shop's time zone.  [default: the preset's, else UTC]",
    ),
    click.option("--tickets", type=FILE, help="Support tickets, one row a ticket."),
    click.option(
        "--max-reject-share",
        type=float,
        metavar="SHARE",
        help="Share of the rows, 0 to 1, that may be unreadable; with more, the run is refused."
        "  [default: 0.05]",
    ),
    click.option(
        "--as-of",
        type=click.DateTime(["%Y-%m-%d"]),
        help="Observation date.  [default: the day after the newest order]",
    ),
    click.option(
        "--axis-file",
        "axis_files",
        type=FILE,
        multiple=True,
        help="An axis of your own, or rfm. Repeatable.",
    ),
    click.option("--memory-limit", metavar="SIZE", help="Memory of the engine, such as 4GB."),
    click.option(
        "--config",
        "config_path",
        type=FILE,
        help="Settings as TOML; options override them.",
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
