"""What a run asks of an engine, whichever engine it is.

The tables that cross a stage (core/schema.py) stay inside the engine. What comes out are the
records that a report is made of, and rows as Arrow. Nothing here depends on where customers are: in
one table, or in partitions on several machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from segpipe.core.forgotten import Forgotten
from segpipe.core.report import FeatureInfo, SourceInfo
from segpipe.core.schema import Reference
from segpipe.core.settings import SourceSettings

MapBatches = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class EngineError(Exception):
    """The engine failed; the text starts with the class of its own error."""


class EngineMemoryError(EngineError):
    """The engine ran out of memory."""


class CustomerTable(Protocol):
    """`customer_features`, and the tickets: all customers of a run. Each may raise EngineError.

    Several threads may ask at the same time.
    """

    def count_customers(self) -> int:
        """How many there are."""

    def draw_customers(self, seed: int, sizes: Sequence[int], quotas: Sequence[int]) -> pa.Table:
        """Customers drawn by lifetime value, with all columns, in the order of their ids.

        Strata are cut from the highest value down, `sizes` customers each; from each, `quotas`
        customers are drawn by the MD5 of "seed:id". The column `stratum` counts from 0.
        """

    def read_columns(self, names: Sequence[str]) -> pa.Table:
        """These columns of everybody, in the order of the ids."""

    def map_customers(
        self, function: MapBatches, columns: Sequence[str], batch_size: int
    ) -> Iterator[pa.RecordBatch]:
        """What the function makes of everybody's columns, in batches in the order of the ids."""

    def customers_with_tickets(self, after: date, until: date) -> frozenset[str]:
        """Ids of the customers with a ticket later than the one day, up to the other."""

    def keep(
        self, folder: Path, columns: Sequence[str], tickets_until: date | None
    ) -> tuple[Path, ...]:
        """Write the columns to the folder, for `restore`; the files, each named for its table.

        With `tickets_until` also each customer's latest ticket up to that day.
        """

    def restore(self, files: Sequence[Path]) -> None:
        """Create the tables from files that `keep` wrote, in place of those that are there."""


class Engine(CustomerTable, Protocol):
    """The stages that make these tables, in the order of a run."""

    def read_order_lines(
        self, settings: SourceSettings, progress: Callable[[str], None], *, is_forced: bool
    ) -> SourceInfo:
        """Read the files into `order_lines` and `tickets`. Raises InputError and GateError."""

    def remove_forgotten(self, forgotten: Forgotten | None) -> tuple[int, int]:
        """Remove forgotten customers from what was read; how many they and their lines are."""

    def compute_features(
        self,
        inputs: frozenset[str],
        as_of: date | None,
        reference: Reference | None,
        progress: Callable[[str], None],
    ) -> tuple[FeatureInfo, Reference]:
        """Compute `customer_features`, with this reference or one that is learnt on the way."""

    def read_activity(self, days_back: int, horizon_days: int) -> pa.Table:
        """Customers with an order by then: the outlook's measures as of so many days ago.

        And n_later and later_value: occasions and revenue of the horizon after that day.
        """
