"""`segpipe serve`: the published run over HTTP, and customers assigned in real time."""

from __future__ import annotations

import ipaddress
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

from segpipe.cli.options import database_url_option, store_option
from segpipe.cli.output import notify

if TYPE_CHECKING:
    from segpipe.access.api_keys import ApiKey
    from segpipe.runs.current_run import CurrentRun

_WEB = {"fastapi", "httptools", "psycopg_pool", "pydantic", "uvicorn"}
_ALLOCATOR = "GLIBC_TUNABLES"
_CACHE = "glibc.malloc.tcache_count=20000"
_CREATE = "create one with `segpipe keys create NAME`"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=5001,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port; 0 for any that is free.",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes, one per core.",
)
@store_option
@database_url_option
def serve(
    host: str, port: int, workers: int, store_id: str | None, database_url: str | None
) -> None:
    """Serve segments over HTTP, and assign customers in real time.

    Example: segpipe serve --port 5001 --workers 2
    """
    import tempfile
    from pathlib import Path

    _check_extra_installed()
    from segpipe.api import ServeSettings, bind
    from segpipe.api import serve as serve_settings
    from segpipe.core.text import counted
    from segpipe.postgres.database import resolve_url

    url, _ = resolve_url(database_url)
    store_id, run, keys = _what_to_serve(url, store_id)
    _check_keys_exist(host, keys)
    with closing(bind(host, port)) as bound, tempfile.TemporaryDirectory() as folder:
        name, port = bound.getsockname()[:2]
        where = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
        _announce(store_id, run, keys, f"{where} ({counted(workers, 'worker')})")
        parent = os.getpid() if workers > 1 else None
        serve_settings(
            ServeSettings(url, store_id, Path(folder), host, port, workers, parent), bound
        )


def keep_heap_whole() -> None:
    """Restart the process with a setting of glibc that keeps more freed memory for reuse.

    The engine allocates and frees the same small pieces at each request. The heap fragments, and
    after some hundred requests an assignment takes half as long again. glibc reads the setting from
    the environment when a process starts.
    """
    if sys.platform == "linux" and sys.executable and _ALLOCATOR not in os.environ:
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**os.environ, _ALLOCATOR: _CACHE})  # noqa: S606 - ours


def _check_extra_installed() -> None:
    """Raise MissingExtraError unless the libraries of the extra `api` are installed."""
    from importlib.util import find_spec

    from segpipe.core.errors import MissingExtraError

    missing = sorted(name for name in _WEB if find_spec(name) is None)
    if missing:
        msg = f"`segpipe serve` needs {', '.join(missing)}, of the extra api;"
        raise MissingExtraError(f"{msg} install it with: pip install 'segpipe[api]'")


def _what_to_serve(
    url: str, store_id: str | None
) -> tuple[str, CurrentRun | None, dict[int, ApiKey]]:
    """The store to serve, its current run, and the active keys."""
    from segpipe.access.key_table import read_active_keys
    from segpipe.postgres.database import open_store
    from segpipe.runs.current_run import current_run, only_store

    with open_store(url) as store:
        named = only_store(store, store_id)
        return named, current_run(store, named), read_active_keys(store)


def _check_keys_exist(host: str, keys: dict[int, ApiKey]) -> None:
    """Raise InputError for an address that others can reach while there is no key."""
    from segpipe.core.errors import InputError

    if keys or _is_loopback(host):
        return
    msg = f"--host {host} can be reached from elsewhere, and there is no API key;"
    raise InputError(f"{msg} {_CREATE}, or serve at 127.0.0.1.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _announce(store_id: str, run: CurrentRun | None, keys: dict[int, ApiKey], where: str) -> None:
    what = f"run {run.run_id} as of {run.as_of}" if run else "no run yet"
    notify(f"serving store {store_id}, {what}, at {where}")
    if not keys:
        notify(f"there is no API key yet, so every request but /health is refused; {_CREATE}")
