"""The engine of a run: the stages that are defined for DuckDB, behind the protocol of engines/base.

It stands here, above the rooms that define how files are read and features computed, which know
nothing of the protocol. See docs/decisions/0011-engine-seam.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import pyarrow as pa

from segpipe.core.forgotten import Forgotten
from segpipe.core.report import FeatureInfo, SourceInfo
from segpipe.core.schema import Reference
from segpipe.core.settings import EngineSettings, SourceSettings
from segpipe.engines.base import Engine
from segpipe.engines.duckdb import open_engine
from segpipe.engines.duckdb_tables import DuckDbTables, engine_errors
from segpipe.features import compute_features, read_activity
from segpipe.sources import read_order_lines
from segpipe.sources.forgotten import remove_forgotten


class DuckDbEngine(DuckDbTables):
    """All customers in the tables of one DuckDB connection."""

    def read_order_lines(
        self, settings: SourceSettings, progress: Callable[[str], None], *, is_forced: bool
    ) -> SourceInfo:
        """Read the files into `order_lines` and `tickets`."""
        with engine_errors():
            return read_order_lines(self.connection, settings, progress, is_forced=is_forced)

    def remove_forgotten(self, forgotten: Forgotten | None) -> tuple[int, int]:
        """Remove forgotten customers from what was read; how many they and their lines are."""
        with engine_errors():
            return remove_forgotten(self.connection, forgotten)

    def compute_features(
        self,
        inputs: frozenset[str],
        as_of: date | None,
        reference: Reference | None,
        progress: Callable[[str], None],
    ) -> tuple[FeatureInfo, Reference]:
        """Compute `customer_features`, with this reference or one that is learnt on the way."""
        with engine_errors():
            return compute_features(self.connection, inputs, as_of, reference, progress)

    def read_activity(self, days_back: int, horizon_days: int) -> pa.Table:
        """Customers as of an earlier day, and what they did in the horizon after it."""
        with engine_errors():
            return read_activity(self.connection, days_back, horizon_days)


@contextmanager
def open_run_engine(settings: EngineSettings) -> Iterator[Engine]:
    """Give the engine of a run. Raises InputError when it refuses a setting."""
    with open_engine(settings) as connection:
        yield DuckDbEngine(connection)
