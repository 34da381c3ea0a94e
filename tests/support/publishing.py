"""A run of membership batches, published by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from segpipe import publishing, runs
from segpipe.core.report import LoadInfo
from segpipe.postgres import Connection
from tests.conftest import AXES, Rows


def publish_batches(
    database: Connection,
    batches: Iterable[pa.RecordBatch],
    store_id: str = "default",
    **options: Any,  # noqa: ANN401 - fields of Publication
) -> LoadInfo:
    """Start a run of the store and publish the batches on the axes `AXES`."""
    run_id = runs.start_run(database, store_id)
    task = publishing.Publication(run_id, store_id, batches, axes=AXES, **options)
    return publishing.publish(database, task)


def publish_ids(
    database: Connection,
    rows: Rows,
    ids: Sequence[str],
    store_id: str = "default",
    value: float = 10.0,
) -> int:
    """Number of a new run of these customers, who are alike."""
    return publish_batches(database, [rows(ids, value)], store_id).run_id
