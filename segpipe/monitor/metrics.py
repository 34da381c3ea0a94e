"""Prometheus' text format, for the textfile collector of node_exporter.

Takes how a run of a store ended; writes one file, at once or not at all. The lines of other stores
stay, and of a run that published nothing so do the figures of the last one that did.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from segpipe.core.report import RunReport

_LAST_RUN = {  # name → help; written at the end of every run
    "segpipe_last_run_timestamp_seconds": "Unix time at which the last run ended.",
    "segpipe_last_run_exit_status": "Exit status of the last run; 0: published.",
    "segpipe_last_run_duration_seconds": "Wall time of the last run.",
}
_LAST_SUCCESS = "segpipe_last_success_timestamp_seconds"
_PUBLISHED = {  # kept until the next run that publishes
    _LAST_SUCCESS: "Unix time at which a run last published; 0: never.",
    "segpipe_published_run_id": "Number of the last published run.",
    "segpipe_customers": "Customers of the last published run.",
    "segpipe_rows_read": "Data rows read by the last published run.",
    "segpipe_rows_rejected": "Data rows that the last published run could not read.",
    "segpipe_newest_order_timestamp_seconds": "Newest order of the last published run, Unix time.",
    "segpipe_peak_memory_bytes": "Memory of the last published run at its peak.",
    "segpipe_stage_seconds": "Wall time of a stage of the last published run.",
    "segpipe_agreement": "Share of an axis's customers whom a fit of everybody would not move.",
}
_HELP = {**_LAST_RUN, **_PUBLISHED}
_MARK = "# HELP segpipe_"
_LINE = re.compile(r"(segpipe_\w+)\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_LOCK_SECONDS = 5.0

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ending:
    """How a run ended; `report` is that of a run that published."""

    store_id: str
    ended_at: float  # Unix time
    seconds: float
    status: int
    report: RunReport | None


@dataclass(frozen=True)
class Sample:
    """A line of the file; the first label is the store."""

    name: str
    labels: Labels
    value: str

    @property
    def store_id(self) -> str:
        """Shop that it is of."""
        return self.labels[0][1]

    @property
    def line(self) -> str:
        """As it stands in the file."""
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in self.labels)
        return f"{self.name}{{{labels}}} {self.value}"


def path_problem(path: Path) -> str | None:
    """Why no metrics can be written there; None where they can."""
    if path.is_dir():
        return f"names the folder {path}; name a file such as segpipe.prom."
    if not path.parent.is_dir():
        return f"names {path}, but there is no folder {path.parent}; make it first."
    # A new file takes the place of the old one, so that it is the folder that matters.
    if not os.access(path.resolve().parent, os.W_OK | os.X_OK):
        return f"names {path}, but the folder may not be written to; name another file."
    return _file_problem(path) if path.exists() else None


def _file_problem(path: Path) -> str | None:
    if not path.is_file() or not os.access(path, os.R_OK):
        return f"names {path}, which cannot be read as a file; name another one."
    with path.open("rb") as stream:
        start = stream.read(len(_MARK))
    if start not in (b"", _MARK.encode()):
        return f"names {path}, which is something else than segpipe's metrics; name another file."
    return None


def write_metrics(path: Path, ending: Ending) -> None:
    """Put the run's lines in place of the store's former ones; OSError where that fails."""
    path = path.resolve()
    with _locked(path.parent):
        before = _read(path)
        _replace(path, metrics_text(merged(before, ending)))


def merged(before: Iterable[Sample], ending: Ending) -> list[Sample]:
    """Samples of other stores, those that the run leaves standing, and its own."""
    gone = _HELP if ending.report else _LAST_RUN
    kept = [s for s in before if s.store_id != ending.store_id or s.name not in gone]
    samples = [*kept, *samples_of(ending)]
    if not any(s.name == _LAST_SUCCESS and s.store_id == ending.store_id for s in samples):
        # An alert on the age of 0 fires, as one on a metric that is not there would not.
        samples.append(_sample(_LAST_SUCCESS, ending.store_id, 0))
    return samples


def samples_of(ending: Ending) -> list[Sample]:
    """What the run says of itself, in the order of the file."""
    store = ending.store_id
    samples = [
        _sample("segpipe_last_run_timestamp_seconds", store, round(ending.ended_at, 3)),
        _sample("segpipe_last_run_exit_status", store, ending.status),
        _sample("segpipe_last_run_duration_seconds", store, round(ending.seconds, 3)),
    ]
    if ending.report:
        samples.append(_sample(_LAST_SUCCESS, store, round(ending.ended_at, 3)))
        samples += _samples_of_report(store, ending.report)
    return samples


def _samples_of_report(store: str, report: RunReport) -> Iterator[Sample]:
    source = report.source
    if report.load:
        yield _sample("segpipe_published_run_id", store, report.load.run_id)
    yield _sample("segpipe_customers", store, report.features.n_customers)
    yield _sample("segpipe_rows_read", store, source.n_rows_read)
    yield _sample("segpipe_rows_rejected", store, source.n_rows_rejected)
    if source.last_ordered_at:
        newest = source.last_ordered_at.replace(tzinfo=UTC).timestamp()
        yield _sample("segpipe_newest_order_timestamp_seconds", store, newest)
    peak = round(report.peak_memory_mb * 2**20)
    yield _sample("segpipe_peak_memory_bytes", store, peak)
    for stage in report.stages:
        yield _sample("segpipe_stage_seconds", store, round(stage.seconds, 3), stage=stage.name)
    for axis in report.axes:
        if axis.agreement:
            yield _sample("segpipe_agreement", store, axis.agreement.share, axis=axis.name)


def metrics_text(samples: Iterable[Sample]) -> str:
    """The file: each metric once, with its help and type, its samples by store."""
    by_name: dict[str, list[Sample]] = {name: [] for name in _HELP}
    for sample in samples:
        by_name[sample.name].append(sample)
    lines = []
    for name, found in by_name.items():
        if found:
            lines += [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} gauge"]
            # Within a store as they came: stages in their order, axes in the catalogue's.
            lines += [sample.line for sample in sorted(found, key=lambda s: s.store_id)]
    return "\n".join(lines) + "\n"


def _sample(name: str, store: str, value: float, **labels: str) -> Sample:
    return Sample(name, (("store", store), *labels.items()), repr(value))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _unescaped(value: str) -> str:
    return re.sub(r"\\.", lambda found: _UNESCAPED.get(found[0], found[0]), value)


def _read(path: Path) -> list[Sample]:
    """Samples of a file that segpipe wrote; none where there is no file."""
    if not path.exists():
        return []
    samples = []
    # Not splitlines, which breaks at more signs than the format does.
    for line in path.read_bytes().decode("utf-8", "replace").split("\n"):
        found = _LINE.fullmatch(line)
        if found and found[1] in _HELP:
            labels = tuple((name, _unescaped(text)) for name, text in _LABEL.findall(found[2]))
            if labels and labels[0][0] == "store":
                samples.append(Sample(found[1], labels, found[3]))
    return samples


def _replace(path: Path, text: str) -> None:
    # The collector reads *.prom, and never half a file.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode("utf-8", "replace"))
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)  # the collector is another user
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time: two stores may be published side by side. Leaves no file behind."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        until = time.monotonic() + _LOCK_SECONDS
        while time.monotonic() < until:
            with suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.05)
        yield  # a holder that hangs is no reason to write nothing
    finally:
        os.close(handle)
