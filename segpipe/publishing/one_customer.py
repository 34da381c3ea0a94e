"""One customer who was assigned between two runs, written as the run in force would have done.

Takes an `Assigned`; gives a profile, its measures and sizes of segments that still count what is
there. Part of no run: what the run in force can be undone by is completed first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from segpipe.core.errors import BusyError, InputError, SegpipeError
from segpipe.core.forgotten import hash_customer_id
from segpipe.core.identifiers import normalise_customer_id
from segpipe.core.schema import (
    COPY_COLUMNS,
    CUSTOMER_FEATURES,
    DOMINANT_COLUMN,
    MEMBERSHIPS_COLUMN,
    PROFILE_COLUMNS,
    strength_column,
)
from segpipe.postgres import Connection, LockTimeoutError, fetch_one, plain_errors, sql
from segpipe.publishing.copy import RowFormat, copy_lines
from segpipe.publishing.previous_rows import read_previous_rows
from segpipe.publishing.recount import Change, resize
from segpipe.publishing.transitions import TransitionCounter, track_transitions
from segpipe.runs.partition import Partition, ProfilesTable, find_parent, find_partition
from segpipe.runs.records import PreviousRun
from segpipe.runs.store_lock import set_transaction_defaults, store_key

if TYPE_CHECKING:  # it brings the engine, which a reader of the ledger does not need
    from segpipe.core.assigned import Assigned

_LOCK_PATIENCE = "2s"  # for whoever alters the tables; a run is not waited for at all
_PATIENCE = "5s"
_KEYS = ("store_id", "customer_id")
_ARROW = {"VARCHAR": pa.string(), "DOUBLE": pa.float64(), "INTEGER": pa.int32()}
_ESCAPED = re.compile(r"\\(.)")
_MEANT = {"t": "\t", "n": "\n", "r": "\r"}


class RunReplacedError(SegpipeError):
    """The run whose model assigned the customer has been replaced, or was withdrawn."""

    exit_status = 75


@dataclass(frozen=True)
class _Run:
    """The run in force and its tables, as far as they are there."""

    as_of: date
    measures: Partition | None
    undo: Partition | None
    measures_undo: Partition | None


def persist(connection: Connection, store_id: str, run_id: int, assigned: Assigned) -> None:
    """Write the customer's profile and measures, and count them in the run's segments.

    One transaction. Raises BusyError while a run, a rollback or a `forget` is at work,
    NotInForceError where `run_id` no longer is, and InputError for a customer who was forgotten or
    is told of as of a day before the run's; nothing is written then.
    """
    with _plain(store_id), connection.transaction():
        now = _begin(connection, store_id)
        parent = find_parent(connection)
        run = _run(connection, parent, store_id, run_id)
        _check_customer(connection, store_id, assigned, run)
        customer_id, axes = assigned.customer_id, tuple(assigned.segment_memberships)
        before = _counted(connection, store_id, customer_id)
        row = _row(connection, parent, store_id, run_id, assigned, axes, now)
        if run.undo:
            _save_undo(connection, parent, run.undo, store_id, customer_id)
        if run.measures and run.measures_undo:
            _keep_measures(connection, run.measures, run.measures_undo, customer_id)
        _put_profile(connection, parent, row)
        if run.measures:
            _put_measures(connection, run.measures, assigned)
        value = float(assigned.metrics["lifetime_value"])
        after = Change(1, value, dict(assigned.segment_memberships))
        resize(connection, store_id, run_id, before, after)


@contextmanager
def _plain(store_id: str) -> Iterator[None]:
    with plain_errors():
        try:
            yield
        except LockTimeoutError as error:
            raise _busy(store_id) from error


def _busy(store_id: str) -> BusyError:
    return BusyError(
        f"Store {store_id!r} is being written by a run, a rollback or the like, so the customer was"
        " not stored; try again once that has ended."
    )


def _begin(connection: Connection, store_id: str) -> str:
    """The time, once no run holds the store and no other customer is being written.

    The run's lock is shared among those who write one customer, who then wait for each other.
    """
    set_transaction_defaults(connection)
    key = store_key(store_id)
    connection.execute(
        "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
        [_LOCK_PATIENCE, _PATIENCE],
    )
    if not fetch_one(connection, "SELECT pg_try_advisory_xact_lock_shared(%s)", [key])[0]:
        raise _busy(store_id)
    own = store_key(f"{store_id}, a customer")
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [own])
    return str(fetch_one(connection, "SELECT clock_timestamp()::text")[0])


def _run(connection: Connection, parent: ProfilesTable, store_id: str, run_id: int) -> _Run:
    row = connection.execute(
        """
        SELECT run_id, coalesce(as_of, started_at::date), tables.*
        FROM segmentation_runs, LATERAL (
            SELECT max(relname) FILTER (WHERE relname = measures_table),
                max(relname) FILTER (WHERE relname = undo_table),
                max(relname) FILTER (WHERE relname = measures_undo_table)
            FROM pg_class WHERE relnamespace = %s
                AND relname IN (measures_table, undo_table, measures_undo_table)
        ) AS tables
        WHERE store_id = %s AND status = 'published' ORDER BY finished_at DESC LIMIT 1
        """,
        [parent.schema_oid, store_id],
    ).fetchone()
    if row is None or row[0] != run_id:
        now = f"run {row[0]} is" if row else "none is"
        raise RunReplacedError(
            f"Run {run_id} of store {store_id!r} is no longer in force, {now}; the customer was not"
            " stored. Assign them again."
        )
    return _Run(row[1], *(Partition(parent.schema, name) if name else None for name in row[2:]))


def _check_customer(connection: Connection, store_id: str, assigned: Assigned, run: _Run) -> None:
    if normalise_customer_id(assigned.customer_id) != assigned.customer_id:
        raise InputError(
            "No run would keep this customer_id as it stands; to store them, send it as the file's"
            " customers have it, without blanks around it or '.0' behind."
        )
    if assigned.as_of < run.as_of:
        raise InputError(
            f"The customer is told of as of {assigned.as_of}, and the run in force as of"
            f" {run.as_of}; to store them, leave as_of out or give that day or a later one."
        )
    salt = connection.execute(
        "SELECT salt FROM forgotten_salts WHERE store_id = %s", [store_id]
    ).fetchone()
    if salt is None:
        return
    found = connection.execute(
        "SELECT FROM forgotten_customers WHERE store_id = %s AND customer_hash = %s",
        [store_id, hash_customer_id(salt[0], assigned.customer_id)],
    ).fetchone()
    if found is not None:
        raise InputError(
            "This customer asked to be forgotten, so nothing of them is stored. To let them in"
            " again, delete their row of forgotten_customers."
        )


def _counted(connection: Connection, store_id: str, customer_id: str) -> Change | None:
    """How the customer is counted by now; absent ones are not."""
    row = connection.execute(
        "SELECT lifetime_value, segment_memberships FROM customer_profiles"
        " WHERE store_id = %s AND customer_id = %s AND absent_since_run_id IS NULL",
        [store_id, customer_id],
    ).fetchone()
    return Change(-1, -row[0], row[1]) if row else None


def _row(
    connection: Connection,
    parent: ProfilesTable,
    store_id: str,
    run_id: int,
    assigned: Assigned,
    axes: tuple[str, ...],
    now: str,
) -> dict[str, str | None]:
    """Column → text of the profile, out of the line that a run would send."""
    old = find_partition(connection, parent, store_id)
    only = pa.array([assigned.customer_id], pa.string())
    known = read_previous_rows(connection, old, axes, only)
    moves = TransitionCounter(known, PreviousRun(run_id, {}), assigned.as_of)
    batch = _batch(assigned)
    history = track_transitions(batch, moves, now)
    lines = copy_lines(batch, history, _format(axes, store_id, run_id, now))
    (line,) = (bytes(part).decode() for part in lines)
    return dict(zip(COPY_COLUMNS, map(_meant, line.removesuffix("\n").split("\t")), strict=True))


def _batch(assigned: Assigned) -> pa.RecordBatch:
    """The customer as a membership batch of one row (see schema.strength_column)."""
    whole: dict[str, Any] = {"customer_id": assigned.customer_id, **assigned.metrics}
    kinds = {name: _ARROW[kind] for name, kind in CUSTOMER_FEATURES.columns.items()}
    columns = {name: pa.array([whole[name]], kind) for name, kind in kinds.items()}
    for axis, name in assigned.segment_memberships.items():
        columns[axis] = pa.array([name]).dictionary_encode()
        columns[strength_column(axis)] = pa.array([assigned.membership_strengths[axis]])
    return pa.RecordBatch.from_pydict(columns)


def _format(axes: tuple[str, ...], store_id: str, run_id: int, now: str) -> RowFormat:
    made = _format_without_time(axes, store_id, run_id)
    return replace(made, now=now, end=f"{made.end[:-1]}{now}\n")


@lru_cache(maxsize=4)  # its strengths are 10,001 texts an axis
def _format_without_time(axes: tuple[str, ...], store_id: str, run_id: int) -> RowFormat:
    return RowFormat.of(axes, store_id, run_id, "")


def _meant(field: str) -> str | None:
    """What COPY would read."""
    if field == r"\N":
        return None
    return _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), field)


def _save_undo(
    connection: Connection, parent: ProfilesTable, undo: Partition, store_id: str, customer_id: str
) -> None:
    """Complete the undo of a run that changed rows in place, as it would have done itself."""
    if _has(connection, undo, customer_id):
        return
    statement = sql.SQL(
        "INSERT INTO {undo} ({columns}) SELECT {columns} FROM {parent}"
        " WHERE store_id = %s AND customer_id = %s"
    ).format(undo=undo.identifier, parent=parent.name, columns=_names(PROFILE_COLUMNS))
    if connection.execute(statement, [store_id, customer_id]).rowcount:
        return
    new = sql.SQL("INSERT INTO {} (store_id, customer_id) VALUES (%s, %s)").format(undo.identifier)
    connection.execute(new, [store_id, customer_id])


def _keep_measures(
    connection: Connection, table: Partition, undo: Partition, customer_id: str
) -> None:
    """Likewise of the measures."""
    if _has(connection, undo, customer_id):
        return
    there = sql.SQL("INSERT INTO {} SELECT t.*, true FROM {} AS t WHERE customer_id = %s")
    statement = there.format(undo.identifier, table.identifier)
    if connection.execute(statement, [customer_id]).rowcount:
        return
    new = sql.SQL("INSERT INTO {} (customer_id, is_there) VALUES (%s, false)")
    connection.execute(new.format(undo.identifier), [customer_id])


def _has(connection: Connection, table: Partition, customer_id: str) -> bool:
    statement = sql.SQL("SELECT FROM {} WHERE customer_id = %s LIMIT 1").format(table.identifier)
    return connection.execute(statement, [customer_id]).fetchone() is not None


def _put_profile(
    connection: Connection, parent: ProfilesTable, row: Mapping[str, str | None]
) -> None:
    whole = {**row, DOMINANT_COLUMN: row[MEMBERSHIPS_COLUMN]}
    _upsert(
        connection, parent.name, PROFILE_COLUMNS, _KEYS, [whole[name] for name in PROFILE_COLUMNS]
    )


def _put_measures(connection: Connection, table: Partition, assigned: Assigned) -> None:
    """Write the figures that the table has columns for; one that is missing is NULL."""
    statement = sql.SQL("SELECT * FROM {} LIMIT 0").format(table.identifier)
    columns = [column.name for column in connection.execute(statement).description or ()]
    figures = {"customer_id": assigned.customer_id, **assigned.measures}
    values = [figures.get(name) for name in columns]
    _upsert(connection, table.identifier, columns, ("customer_id",), values)


def _upsert(
    connection: Connection,
    table: sql.Identifier,
    columns: Sequence[str],
    keys: Sequence[str],
    values: Sequence[Any],
) -> None:
    """Write a row whole; columns of the table's users stay as they are."""
    changed = [
        sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name))
        for name in columns
        if name not in keys
    ]
    statement = sql.SQL(
        "INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT ({keys}) DO UPDATE SET {set}"
    ).format(
        table=table,
        columns=_names(columns),
        values=sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
        keys=_names(keys),
        set=sql.SQL(", ").join(changed),
    )
    connection.execute(statement, values)


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
