"""Support tickets, the optional second input.

Takes one file in any of the formats of order lines; gives the table `tickets` of the schema.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segpipe.core.errors import InputError
from segpipe.core.schema import TICKETS
from segpipe.core.settings import SourceSettings
from segpipe.engines.duckdb import Connection, literal
from segpipe.sources.files import expand, find_files
from segpipe.sources.intake import Rejected, collect_rejected, ingest
from segpipe.sources.presets import Preset
from segpipe.sources.read import Part
from segpipe.sources.recognise import Mapping
from segpipe.sources.typed import BREAK, GUEST, identifier, in_range, timestamp_of, trimmed

_TABLE = TICKETS.name
TICKETS_PRESET = Preset(
    name="tickets",
    title="Support tickets",
    required=("customer_id", "created_at", "channel"),
    columns={
        "customer_id": ("customer_id", "customer", "requester_id", "customer_email", "email"),
        "created_at": ("created_at", "created", "opened_at", "date", "created_date"),
        "channel": ("channel", "via", "source", "ticket_channel"),
        "resolved_at": ("resolved_at", "resolved", "closed_at", "solved_at"),
        "message_count": ("message_count", "messages", "replies", "n_messages"),
        "satisfaction": ("satisfaction", "satisfaction_score", "csat", "rating"),
        "priority": ("priority", "urgency"),
        "is_reopened": ("reopened", "is_reopened", "was_reopened"),
    },
)
TICKET_COLUMNS = tuple(TICKETS_PRESET.columns)
_YES, _NO = "('true', 't', '1', 'yes', 'y')", "('false', 'f', '0', 'no', 'n')"


@dataclass(frozen=True)
class TicketsRead:
    """What was read; empty where no tickets were given."""

    rejected: Rejected
    n_rows: int = 0
    n_tickets: int = 0
    sha256: str | None = None
    notes: tuple[str, ...] = ()


def read_tickets(
    engine: Connection,
    settings: SourceSettings,
    timezone: str,
    scratch: Path,
    notify: Callable[[str], None],
) -> TicketsRead:
    """What was read into `tickets`, without unreadable tickets and those without a customer.

    Raises InputError for a file that cannot be read or lacks a required column.
    """
    engine.execute(f"DROP TABLE IF EXISTS {_TABLE}")
    if settings.tickets_path is None:
        return TicketsRead(Rejected((), Counter()))
    files, notes = find_files((str(settings.tickets_path),))
    if len(files) > 1:
        msg = f"{settings.tickets_path} matches {len(files)} files; expected one file of tickets."
        raise InputError(msg)
    orders = {path.resolve() for given in settings.paths for path in expand(given)}
    if orders.intersection(path.resolve() for path in expand(str(settings.tickets_path))):
        msg = f"The tickets {settings.tickets_path} are also named as order lines;"
        raise InputError(f"{msg} name a file with one support ticket per row.")

    def select(part: Part) -> str:
        return typed_tickets(part.mapping, part.relation, timezone)

    reads, more_notes = ingest(
        engine, _TABLE, files, (TICKETS_PRESET,), TICKETS_PRESET.name, select, scratch, notify
    )
    rejected = collect_rejected(engine, _TABLE, reads)
    n_typed = sum(read.n_rows for read in reads)
    n_broken = sum(read.broken.n_records for read in reads)
    n_guests = _count(engine, f"row_status = '{GUEST}'")
    engine.execute(f"DELETE FROM {_TABLE} WHERE row_status IS NOT NULL")
    engine.execute(f"ALTER TABLE {_TABLE} DROP COLUMN row_status")
    return TicketsRead(
        rejected=rejected,
        n_rows=n_typed + n_broken,
        n_tickets=_count(engine, "true"),
        sha256=files[0].sha256,
        notes=(*notes, *more_notes, *_notes(rejected, n_guests)),
    )


def _count(engine: Connection, condition: str) -> int:
    row = engine.execute(f"SELECT count(*) FROM {_TABLE} WHERE {condition}").fetchone()
    return int(row[0]) if row else 0


def _notes(rejected: Rejected, n_guests: int) -> tuple[str, ...]:
    notes = []
    if rejected.reasons:
        reasons = ", ".join(f"{reason} ({n:,})" for reason, n in sorted(rejected.reasons.items()))
        notes.append(f"{rejected.reasons.total():,} tickets were rejected: {reasons}.")
    if n_guests:
        notes.append(f"{n_guests:,} tickets have no customer id and are left out.")
    return tuple(notes)


def typed_tickets(mapping: Mapping, relation: str, timezone: str) -> str:
    """SELECT of tickets, each with its row_status, from a relation of texts c0, c1 and so on."""
    texts = [f"{_text(mapping, name)} AS {name}_text" for name in TICKETS_PRESET.columns]
    stamps = []
    for name in ("created_at", "resolved_at"):
        wall, instant = timestamp_of(f"{name}_text")
        stamps += [f"{wall} AS {name}_wall", f"{instant} AS {name}_instant"]
    columns = [
        f"{identifier('customer_id_text')} AS customer_id",
        f"{_instant('created_at', timezone)} AS created_at",
        "lower(channel_text) AS channel",
        f"{_instant('resolved_at', timezone)} AS resolved_at",
        "TRY_CAST(TRY_CAST(message_count_text AS DOUBLE) AS INTEGER) AS message_count",
        "TRY_CAST(satisfaction_text AS DOUBLE) AS satisfaction",
        "priority_text AS priority",
        (
            f"CASE WHEN lower(is_reopened_text) IN {_YES} THEN true "
            f"WHEN lower(is_reopened_text) IN {_NO} THEN false END AS is_reopened"
        ),
        f"{_row_status()} AS row_status",
    ]
    return (
        f"SELECT {', '.join(columns)} FROM (SELECT *, {', '.join(stamps)} "
        f"FROM (SELECT {', '.join(texts)} FROM {relation}))"
    )


def _text(mapping: Mapping, name: str) -> str:
    columns = [trimmed(f"c{i}") for i in mapping.positions.get(name, ())]
    return f"coalesce({', '.join(columns)})" if columns else "NULL::VARCHAR"


def _instant(name: str, timezone: str) -> str:
    wall, instant = in_range(f"{name}_wall"), in_range(f"{name}_instant")
    if timezone != "UTC":
        wall = f"timezone('UTC', timezone({literal(timezone)}, {wall}))"
    return f"coalesce({wall}, {instant})"


def _row_status() -> str:
    """SQL: why a ticket is rejected; names refer to the columns before it in the SELECT."""
    cases = (
        ("length(customer_id) > 100", "customer id is over 100 characters", "customer_id"),
        ("created_at_text IS NULL", "date is missing", "''"),
        ("created_at IS NULL", "date cannot be read", "created_at_text"),
        ("channel IS NULL", "channel is missing", "''"),
        (
            "resolved_at_text IS NOT NULL AND resolved_at IS NULL",
            "date cannot be read",
            "resolved_at_text",
        ),
        (
            "message_count_text IS NOT NULL AND coalesce(message_count, -1) < 0",
            "message count is not a number",
            "message_count_text",
        ),
        (
            "satisfaction_text IS NOT NULL AND NOT coalesce(satisfaction BETWEEN 1 AND 5, false)",
            "satisfaction is not 1 to 5",
            "satisfaction_text",
        ),
        (
            "is_reopened_text IS NOT NULL AND is_reopened IS NULL",
            "reopened is not yes or no",
            "is_reopened_text",
        ),
    )
    whens = " ".join(
        f"WHEN {condition} THEN {literal(reason)} || {BREAK} || {text}"
        for condition, reason, text in cases
    )
    return f"CASE {whens} WHEN customer_id IS NULL THEN '{GUEST}' END"
