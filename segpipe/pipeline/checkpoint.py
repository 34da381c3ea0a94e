"""What a run keeps on disk from clustering to the end of publication, for `segpipe run --resume`.

Takes what the stages up to clustering gave, and the customers' features; gives them back to a later
run of the same origin, which then neither parses nor clusters. Customers' figures: for the user's
eyes only, and gone once the run is published.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from segpipe import __version__
from segpipe.axes.catalogue import axis_path
from segpipe.core.errors import InputError
from segpipe.core.plain import plain_values
from segpipe.core.report import AxisInfo, FeatureInfo, SampleInfo, SourceInfo
from segpipe.core.schema import CUSTOMER_FEATURES, METRICS, TICKETS
from segpipe.core.settings import RunSettings, home_path
from segpipe.engines.duckdb import Connection, EngineError, literal, quote
from segpipe.model.assign import needed_measures
from segpipe.model.compare import rescored_axes
from segpipe.model.document import Model, model_of
from segpipe.runs import PublishedRun

_RUN_FILE = "run.json"  # written last: what is kept is whole where it is there
_WITHOUT_EFFECT = (  # on what is kept; whatever else is set, and will ever be, has one
    "engine",
    "assign",
    "gates",
    "load",
    "model_out_path",
    "is_dry_run",
    "is_forced",
    "is_resumed",
)


@dataclass(frozen=True)
class Origin:
    """What the stages up to clustering depend on, as hashes: the same gives the same."""

    version: str  # of segpipe
    input_hash: str
    settings: str
    previous: str  # run in force, and all ids that were ever given
    forgotten: str


@dataclass(frozen=True)
class Resumable:
    """What the stages up to clustering gave; the features are in the engine."""

    origin: Origin
    source: SourceInfo
    features: FeatureInfo
    sample: SampleInfo | None  # None: a given model
    axes: tuple[AxisInfo, ...]  # as discovery came to them, without counts
    model: Model
    scatter: dict[str, Any]


def origin_of(
    settings: RunSettings,
    input_hash: str,
    previous: PublishedRun | None,
    forgotten: Iterable[str] = (),
) -> Origin:
    """The origin of a run over `previous`; `forgotten` are the hashes of the store's customers."""
    return Origin(
        version=__version__,
        input_hash=input_hash,
        settings=_hash(_settings_of_effect(settings)),
        previous=_hash(asdict(previous) if previous else None),
        forgotten=_hash(sorted(forgotten)),
    )


def save(engine: Connection, store_id: str, found: Resumable, former: Model | None) -> str | None:
    """Keep the run; give a note where that cannot be, which is no reason to fail.

    Of the features as much is kept as assignment with the model and the `former` one looks at.
    """
    folder = _folder(store_id)
    try:
        discard(store_id)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        queries = _queries(found, former)
        files = {table: _write_table(engine, folder, table, q) for table, q in queries.items()}
        _write_run(folder / _RUN_FILE, {"run": _plain(found), "files": files})
    except (OSError, EngineError) as error:
        if "interrupt" in str(error).lower():  # the engine noticed the signal first
            raise
        discard(store_id)
        told = str(error).splitlines()[0]
        return f"Nothing is kept for --resume, since {folder} cannot be written: {told}"
    return None


def find(store_id: str, origin: Origin) -> Resumable | str:
    """The run that is kept, where it is of this origin; else why not, as a clause."""
    folder = _folder(store_id)
    try:
        document = json.loads((folder / _RUN_FILE).read_text(encoding="utf-8"))
        if reason := _difference(Origin(**document["run"]["origin"]), origin):
            return reason
        if any(_seal(_file(folder, name)) != seal for name, seal in document["files"].items()):
            return f"what is kept in {folder} is damaged"
        return _structured(document["run"])
    except FileNotFoundError:
        return "nothing is kept of an earlier run that got as far as clustering"
    except OSError as error:
        return f"what is kept cannot be read ({error})"
    except (KeyError, TypeError, ValueError, AttributeError):
        return f"what is kept in {folder} is damaged"


def restore(engine: Connection, store_id: str, found: Resumable) -> None:
    """Create in the engine the tables of the run that `find` gave."""
    folder = _folder(store_id)
    for table in _queries(found, None):
        scan = f"read_parquet([{literal(str(_file(folder, table)))}]"
        engine.execute(
            f"CREATE OR REPLACE TABLE {quote(table)} AS FROM {scan}, hive_partitioning = false)"
        )


def discard(store_id: str) -> None:
    """Remove what is kept of the store, and the folders around it where they are empty then."""
    folder = _folder(store_id)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()
        folder.parent.parent.rmdir()


def erase_customer(store_id: str, customer_id: str) -> None:
    """Remove the customer from what is kept: all of it goes, whoever is in it.

    Raises InputError where that cannot be.
    """
    discard(store_id)
    folder = _folder(store_id)
    if folder.exists():
        msg = f"{folder} may hold figures of customer {customer_id!r} and cannot be removed;"
        raise InputError(f"{msg} remove it, or run this as its owner.")


def _folder(store_id: str) -> Path:
    return home_path() / "resume" / hashlib.sha256(store_id.encode()).hexdigest()[:32]


def _file(folder: Path, table: str) -> Path:
    return folder / f"{table}.parquet"


def _queries(found: Resumable, former: Model | None) -> dict[str, str]:
    """Table → SELECT of what assignment looks at.

    Of the tickets a customer's latest up to as_of: whether it is later than the previous run's
    date is what will be asked.
    """
    measures = dict.fromkeys(needed_measures(found.model))
    if former:
        axes = rescored_axes(former, found.model)
        measures |= dict.fromkeys(needed_measures(replace(former, axes=axes)))
    columns = ["customer_id", *METRICS, *(m for m in measures if m not in METRICS)]
    features = f"SELECT {', '.join(map(quote, columns))} FROM {CUSTOMER_FEATURES.name}"
    if "tickets" not in found.model.inputs:
        return {CUSTOMER_FEATURES.name: features}
    tickets = (
        f"SELECT customer_id, max(created_at) AS created_at FROM {TICKETS.name}"
        f" WHERE created_at::DATE <= DATE '{found.features.as_of}' GROUP BY ALL ORDER BY ALL"
    )
    return {CUSTOMER_FEATURES.name: features, TICKETS.name: tickets}


def _write_table(engine: Connection, folder: Path, table: str, query: str) -> dict[str, Any]:
    path = _file(folder, table)
    engine.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet)")
    path.chmod(0o600)
    return _seal(path)


def _seal(path: Path) -> dict[str, Any]:
    """Size and hash of a file that is safely on disk."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
    return {"bytes": path.stat().st_size, "sha256": digest}


def _write_run(path: Path, document: dict[str, Any]) -> None:
    """Write the file at once or not at all."""
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    with draft.open("w", encoding="utf-8") as stream:
        json.dump(document, stream, ensure_ascii=False)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def _plain(found: Resumable) -> dict[str, Any]:
    return {
        "origin": asdict(found.origin),
        "source": plain_values(asdict(found.source)),
        "features": plain_values(asdict(found.features)),
        "sample": asdict(found.sample) if found.sample else None,
        "axes": [asdict(axis) for axis in found.axes],
        "model": found.model.document(),
        "scatter": found.scatter,
    }


def _structured(run: dict[str, Any]) -> Resumable:
    from cattrs import Converter  # a tenth of a second, for a run that resumes only

    converter = Converter(detailed_validation=False)
    for kind in (date, datetime):
        converter.register_structure_hook(kind, lambda text, to: to.fromisoformat(text))
    converter.register_structure_hook(Model, lambda document, _: model_of(document))
    found: Resumable = converter.structure(run, Resumable)
    return found


def _difference(kept: Origin, origin: Origin) -> str | None:
    """Why the one does not serve for the other, None where it does."""
    if kept.version != origin.version:
        return f"what is kept was made by segpipe {kept.version}, this is {origin.version}"
    if kept.input_hash != origin.input_hash:
        return "what is kept was made from another input"
    if kept.settings != origin.settings:
        return "what is kept was made with other settings"
    if kept.previous != origin.previous:
        return "another run was published or withdrawn since"
    if kept.forgotten != origin.forgotten:
        return "customers have been forgotten since"
    return None


def _settings_of_effect(settings: RunSettings) -> dict[str, Any]:
    """Stage → key → value, files of settings by their content."""
    told = asdict(settings)
    for name in _WITHOUT_EFFECT:
        del told[name]
    told["source"]["preset_paths"] = [_content(path) for path in settings.source.preset_paths]
    axes = map(axis_path, settings.features.axis_paths)
    told["features"]["axis_paths"] = [_content(path) for path in axes]
    told["model_path"] = _content(settings.model_path) if settings.model_path else None
    return told


def _content(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return str(path)  # the stage that reads it will say so


def _hash(value: object) -> str:
    text = json.dumps(plain_values(value), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
