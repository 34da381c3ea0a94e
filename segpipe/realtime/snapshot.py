"""What is held in memory of the run in force, and replaced as a whole when another one is.

Takes a run and its model; gives a Snapshot that one thread assigns with.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from segpipe.answers import InForce
from segpipe.model.document import Model, model_of
from segpipe.realtime import Rollup, open_rollup


@dataclass(frozen=True)
class Snapshot:
    """A run with its model, ready to assign; nothing in it changes."""

    run: InForce
    model: Model | None  # None: the run kept none, and nobody can be assigned
    rollup: Rollup | None
    closing: ExitStack = field(repr=False)


def open_snapshot(run: InForce, document: dict[str, Any] | None) -> Snapshot:
    """The run with its statements prepared, which takes half a second."""
    closing = ExitStack()
    if document is None:
        return Snapshot(run, None, None, closing)
    model = model_of(document, f"of run {run.run_id}")
    return Snapshot(run, model, closing.enter_context(open_rollup(model)), closing)
