"""`segpipe doctor`."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from segpipe.config import RunSettings

_FILE = click.Path(path_type=Path)


@click.command()
@click.option(
    "--csv-path",
    "csv_paths",
    multiple=True,
    metavar="PATH",
    help="Order lines: .csv, .csv.gz, .parquet or .xlsx; repeatable, globs welcome.",
)
@click.argument("more_paths", nargs=-1, metavar="[PATH]...")
@click.option("--source", metavar="PRESET", help="Preset of config/sources; else by the header.")
@click.option("--preset-file", "preset_files", type=_FILE, multiple=True, help="Your own mapping.")
@click.option("--timezone", help="The shop's time zone.  [default: UTC]")
@click.option("--tickets", type=_FILE, help="Support tickets, one row a ticket.")
@click.option("--max-reject-share", type=float, help="Refuse above it.  [default: 0.05]")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Observation date.")
@click.option("--axis-file", "axis_files", type=_FILE, multiple=True, help="An axis of your own.")
@click.option("--memory-limit", metavar="SIZE", help="Of the engine, such as 4GB.")
@click.option(
    "--config", "config_path", type=_FILE, help="Settings file (TOML), under the options."
)
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def doctor(*, quiet: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click's values
    """Tell what a run would make of some files; nothing is written anywhere.

    Exit status 0: the run would go through; 1: it would be refused; 2: the command is amiss.

    Example: segpipe doctor --csv-path product_sales_order.csv
    """
    from zoneinfo import ZoneInfo

    from segpipe.doctor import diagnosis_text, examine
    from segpipe.progress import open_progress

    settings = _settings(options)
    today = datetime.now(ZoneInfo(settings.source.timezone)).date()
    with open_progress(is_quiet=quiet) as progress:
        progress.stage("doctor")
        diagnosis = examine(settings, today, progress.step)
    if as_json:
        plain = diagnosis.to_dict()
        click.echo(json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(diagnosis_text(diagnosis), nl=False)
    sys.exit(1 if diagnosis.refusals else 0)


def _settings(options: dict[str, Any]) -> RunSettings:
    from segpipe.config import load_settings
    from segpipe.errors import InputError

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
    settings = load_settings(options["config_path"], by_stage)
    if not settings.source.paths:
        raise InputError("No input was named; give --csv-path FILE, or paths under [source].")
    return settings
