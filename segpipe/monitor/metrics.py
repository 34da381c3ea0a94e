"""Metrics of a run, as a file for the textfile collector of node_exporter.

The file is replaced in one step. The samples of other stores stay in it; after a run that published
nothing, so do the figures of the store's last run that did.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

from filelock import lock_descriptor
from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tenacity import retry_if_result, stop_after_delay

from segpipe.core.backoff import backoff
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
_LOCK_SECONDS = 5.0


@dataclass(frozen=True)
class Ending:
    """How a run ended; `report` is None unless it published."""

    store_id: str
    ended_at: float  # Unix time
    seconds: float
    status: int
    report: RunReport | None


@dataclass(frozen=True)
class _MetricsFile:
    """The file's samples, as prometheus_client collects them to write them."""

    samples: Sequence[Sample]

    def collect(self) -> Iterator[Metric]:
        """Each metric once, its samples by store."""
        for name, text in _HELP.items():
            found = [sample for sample in self.samples if sample.name == name]
            if found:
                metric = Metric(name, text, "gauge")
                # Within a store as they came: stages in their order, axes in the catalogue's.
                metric.samples = sorted(found, key=_store_of)
                yield metric


def path_problem(path: Path) -> str | None:
    """Why no metrics can be written there; None if they can."""
    if path.is_dir():
        return f"names the folder {path}; name a file such as segpipe.prom."
    if not path.parent.is_dir():
        return f"names {path}, but there is no folder {path.parent}; make it first."
    # A new file replaces the old one, so the rights on the folder matter.
    if not os.access(path.resolve().parent, os.W_OK | os.X_OK):
        return f"names {path}, but its folder cannot be written to; name another file."
    return _file_problem(path) if path.exists() else None


def _file_problem(path: Path) -> str | None:
    if not path.is_file() or not os.access(path, os.R_OK):
        return f"names {path}, which cannot be read as a file; name another one."
    with path.open("rb") as stream:
        start = stream.read(len(_MARK))
    if start not in (b"", _MARK.encode()):
        return f"names {path}, which is not a file of segpipe's metrics; name another file."
    return None


def write_metrics(path: Path, ending: Ending) -> None:
    """Replace the store's samples in the file by those of the run. Raises OSError if it cannot."""
    path = path.resolve()
    store_id = ending.store_id.encode("utf-8", "replace").decode()  # an argument may be no UTF-8
    with _locked(path.parent):
        samples = _merged(list(_read(path)), replace(ending, store_id=store_id))
        _replace(path, generate_latest(_MetricsFile(samples)))


def _merged(before: Sequence[Sample], ending: Ending) -> list[Sample]:
    """Samples of other stores, those of the store that the run leaves as they were, and its own."""
    replaced = _HELP if ending.report else _LAST_RUN
    kept = [s for s in before if _store_of(s) != ending.store_id or s.name not in replaced]
    samples = [*kept, *_samples_of(ending)]
    if not any(s.name == _LAST_SUCCESS and _store_of(s) == ending.store_id for s in samples):
        # An alert on the age of 0 fires; one on a metric that is missing would not.
        samples.append(_sample(_LAST_SUCCESS, ending.store_id, 0))
    return samples


def _samples_of(ending: Ending) -> Iterator[Sample]:
    """The run's own samples, in the order of the file."""
    store = ending.store_id
    yield _sample("segpipe_last_run_timestamp_seconds", store, round(ending.ended_at, 3))
    yield _sample("segpipe_last_run_exit_status", store, ending.status)
    yield _sample("segpipe_last_run_duration_seconds", store, round(ending.seconds, 3))
    if ending.report:
        yield _sample(_LAST_SUCCESS, store, round(ending.ended_at, 3))
        yield from _samples_of_report(store, ending.report)


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


def _sample(name: str, store: str, value: float, **labels: str) -> Sample:
    return Sample(name, {"store": store, **labels}, value)


def _store_of(sample: Sample) -> str:
    return sample.labels["store"]


def _read(path: Path) -> Iterator[Sample]:
    """Samples of a file that segpipe wrote; none if there is no file."""
    if not path.exists():
        return
    for line in path.read_bytes().decode("utf-8", "replace").split("\n"):
        # By line, so that one that somebody else broke takes no other with it.
        with suppress(ValueError):
            for family in text_string_to_metric_families(line):
                yield from (s for s in family.samples if s.name in _HELP and "store" in s.labels)


def _replace(path: Path, content: bytes) -> None:
    """Replace the file in one step, readable for everybody and safely on disk.

    write_to_textfile of prometheus_client leaves the mode to the umask, and does not sync.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)  # the collector is another user
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time, as two stores may be published at once. Leaves no file behind."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        attempts = backoff(
            retry=retry_if_result(lambda is_locked: not is_locked),
            stop=stop_after_delay(_LOCK_SECONDS),
            first_seconds=0.05,
            longest_seconds=0.05,
        )
        attempts(lock_descriptor, handle, blocking=False)
        yield  # without the lock if its holder hangs: better than to write nothing
    finally:
        os.close(handle)
