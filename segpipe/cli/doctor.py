"""`segpipe doctor`."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import click

from segpipe.cli.options import input_options, json_option, quiet_option, settings_of
from segpipe.cli.output import print_json


@click.command()
@input_options
@quiet_option
@json_option
def doctor(*, quiet: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click's values
    """Check files without running; nothing is written.

    Exit status: 0, the run would go through; 1, it would be refused; 2, wrong usage.

    Example: segpipe doctor --csv-path product_sales_order.csv
    """
    from zoneinfo import ZoneInfo

    from segpipe.core.progress import open_progress
    from segpipe.doctor import diagnosis_text, examine

    settings = settings_of(options, {})
    today = datetime.now(ZoneInfo(settings.source.timezone or "UTC")).date()
    with open_progress(is_quiet=quiet) as progress:
        progress.stage("doctor")
        diagnosis = examine(settings, today, progress.step)
    if as_json:
        print_json(diagnosis.to_dict())
    else:
        click.echo(diagnosis_text(diagnosis), nl=False)
    sys.exit(1 if diagnosis.refusals else 0)
