"""Paths and a preset to typed order lines: the source stage.

Takes SourceSettings; gives the tables `order_lines` (and `tickets`) of the schema and SourceInfo.
Every file is parsed once, straight into the table; lines that do not count are then removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from segpipe.core.errors import GateError, InputError
from segpipe.core.report import SourceInfo
from segpipe.core.schema import AMOUNT, ORDER_LINES
from segpipe.core.settings import SourceSettings
from segpipe.core.timezones import UTC
from segpipe.engines.duckdb import Connection, literal, scratch_folder
from segpipe.sources.files import InputFile, check_not_overwriting, find_files
from segpipe.sources.intake import PartRead, Rejected, collect_rejected, ingest
from segpipe.sources.orders import filled_lines
from segpipe.sources.presets import Preset, load_presets
from segpipe.sources.read import Part
from segpipe.sources.rejects import write_rejects
from segpipe.sources.summary import Outcome, count_outcome, summarise
from segpipe.sources.tickets import TicketsRead, read_tickets
from segpipe.sources.typed import typed_lines

_LINES = ORDER_LINES.name
_TYPED = "source_lines"  # lines that depend on the other lines of their order


@dataclass(frozen=True)
class Intake:
    """What was read; until `finish_order_lines`, `order_lines` holds every record, typed or not."""

    files: tuple[InputFile, ...]
    reads: tuple[PartRead, ...]
    timezone: str  # of the shop's clock
    rejected: Rejected
    tickets: TicketsRead
    outcome: Outcome
    notes: tuple[str, ...]  # on duplicate files and skipped sheets

    @property
    def parts(self) -> tuple[Part, ...]:
        """The files, or their sheets, that were read."""
        return tuple(read.part for read in self.reads)


def read_order_lines(
    engine: Connection,
    settings: SourceSettings,
    progress: Callable[[str], None] | None = None,
    *,
    is_forced: bool = False,
) -> SourceInfo:
    """What was read; creates `order_lines` and, where tickets are given, `tickets`.

    Once the rejects file is written, raises InputError when no order line remains or amounts are
    in several currencies, and GateError when too many rows are rejected, unless it `is_forced`.
    """
    intake = ingest_order_lines(engine, settings, progress or (lambda _: None))
    rejects = intake.rejected.rejects + intake.tickets.rejected.rejects
    first = intake.files[0].path
    rejects_path = write_rejects(rejects, settings.rejects_path, first) if rejects else None
    if _unusable(intake.outcome):
        raise InputError(refusals(intake, settings, rejects_path)[0])
    over_limit = _over_limit(intake, settings, rejects_path)
    if over_limit and not is_forced:
        raise GateError(f"{over_limit[0]} --force continues without them.")
    return replace(finish_order_lines(engine, intake, rejects_path), over_limit=over_limit)


def ingest_order_lines(
    engine: Connection, settings: SourceSettings, notify: Callable[[str], None] = lambda _: None
) -> Intake:
    """Everything in the files, before any check and before lines are left out.

    Raises InputError for a file that cannot be read at all.
    """
    files, notes = find_files(settings.paths)
    check_not_overwriting(settings.rejects_path, [file.path for file in files], "--rejects")
    with scratch_folder(None) as scratch:
        reads, more_notes = _read_lines(engine, files, settings, scratch, notify)
        rejected = collect_rejected(engine, _LINES, reads)
        timezone = shop_timezone(settings, reads[0].part.mapping.preset)
        tickets = read_tickets(engine, settings, timezone, scratch, notify)
    n_broken = sum(read.broken.n_records for read in reads)
    return Intake(
        files=files,
        reads=reads,
        timezone=timezone,
        rejected=rejected,
        tickets=tickets,
        outcome=count_outcome(engine, _LINES, n_broken),
        notes=(*notes, *more_notes),
    )


def shop_timezone(settings: SourceSettings, preset: Preset) -> str:
    """Time zone of the shop's clock: that of the settings, else of the preset, else UTC."""
    return settings.timezone or preset.timezone or UTC


def refusals(intake: Intake, settings: SourceSettings, rejects_path: Path | None) -> list[str]:
    """Every reason why a run on this would be refused, the one that the run gives first."""
    unusable = _unusable(intake.outcome)
    return [*_over_limit(intake, settings, rejects_path), *([unusable] if unusable else [])]


def finish_order_lines(engine: Connection, intake: Intake, rejects_path: Path | None) -> SourceInfo:
    """Remove the lines that do not count from `order_lines`; the summary of those that remain."""
    _drop_uncounted(engine)
    tickets = intake.tickets
    return summarise(
        engine,
        paths=tuple(str(file.path) for file in intake.files),
        parts=intake.parts,
        timezone=intake.timezone,
        input_hash=_hash_of([file.sha256 for file in intake.files], tickets.sha256),
        outcome=intake.outcome,
        reasons=dict(sorted(intake.rejected.reasons.items())),
        rejects_path=rejects_path,
        n_tickets=tickets.n_tickets,
        has_tickets=tickets.sha256 is not None,
        notes=(*intake.notes, *tickets.notes),
    )


def _read_lines(
    engine: Connection,
    files: tuple[InputFile, ...],
    settings: SourceSettings,
    scratch: Path,
    notify: Callable[[str], None],
) -> tuple[tuple[PartRead, ...], tuple[str, ...]]:
    """What was read of each part; `order_lines` then holds every record, typed or not."""

    def select(part: Part) -> str:
        preset = part.mapping.preset
        typed = typed_lines(part.mapping, part.relation, shop_timezone(settings, preset))
        return typed if preset.has_order_columns else finished_lines(typed, preset)

    presets = load_presets(settings.preset_paths)
    engine.execute(f"DROP TABLE IF EXISTS {_LINES}; DROP TABLE IF EXISTS {_TYPED}")
    # Which table the records go to depends on the preset, which is known once they are read.
    reads, notes = ingest(engine, _TYPED, files, presets, settings.preset, select, scratch, notify)
    mapping = reads[0].part.mapping
    if mapping.preset.has_order_columns:
        notify("spreading order columns over lines")
        finished = finished_lines(filled_lines(mapping, _TYPED), mapping.preset)
        engine.execute(f"CREATE TABLE {_LINES} AS {finished}")
        engine.execute(f"DROP TABLE {_TYPED}")
    else:
        engine.execute(f"ALTER TABLE {_TYPED} RENAME TO {_LINES}")
    return reads, notes


def finished_lines(typed: str, preset: Preset) -> str:
    """SELECT of order lines from typed lines.

    It adds row_status, was_negative and currency to the columns of the schema.
    """
    is_return = "amount < 0 OR quantity < 0"
    if preset.return_prefix:
        is_return += f" OR starts_with(upper(order_id), {literal(preset.return_prefix.upper())})"
    values = {
        "line_amount": f"CASE WHEN is_return THEN 0::{AMOUNT} ELSE amount END",
        "quantity": "abs(quantity)",
        "discount_amount": f"CASE WHEN is_return THEN 0::{AMOUNT} ELSE discount END",
        "refund_amount": "CASE WHEN is_return THEN greatest(abs(amount), refund) ELSE refund END",
        "unit_price": (
            "CASE WHEN is_return OR quantity = 0 THEN NULL WHEN price >= 0 THEN price::DOUBLE "
            "ELSE (amount + discount)::DOUBLE / quantity::DOUBLE END"
        ),
    }
    columns = ", ".join(
        f"({values.get(name, name)})::{kind} AS {name}"
        for name, kind in ORDER_LINES.columns.items()
    )
    marked = f"SELECT *, {is_return} AS is_return FROM ({typed})"
    return f"SELECT {columns}, row_status, was_negative, currency FROM ({marked})"


def _drop_uncounted(engine: Connection) -> None:
    """In place, for the table may fill most of the memory."""
    engine.execute(f"DELETE FROM {_LINES} WHERE row_status IS NOT NULL")
    for column in ("row_status", "was_negative", "currency"):
        engine.execute(f"ALTER TABLE {_LINES} DROP COLUMN {column}")


def _over_limit(
    intake: Intake, settings: SourceSettings, rejects_path: Path | None
) -> tuple[str, ...]:
    outcome, tickets = intake.outcome, intake.tickets
    found = (
        _too_many_rejects(intake.rejected, outcome.n_rows, settings, "rows", rejects_path),
        _too_many_rejects(tickets.rejected, tickets.n_rows, settings, "tickets", rejects_path),
    )
    return tuple(reason for reason in found if reason)


def _too_many_rejects(
    rejected: Rejected, n_rows: int, settings: SourceSettings, what: str, path: Path | None
) -> str | None:
    n_rejected = rejected.reasons.total()
    limit = settings.max_reject_share
    if n_rejected == 0 or n_rejected <= limit * n_rows:
        return None
    reason, n_reason = min(rejected.reasons.items(), key=lambda item: (-item[1], item[0]))
    listed = f" They are listed in {path}." if path else ""
    return (
        f"{n_rejected:,} of {n_rows:,} {what} ({n_rejected / n_rows:.1%}) were rejected, more than "
        f"the {limit:.1%} allowed; most often: {reason} ({n_reason:,}).{listed} "
        f"Correct the file, name another preset, or raise max_reject_share in [source]."
    )


def _unusable(outcome: Outcome) -> str | None:
    if len(outcome.currencies) > 1:
        return (
            f"The amounts are in several currencies: {', '.join(outcome.currencies)}; expected "
            f"one. Convert them first, or read one currency per run."
        )
    if outcome.n_kept == 0:
        return (
            f"No order line remains of {outcome.n_rows:,} rows: {outcome.n_rejected:,} were "
            f"rejected, {outcome.n_guests:,} have no customer id, {outcome.n_uncharged:,} were "
            f"never charged. Check that the preset fits the file."
        )
    return None


def input_hash(settings: SourceSettings) -> str:
    """SourceInfo.input_hash without reading a line. Raises InputError as reading would."""
    files, _ = find_files(settings.paths)
    tickets = str(settings.tickets_path) if settings.tickets_path else None
    tickets_hash = find_files((tickets,))[0][0].sha256 if tickets else None
    return _hash_of([file.sha256 for file in files], tickets_hash)


def _hash_of(hashes: list[str], tickets_hash: str | None) -> str:
    """SHA-256 over the files' hashes, sorted, so that the order of the files does not matter."""
    hashes = sorted(hashes) + (["tickets", tickets_hash] if tickets_hash else [])
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
