"""What a run keeps on disk from clustering until it is published, for `segpipe run --resume`.

Takes what the stages up to clustering gave, and the customers' features; gives them back to a later
run of the same origin, which then neither parses nor clusters. These are figures of customers, so
only the user can read them, and they are removed once the run is published.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from segpipe import __version__
from segpipe.axes.catalogue import axis_path
from segpipe.core.plain import plain_values
from segpipe.core.schema import CUSTOMER_FEATURES, TICKETS
from segpipe.core.settings import RunSettings
from segpipe.engines.base import CustomerTable, EngineError
from segpipe.model.assign import batch_measures
from segpipe.model.compare import rescored_axes
from segpipe.model.document import Model, model_of, raw_measures_of
from segpipe.pipeline.checkpoint_folder import checkpoint_folder, discard
from segpipe.pipeline.context import Discovered
from segpipe.pipeline.memberships import assignment_columns
from segpipe.runs import PublishedRun

_RUN_FILE = "run.json"  # written last: where it is there, everything is
_WITHOUT_EFFECT = (  # on what is kept; all other settings, also those of later versions, have one
    "engine",
    "assign",
    "gates",
    "load",
    "model_out_path",
    "is_dry_run",
    "is_forced",
    "is_resumed",
    "notes",
)


@dataclass(frozen=True)
class Origin:
    """What the stages up to clustering depend on, as hashes: the same gives the same."""

    version: str  # of segpipe
    input_hash: str
    settings: str
    previous: str  # the current run, and all ids that were ever given
    forgotten: str


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


def save(
    customers: CustomerTable, store_id: str, origin: Origin, found: Discovered, former: Model | None
) -> str | None:
    """Keep what was discovered; a note where that fails, which is no reason for the run to fail.

    Of the features, what assignment with this model and the `former` one looks at is kept.
    """
    folder = checkpoint_folder(store_id)
    try:
        discard(store_id)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        measures = batch_measures(found.model) + raw_measures_of(rescored_axes(former, found.model))
        # Of the tickets, what will be asked: who has one later than the previous run's date.
        tickets_until = found.features.as_of if "tickets" in found.model.inputs else None
        files = customers.keep(folder, assignment_columns(measures), tickets_until)
        document = {
            "run": {"origin": asdict(origin), **_plain(found)},
            "files": {path.stem: _protect(path) for path in files},
        }
        _write_run(folder / _RUN_FILE, document)
    except (OSError, EngineError) as error:
        discard(store_id)
        reason = str(error).splitlines()[0]
        return f"Nothing is kept for --resume, since {folder} cannot be written: {reason}"
    return None


def find(store_id: str, origin: Origin) -> Discovered | str:
    """What was kept, if it is of this origin; otherwise why it cannot be used, as a clause."""
    folder = checkpoint_folder(store_id)
    try:
        document = json.loads((folder / _RUN_FILE).read_text(encoding="utf-8"))
        if reason := _difference(Origin(**document["run"].pop("origin")), origin):
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


def restore(customers: CustomerTable, store_id: str, found: Discovered) -> None:
    """Create in the engine the tables of what `find` gave."""
    folder = checkpoint_folder(store_id)
    tables = [CUSTOMER_FEATURES.name]
    if "tickets" in found.model.inputs:
        tables.append(TICKETS.name)
    customers.restore([_file(folder, table) for table in tables])


def _file(folder: Path, table: str) -> Path:
    return folder / f"{table}.parquet"


def _protect(path: Path) -> dict[str, Any]:
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


def _plain(found: Discovered) -> dict[str, Any]:
    return {
        "source": plain_values(asdict(found.source)),
        "features": plain_values(asdict(found.features)),
        "sample": asdict(found.sample) if found.sample else None,
        "axes": [asdict(axis) for axis in found.axes],
        "model": found.model.document(),
        "scatter": found.scatter,
    }


def _structured(run: dict[str, Any]) -> Discovered:
    from cattrs import Converter  # a tenth of a second, for a run that resumes only

    converter = Converter(detailed_validation=False)
    for kind in (date, datetime):
        converter.register_structure_hook(kind, lambda text, to: to.fromisoformat(text))
    converter.register_structure_hook(Model, lambda document, _: model_of(document))
    found: Discovered = converter.structure(run, Discovered)
    return found


def _difference(kept: Origin, origin: Origin) -> str | None:
    """Why what is kept cannot be used by a run of this origin, None where it can."""
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
    """Stage → key → value, with files of settings by their content."""
    values = asdict(settings)
    for name in _WITHOUT_EFFECT:
        del values[name]
    values["source"]["preset_paths"] = [_content(path) for path in settings.source.preset_paths]
    axes = map(axis_path, settings.features.axis_paths)
    values["features"]["axis_paths"] = [_content(path) for path in axes]
    values["model_path"] = _content(settings.model_path) if settings.model_path else None
    return values


def _content(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return str(path)  # the stage that reads it will say so


def _hash(value: object) -> str:
    text = json.dumps(plain_values(value), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
