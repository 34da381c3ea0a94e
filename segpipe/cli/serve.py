"""`segpipe serve`: the published run over HTTP, and customers assigned in real time."""

from __future__ import annotations

import ipaddress
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

from segpipe.cli.options import database_url_option

if TYPE_CHECKING:
    from segpipe.access.api_keys import ApiKey
    from segpipe.runs.current_run import CurrentRun

_WEB = {"fastapi", "httptools", "psycopg_pool", "pydantic", "uvicorn"}
_ALLOCATOR = "GLIBC_TUNABLES"
_ROOM = "glibc.malloc.tcache_count=20000"
_CREATE = "make one with `segpipe keys create NAME`"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", default=5001, show_default=True, type=click.IntRange(0, 65535), help="0: any free."
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes; one a core.",
)
@click.option("--store-id", help="Shop to serve, where there are several.")
@database_url_option
def serve(
    host: str, port: int, workers: int, store_id: str | None, database_url: str | None
) -> None:
    """Serve the published run over HTTP, and assign customers in real time.

    Example: segpipe serve --port 5001 --workers 2
    """
    import tempfile
    from pathlib import Path

    _check_extra_installed()
    from segpipe.api import ServeSettings, bind
    from segpipe.api import serve as serve_settings
    from segpipe.postgres.database import resolve_url

    url, _ = resolve_url(database_url)
    store_id, run, keys = _found(url, store_id)
    _check_keys_exist(host, keys)
    with closing(bind(host, port)) as bound, tempfile.TemporaryDirectory() as folder:
        name, port = bound.getsockname()[:2]
        where = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
        _tell(store_id, run, keys, f"{where} ({workers} worker{'s' * (workers > 1)})")
        parent = os.getpid() if workers > 1 else None
        serve_settings(
            ServeSettings(url, store_id, Path(folder), host, port, workers, parent), bound
        )


def keep_heap_whole() -> None:
    """Begin the process anew, with more of the small pieces that it frees kept at hand.

    The engine makes and frees the same ones at each request; the heap frays, and after some hundred
    an assignment takes half as long again. Only the environment of a new process can tell glibc.
    """
    if sys.platform == "linux" and sys.executable and _ALLOCATOR not in os.environ:
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**os.environ, _ALLOCATOR: _ROOM})  # noqa: S606 - ours


def _check_extra_installed() -> None:
    """Raise MissingExtraError where the web's libraries are not installed."""
    from importlib.util import find_spec

    from segpipe.core.errors import MissingExtraError

    missing = sorted(name for name in _WEB if find_spec(name) is None)
    if missing:
        msg = f"`segpipe serve` needs {', '.join(missing)}, of the extra api;"
        raise MissingExtraError(f"{msg} install it with: pip install 'segpipe[api]'")


def _found(url: str, store_id: str | None) -> tuple[str, CurrentRun | None, dict[int, ApiKey]]:
    """The store to serve, its run in force, and the active keys."""
    from segpipe.access.key_table import read_active_keys
    from segpipe.postgres.database import open_store
    from segpipe.runs.current_run import current_run, only_store

    with open_store(url) as store:
        named = only_store(store, store_id)
        return named, current_run(store, named), read_active_keys(store)


def _check_keys_exist(host: str, keys: dict[int, ApiKey]) -> None:
    """Raise InputError for an address that others reach while nobody has a key."""
    from segpipe.core.errors import InputError

    if keys or _is_loopback(host):
        return
    msg = f"--host {host} is reached from elsewhere, and there is no API key;"
    raise InputError(f"{msg} {_CREATE}, or serve at 127.0.0.1.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tell(store_id: str, run: CurrentRun | None, keys: dict[int, ApiKey], where: str) -> None:
    told = f"run {run.run_id} as of {run.as_of}" if run else "no run yet"
    click.echo(f"segpipe: serving store {store_id}, {told}, at {where}", err=True)
    if not keys:
        told = "every request but /health is refused"
        click.echo(f"segpipe: there is no API key yet, so {told}; {_CREATE}", err=True)
