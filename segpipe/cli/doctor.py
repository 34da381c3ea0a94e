"""`segpipe doctor`."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

import click

from segpipe.cli.options import input_options, settings_of


@click.command()
@input_options
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def doctor(*, quiet: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click's values
    """Tell what a run would make of some files; nothing is written anywhere.

    Exit status 0: the run would go through; 1: it would be refused; 2: the command is amiss.

    Example: segpipe doctor --csv-path product_sales_order.csv
    """
    from zoneinfo import ZoneInfo

    from segpipe.core.progress import open_progress
    from segpipe.doctor import diagnosis_text, examine

    settings = settings_of(options, {})
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
