"""The export: takes a connection and a folder, gives files that are all of one run.

They are read in one transaction, written to a folder of their own and moved at the end, so that a
publication meanwhile changes nothing and a crash leaves no half file. The folder is recorded in the
database, for `segpipe forget`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from segpipe.core.errors import InputError
from segpipe.export import folders
from segpipe.export.agent import Totals, agent_document
from segpipe.export.erase import STAGING
from segpipe.export.formats import FORMATS, Format, Record
from segpipe.export.read import (
    ExportedRun,
    find_run,
    read_segments,
    read_totals,
    spool_profiles,
    spooled_profiles,
)
from segpipe.postgres import Connection, plain_errors

PROFILES_SCHEMA = "segpipe:profiles:1"
SEGMENTS_SCHEMA = "segpipe:segments:1"
Progress = Callable[[int, int], None]  # profiles done, and about how many there are
_SESSION = {  # of the transaction: no default of the role may end it or round
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "extra_float_digits": "1",
    "timezone": "UTC",
}


def _ignore(_done: int, _total: int) -> None:
    """For an export without progress."""


@dataclass(frozen=True)
class ExportInfo:
    """What was written."""

    store_id: str
    run_id: int
    n_profiles: int
    n_kept: int  # of them from earlier runs
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()  # plain sentences


def export(
    connection: Connection,
    out_path: Path,
    formats: Sequence[str] = ("json",),
    store_id: str | None = None,
    run: str = "latest",
    progress: Progress = _ignore,
) -> ExportInfo:
    """Write profiles, segments and the agent's document of a run into the folder.

    `formats` are names of FORMATS. Raises InputError for a run that cannot be exported and for a
    folder that cannot be written to; then the files that were there stay.
    """
    chosen = [FORMATS[name] for name in dict.fromkeys(formats)]
    with plain_errors(), ExitStack() as opened:
        is_recorded = folders.may_record(connection)
        with connection.transaction():
            _begin(connection)
            found = find_run(connection, store_id, run)
            segments = read_segments(connection, found)
            n_customers, lifetime_value = read_totals(connection, found)
            n_forgotten = folders.count_forgotten(connection, found.store_id) if is_recorded else 0
            staging = opened.enter_context(_staged(out_path))
            spool = opened.enter_context(TemporaryFile(dir=staging))
            spool_profiles(connection, found, spool)
        n_profiles, n_kept = _write_profiles(
            _watched(spooled_profiles(spool, found), progress, n_customers),
            found.axis_names,
            chosen,
            staging,
        )
        totals = Totals(n_customers, n_profiles, n_kept, lifetime_value)
        _write_documents(found, segments, totals, chosen, staging)
        if is_recorded:
            folders.record_folder(connection, found.store_id, found.run_id, out_path)
            with connection.transaction():
                folders.check_nobody_forgotten_since(connection, found.store_id, n_forgotten)
                paths = _move(staging, out_path)
        else:
            paths = _move(staging, out_path)
    notes = () if is_recorded else (folders.UNRECORDED,)
    return ExportInfo(found.store_id, found.run_id, n_profiles, n_kept, paths, notes)


def _begin(connection: Connection) -> None:
    """See one state of the database from here on.

    The lock comes before the snapshot: a publication that has ended by then is seen whole, and the
    next one waits.
    """
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    for name, value in _SESSION.items():
        connection.execute(f"SET LOCAL {name} = '{value}'".encode())
    connection.execute("LOCK TABLE ONLY customer_profiles IN ACCESS SHARE MODE")


@contextmanager
def _staged(out_path: Path) -> Iterator[Path]:
    """A temporary folder inside `out_path`, while the files are written."""
    try:
        out_path.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out_path, prefix=STAGING) as folder:
            yield Path(folder)
    except OSError as error:
        msg = f"The export cannot be written to {out_path} ({error.strerror or error});"
        raise InputError(f"{msg} name a folder with room that you may write to.") from error


def _move(staging: Path, out_path: Path) -> tuple[Path, ...]:
    """The files in their places, by name; the agent's document is moved last."""
    paths = sorted(staging.iterdir())
    for path in reversed(paths):
        path.replace(out_path / path.name)
    return tuple(out_path / path.name for path in paths)


def _write_profiles(
    batches: Iterable[Sequence[Record]],
    axes: Sequence[str],
    formats: Sequence[Format],
    staging: Path,
) -> tuple[int, int]:
    """Profiles written, and how many of them are of earlier runs."""
    n_profiles = n_kept = 0
    with ExitStack() as opened:
        paths = [staging / f"profiles.{kind.profiles}" for kind in formats]
        files = [
            opened.enter_context(path.open("w", encoding="utf-8", newline="\n")) for path in paths
        ]
        for kind, file in zip(formats, files, strict=True):
            file.write(kind.head(axes))
        for batch in batches:
            for kind, file in zip(formats, files, strict=True):
                file.write(kind.batch(batch, axes))
            n_profiles += len(batch)
            n_kept += sum(not profile["is_current"] for profile in batch)
        if not n_profiles:
            for kind, file in zip(formats, files, strict=True):
                file.write(kind.empty)
    return n_profiles, n_kept


def _watched(
    batches: Iterable[list[dict[str, Any]]], progress: Progress, n_customers: int
) -> Iterator[list[dict[str, Any]]]:
    done = 0
    for batch in batches:
        yield batch
        done += len(batch)
        progress(done, n_customers)


def _write_documents(
    run: ExportedRun,
    segments: Sequence[Record],
    totals: Totals,
    formats: Sequence[Format],
    staging: Path,
) -> None:
    document = {
        "$schema": SEGMENTS_SCHEMA,
        "store_id": run.store_id,
        "run_id": run.run_id,
        "as_of": str(run.as_of) if run.as_of else None,
        "segments": list(segments),
    }
    files = [file for kind in formats for file in _files(kind, totals, len(segments))]
    agent = agent_document(run, segments, totals, files)
    for kind in formats:
        written = {
            f"segments.{kind.segments}": kind.segments_text(document),
            f"agent.{kind.agent}": kind.agent_text(agent),
        }
        for name, text in written.items():
            (staging / name).write_text(text, encoding="utf-8", newline="\n")


def _files(kind: Format, totals: Totals, n_segments: int) -> list[dict[str, Any]]:
    """The other files, as the agent's document lists them; a table has no JSON Schema."""
    counts = (
        (f"profiles.{kind.profiles}", PROFILES_SCHEMA, totals.n_profiles),
        (f"segments.{kind.segments}", SEGMENTS_SCHEMA, n_segments),
    )
    return [
        {"name": name, "schema": None if name.endswith(".csv") else schema, "n_records": n_records}
        for name, schema, n_records in counts
    ]
