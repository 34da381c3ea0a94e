"""From the lines of a few customers to their features: the batch's stages, prepared for a model.

Takes rows of texts; gives figures of customer_features. What the engine plans is planned
once; a request costs what its lines cost.
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
from segpipe.model.document import Model
from segpipe.realtime.lines import Row
from segpipe.realtime.vectorised import Axes
from segpipe.sources.request import packed, request_lines, request_tickets
from segpipe.sources.typed import BREAK

_LINES, _TICKETS = "typed_lines", "typed_tickets"
_N_REFUSED, _NOBODY = "n_refused", ""  # a count, and whom it is of
_REFUSED = (
    "row_status IS NOT NULL AND customer_id IS NOT NULL"  # the latter: of nothing there is a blank
)
Figures = dict[str, Any]  # measure or metric → figure; a missing one is None or not there

# More than two, for one or two make the engine begin each aggregate with a table of a megabyte or
# so, a seventh of the time. All of them are external: nobody but the caller works.
_THREADS = 3


@dataclass(frozen=True)
class PreparedFeatures:
    """Statements of one model on an engine of their own; for one thread at a time."""

    engine: Connection
    parts: tuple[tuple[str, ...], ...]  # measures that come together
    axes: Axes
    has_tickets: bool

    def features(
        self, lines: Sequence[Row], tickets: Sequence[Row], as_of: date
    ) -> tuple[dict[str, Figures], bool]:
        """Figures of the customers who have an order by then, and whether any row is refused."""
        given = {"lines": packed(lines), "as_of": as_of.isoformat()}
        if self.has_tickets:
            given["tickets"] = packed(tickets)
        found: dict[str, Figures] = {}
        for place, customer, values in self._execute("features", given):
            found.setdefault(customer, {}).update(zip(self.parts[place], values, strict=True))
        has_refused = bool(found.pop(_NOBODY)[_N_REFUSED])
        # Counts are whole numbers, and everybody who is there has an order, and so all of them.
        for figures in found.values():
            figures |= {metric: int(figures[count]) for metric, count in COUNTS.items()}
        return found, has_refused

    def refused(self, lines: Sequence[Row], tickets: Sequence[Row]) -> dict[str, tuple[str, str]]:
        """Customer → the reason against one of their lines or tickets, and the text it is about."""
        found = self._execute(_LINES, {"lines": packed(lines)})
        if self.has_tickets:
            found += self._execute(_TICKETS, {"tickets": packed(tickets)})
        return {key: (reason, text) for key, reason, text in reversed(found)}

    def _execute(self, statement: str, parameters: Mapping[str, str]) -> list[tuple[Any, ...]]:
        # The engine does not bind parameters to those of EXECUTE.
        given = ", ".join(f"{name} := {literal(text)}" for name, text in parameters.items())
        return self.engine.execute(f"EXECUTE {statement}({given})").fetchall()


@contextmanager
def prepare_features(model: Model) -> Iterator[PreparedFeatures]:
    """Give the statements that make features for this model, which take half a second to plan."""
    has_tickets = "tickets" in model.inputs
    typed = {_LINES: request_lines(model.timezone)}
    typed |= {_TICKETS: request_tickets(model.timezone)} if has_tickets else {}
    tables = [(_LINES, ORDER_LINES), (_TICKETS, TICKETS)][: len(typed)]
    kept = {
        table.name: f"SELECT {', '.join(table.columns)} FROM {name} WHERE row_status IS NULL"
        for name, table in tables
    }
    axes = Axes.of(model)
    refused = " UNION ALL ".join(
        f"SELECT row_status FROM {name} WHERE {_REFUSED}" for name in typed
    )
    n_refused = Part(
        f"SELECT '{_NOBODY}' AS customer, count(*) AS {_N_REFUSED} FROM ({refused})",
        (_N_REFUSED,),
    )
    statement, parts = features_statement(
        frozenset(model.inputs), model.reference, {**typed, **kept}, axes.measures, [n_refused]
    )
    with open_engine(EngineSettings(threads=_THREADS)) as engine:
        engine.execute(f"SET external_threads = {_THREADS}")
        engine.execute(f"PREPARE features AS {statement}")
        for name, query in typed.items():
            reason = f"split_part(row_status, {BREAK}, 1), split_part(row_status, {BREAK}, 2)"
            engine.execute(
                f"PREPARE {name} AS SELECT customer_id, {reason} FROM ({query}) WHERE {_REFUSED}"
            )
        yield PreparedFeatures(engine, parts, axes, has_tickets)
