"""Features of a few customers by the batch's stages, prepared for one model.

Rows of texts become the columns of customer_features. The engine plans the statements once, so
that a request costs only what its lines cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from segpipe.core.schema import ORDER_LINES, TICKETS
from segpipe.core.settings import EngineSettings
from segpipe.engines.duckdb import Connection, literal, open_engine
from segpipe.features import COUNTS, Part, features_statement
from segpipe.model.assign import needed_measures
from segpipe.model.document import Model
from segpipe.realtime.lines import Row
from segpipe.sources.request import packed, request_lines, request_tickets
from segpipe.sources.typed import BREAK

_LINES, _TICKETS = "typed_lines", "typed_tickets"
_N_REJECTED, _NOBODY = "n_rejected", ""  # a count, and the id in whose row it comes
_REJECTED = (
    "row_status IS NOT NULL AND customer_id IS NOT NULL"  # without rows there is one blank row
)
Figures = dict[str, Any]  # measure or metric → value; a missing one is None or absent

# With one or two threads the engine starts each aggregate with a table of about a megabyte, which
# takes a seventh of the time. All three are external, so only the caller's thread works.
_THREADS = 3


@dataclass(frozen=True)
class PreparedFeatures:
    """Statements of one model on their own engine; for one thread at a time."""

    engine: Connection
    parts: tuple[tuple[str, ...], ...]  # measures that come in one row
    measures: tuple[str, ...]  # of customer_features, from which the model's axes are made
    has_tickets: bool

    def features(
        self, lines: Sequence[Row], tickets: Sequence[Row], as_of: date
    ) -> tuple[dict[str, Figures], bool]:
        """Features of the customers with an order by then, and whether any row is rejected."""
        given = {"lines": packed(lines), "as_of": as_of.isoformat()}
        if self.has_tickets:
            given["tickets"] = packed(tickets)
        found: dict[str, Figures] = {}
        for place, customer, values in self._execute("features", given):
            found.setdefault(customer, {}).update(zip(self.parts[place], values, strict=True))
        has_rejected = bool(found.pop(_NOBODY)[_N_REJECTED])
        # Counts are whole numbers, and present, as every customer here has an order.
        for figures in found.values():
            figures |= {metric: int(figures[count]) for metric, count in COUNTS.items()}
        return found, has_rejected

    def rejected(self, lines: Sequence[Row], tickets: Sequence[Row]) -> dict[str, tuple[str, str]]:
        """Customer → why one of their lines or tickets is rejected, and the text at fault."""
        found = self._execute(_LINES, {"lines": packed(lines)})
        if self.has_tickets:
            found += self._execute(_TICKETS, {"tickets": packed(tickets)})
        return {key: (reason, text) for key, reason, text in reversed(found)}

    def _execute(self, statement: str, parameters: Mapping[str, str]) -> list[tuple[Any, ...]]:
        # The engine cannot bind parameters in an EXECUTE.
        given = ", ".join(f"{name} := {literal(text)}" for name, text in parameters.items())
        return self.engine.execute(f"EXECUTE {statement}({given})").fetchall()


@contextmanager
def prepare_features(model: Model) -> Iterator[PreparedFeatures]:
    """Give the statements that compute the model's features; planning takes half a second."""
    has_tickets = "tickets" in model.inputs
    typed = {_LINES: request_lines(model.timezone)}
    typed |= {_TICKETS: request_tickets(model.timezone)} if has_tickets else {}
    tables = [(_LINES, ORDER_LINES), (_TICKETS, TICKETS)][: len(typed)]
    kept = {
        table.name: f"SELECT {', '.join(table.columns)} FROM {name} WHERE row_status IS NULL"
        for name, table in tables
    }
    measures = needed_measures(model)
    rejected = " UNION ALL ".join(
        f"SELECT row_status FROM {name} WHERE {_REJECTED}" for name in typed
    )
    n_rejected = Part(
        f"SELECT '{_NOBODY}' AS customer, count(*) AS {_N_REJECTED} FROM ({rejected})",
        (_N_REJECTED,),
    )
    statement, parts = features_statement(
        frozenset(model.inputs), model.reference, {**typed, **kept}, measures, [n_rejected]
    )
    with open_engine(EngineSettings(threads=_THREADS)) as engine:
        engine.execute(f"SET external_threads = {_THREADS}")
        engine.execute(f"PREPARE features AS {statement}")
        for name, query in typed.items():
            reason = f"split_part(row_status, {BREAK}, 1), split_part(row_status, {BREAK}, 2)"
            engine.execute(
                f"PREPARE {name} AS SELECT customer_id, {reason} FROM ({query}) WHERE {_REJECTED}"
            )
        yield PreparedFeatures(engine, parts, measures, has_tickets)
