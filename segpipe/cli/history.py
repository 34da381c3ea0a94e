"""`segpipe diff`, `segpipe rollback` and `segpipe forget`: past runs, and people in them."""

from __future__ import annotations

import json
import sys

import click

from segpipe.cli.options import (
    customer_store_option,
    database_url_option,
    json_option,
    notify,
    store_option,
)


@click.command()
@click.argument("before")
@click.argument("after")
@store_option
@database_url_option
@json_option
def diff(
    before: str, after: str, store_id: str | None, database_url: str | None, *, as_json: bool
) -> None:
    """Tell what changed between two runs: input, settings, versions, segments, moves.

    A run is its number in `segpipe runs`, or latest.

    Example: segpipe diff 1 latest
    """
    from dataclasses import asdict

    from segpipe.core.plain import plain_values
    from segpipe.history import diff_runs, diff_text
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        found = diff_runs(store, before, after, store_id)
    if as_json:
        click.echo(json.dumps(plain_values(asdict(found)), indent=2, ensure_ascii=False))
    else:
        click.echo(diff_text(found))


@click.command()
@click.argument("run", required=False)
@store_option
@database_url_option
def rollback(run: str | None, store_id: str | None, database_url: str | None) -> None:
    """Put an earlier run back in force: RUN, or else the one before the present one.

    The runs since are withdrawn; `segpipe runs` tells which ones are kept.

    Example: segpipe rollback
    """
    from segpipe import publishing, runs
    from segpipe.core.errors import InputError
    from segpipe.history import store_of_run
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        of_store, run_id = store_of_run(store, run or "latest", store_id)
        with runs.hold_store(store, of_store, wait=True, told=notify):
            now = runs.latest_published(store, of_store)
            if run is None and now != run_id:
                msg = f"Run {now} was published while this waited; nothing was put back."
                raise InputError(f"{msg} Name the run that you want: segpipe rollback RUN.")
            done = publishing.rollback(store, of_store, run_id if run else None)
    profiles = f"{done.n_profiles:,} profile{'s' * (done.n_profiles != 1)}"
    told = f"Run {done.current_run_id} of store {of_store} is in force again: {profiles}"
    withdrawn = ", ".join(map(str, done.withdrawn))
    word = "run" if len(done.withdrawn) == 1 else "runs"
    click.echo(f"{told}; withdrawn: {word} {withdrawn}." if withdrawn else f"{told}.")


@click.command()
@click.argument("customer")
@customer_store_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@database_url_option
def forget(customer: str, store_id: str | None, database_url: str | None, *, yes: bool) -> None:
    """Remove a person from profiles, kept runs and exports, and leave them out from now on.

    What no command reaches, such as the input file, is told. It cannot be undone; to let somebody
    in again, delete their row of forgotten_customers.

    Example: segpipe forget 15362 --yes
    """
    from segpipe.core.errors import InputError
    from segpipe.postgres.database import open_store
    from segpipe.privacy import erase_customer, store_of_customer
    from segpipe.privacy.text import erasure_text

    if not yes and not sys.stdin.isatty():
        msg = f"This would remove customer {customer!r} for good, and there is no terminal to ask"
        raise InputError(f"{msg} on; say --yes.")
    with open_store(database_url) as store:
        of_store = store_of_customer(store, customer, store_id)
        asked = f"Remove customer {customer!r} of store {of_store!r} for good?"
        if not yes and not click.confirm(asked, err=True):
            click.echo("Nothing was removed.")
            return
        click.echo(erasure_text(erase_customer(store, of_store, customer, notify)))
