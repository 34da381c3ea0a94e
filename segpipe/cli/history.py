"""`segpipe diff`, `segpipe rollback` and `segpipe forget`: past runs, and people in them."""

from __future__ import annotations

import sys

import click

from segpipe.cli.options import (
    customer_store_option,
    database_url_option,
    json_option,
    store_option,
)
from segpipe.cli.output import notify, print_json


@click.command()
@click.argument("before")
@click.argument("after")
@store_option
@database_url_option
@json_option
def diff(
    before: str, after: str, store_id: str | None, database_url: str | None, *, as_json: bool
) -> None:
    """Compare two runs: input, settings, versions, segments, moves.

    BEFORE and AFTER are numbers of `segpipe runs`, or latest.

    Example: segpipe diff 1 latest
    """
    from segpipe.history import diff_runs, diff_text
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        found = diff_runs(store, before, after, store_id)
    if as_json:
        print_json(found)
    else:
        click.echo(diff_text(found))


@click.command()
@click.argument("run", required=False)
@store_option
@database_url_option
def rollback(run: str | None, store_id: str | None, database_url: str | None) -> None:
    """Make an earlier run current again.

    RUN is its number, by default that of the run before the current one. The runs after it are
    withdrawn. `segpipe runs` shows which runs are kept.

    Example: segpipe rollback
    """
    from segpipe import runs
    from segpipe.core.errors import InputError
    from segpipe.core.text import counted
    from segpipe.history import store_of_run
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        of_store, run_id = store_of_run(store, run or "latest", store_id)
        with runs.hold_store(store, of_store, wait=True, notify=notify):
            now = runs.latest_published(store, of_store)
            if run is None and now != run_id:
                msg = f"Run {now} was published while this command waited; nothing was changed."
                raise InputError(f"{msg} Name the run that you want: segpipe rollback RUN.")
            done = runs.rollback(store, of_store, run_id if run else None)
    profiles = counted(done.n_profiles, "profile")
    message = f"Run {done.current_run_id} of store {of_store} is current again: {profiles}"
    if done.withdrawn:
        word = "run" if len(done.withdrawn) == 1 else "runs"
        message += f"; withdrawn: {word} {', '.join(map(str, done.withdrawn))}"
    click.echo(f"{message}.")


@click.command()
@click.argument("customer")
@customer_store_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@database_url_option
def forget(customer: str, store_id: str | None, database_url: str | None, *, yes: bool) -> None:
    """Remove a person everywhere, and leave them out of later runs.

    They are removed from profiles, kept runs and exported files; what cannot be reached, such as
    the input file, is listed. It cannot be undone. To let somebody in again, delete their row of
    forgotten_customers.

    Example: segpipe forget 15362 --yes
    """
    from segpipe.core.errors import InputError
    from segpipe.postgres.database import open_store
    from segpipe.privacy import erase_customer, store_of_customer
    from segpipe.privacy.text import erasure_text

    if not yes and not sys.stdin.isatty():
        msg = f"This would remove customer {customer!r} for good, and there is no terminal to"
        raise InputError(f"{msg} confirm it; give --yes.")
    with open_store(database_url) as store:
        of_store = store_of_customer(store, customer, store_id)
        question = f"Remove customer {customer!r} of store {of_store!r} for good?"
        if not yes and not click.confirm(question, err=True):
            click.echo("Nothing was removed.")
            return
        click.echo(erasure_text(erase_customer(store, of_store, customer, notify)))
