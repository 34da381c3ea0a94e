"""Membership batches as the text that COPY reads, a column at a time.

Takes a membership batch; gives bytes, one line a customer. Names and axes are escaped once per
dictionary entry, strengths come from a table of the 10,001 texts from 0 to 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segpipe.core.errors import InputError
from segpipe.core.schema import METRICS, MODEL_METRICS, STRENGTH_STEPS, strength_column
from segpipe.postgres import Connection, sql
from segpipe.publishing.categories import CategoryColumn
from segpipe.publishing.content_hash import content_hashes, strength_steps

_MAX_ROWS = 50_000  # a line is some 2 KB, and Arrow's strings end at 2 GB


@dataclass(frozen=True)
class History:
    """What the profiles of a batch have from earlier runs."""

    created_at: pa.Array  # texts of timestamps
    previous: dict[str, CategoryColumn]  # axis → the segment before this one
    since: dict[str, CategoryColumn]  # axis → the day of the move into this one
    first_seen: CategoryColumn  # day

    def slice(self, start: int, length: int) -> History:
        """The history of some of the profiles."""
        return History(
            self.created_at.slice(start, length),
            {axis: column.slice(start, length) for axis, column in self.previous.items()},
            {axis: column.slice(start, length) for axis, column in self.since.items()},
            self.first_seen.slice(start, length),
        )


@dataclass(frozen=True)
class RowFormat:
    """What is the same in every line of a publication."""

    axes: tuple[str, ...]  # in the order in which jsonb keeps keys: it need not sort
    now: str  # the run's one timestamp
    end: str  # how every line ends: not absent, store, run and time
    strengths: dict[str, pa.Array] = field(repr=False)  # axis → `"axis":0.95` of each step

    @staticmethod
    def of(axes: Sequence[str], store_id: str, run_id: int, now: str) -> RowFormat:
        """Format of the lines of one run of one store."""
        axes = sorted(axes, key=lambda axis: (len(axis.encode()), axis.encode()))
        steps = range(STRENGTH_STEPS + 1)
        texts = pa.array([f"{step / STRENGTH_STEPS:.4f}".rstrip("0").rstrip(".") for step in steps])
        strengths = {
            axis: pc.binary_join_element_wise(_json_text(axis) + ":", texts, "") for axis in axes
        }
        end = f"\\N\t{_escape(store_id)}\t{run_id}\t{now}\n"
        return RowFormat(tuple(axes), now, end, strengths)


def copy_lines(
    batch: pa.RecordBatch, history: History, row_format: RowFormat
) -> Iterator[memoryview]:
    """Lines of a batch in COPY's text format, columns in the order of COPY_COLUMNS.

    Raises InputError for a missing value and for a number that is not finite.
    """
    for start in range(0, batch.num_rows, _MAX_ROWS):
        part = batch.slice(start, _MAX_ROWS)
        yield _lines(part, history.slice(start, _MAX_ROWS), row_format)


def _lines(batch: pa.RecordBatch, history: History, row_format: RowFormat) -> memoryview:
    memberships = _json_object(
        [_named(axis, CategoryColumn.of(batch[axis])) for axis in row_format.axes]
    )
    strengths = _json_object(
        [_strengths(batch, axis, row_format.strengths[axis]) for axis in row_format.axes]
    )
    lines = pc.binary_join_element_wise(
        _escape_all(batch["customer_id"]),
        memberships,
        strengths,
        *(_metric(batch, name) for name in METRICS),
        history.created_at,
        _json_object_of_some(
            [_named(axis, history.previous[axis]) for axis in row_format.axes], batch.num_rows
        ),
        _json_object_of_some(
            [_named(axis, history.since[axis]) for axis in row_format.axes], batch.num_rows
        ),
        pc.take(pa.array(history.first_seen.texts), pa.array(history.first_seen.codes)),
        pa.array(content_hashes(batch, row_format.axes)).cast(pa.string()),
        row_format.end,
        "\t",
    )
    if lines.null_count:
        raise InputError("A membership batch has an empty value; every customer needs all values.")
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset :][: len(lines) + 1]
    return memoryview(lines.buffers()[2])[offsets[0] : offsets[-1]]


def _named(axis: str, column: CategoryColumn) -> pa.Array:
    """`"axis":"segment"` of each row."""
    entries = [_json_text(axis) + ":" + _json_text(text) for text in column.texts]
    return pc.take(pa.array(entries, pa.string()), pa.array(column.codes, mask=column.is_missing))


def _strengths(batch: pa.RecordBatch, axis: str, texts: pa.Array) -> pa.Array:
    """`"axis":0.95` of each row."""
    values = batch[strength_column(axis)].to_numpy(zero_copy_only=False)
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"A strength on axis {axis} is not between 0 and 1.")
    return pc.take(texts, pa.array(strength_steps(batch, axis)))


def _json_object(members: list[pa.Array]) -> pa.Array:
    return pc.binary_join_element_wise("{", pc.binary_join_element_wise(*members, ","), "}", "")


def _json_object_of_some(members: list[pa.Array], n_rows: int) -> pa.Array:
    """Without the members that are missing; Arrow's own option to skip them would skip rows."""
    some = [member for member in members if member.null_count < n_rows]
    if not some:
        return pa.repeat("{}", n_rows)
    led = [pc.binary_join_element_wise(",", member, "") for member in some]
    joined = pc.binary_join_element_wise(*led, "", null_handling="replace")
    return pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(joined, 1), "}", "")


def _metric(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Texts of a metric; those of the model may be missing, which COPY reads as NULL."""
    is_text = pa.types.is_string(batch[name].type)
    texts = _escape_all(batch[name]) if is_text else _number(batch, name)
    return pc.fill_null(texts, "\\N") if name in MODEL_METRICS else texts


def _number(batch: pa.RecordBatch, name: str) -> pa.Array:
    column = batch[name]
    if pa.types.is_floating(column.type) and not pc.all(pc.is_finite(column), min_count=0).as_py():
        raise InputError(f"A membership batch has a {name} that is not a finite number.")
    return column.cast(pa.string())


def _json_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\\", "\\\\")


_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


def _escape(text: str) -> str:
    for found, written in _ESCAPES:
        text = text.replace(found, written)
    return text


def _escape_all(texts: pa.Array) -> pa.Array:
    for found, written in _ESCAPES:
        texts = pc.replace_substring(texts, found, written)
    return texts


def send(
    connection: Connection, statement: sql.Composed, parts: Iterable[memoryview | bytes]
) -> int:
    """Rows that `COPY … FROM STDIN` read; `parts` are in the format that it names."""
    with connection.cursor() as cursor:
        with ThreadPoolExecutor(1) as sender, cursor.copy(statement) as copy:
            sending: Future[None] | None = None
            for part in parts:
                if sending:
                    sending.result()
                sending = sender.submit(copy.write, part)
            if sending:
                sending.result()
        return cursor.rowcount


_SORTED_ROWS = 50_000  # sorted at a time, some 15 MB, while the server reads those before


_SORTED_FIRST = ("purchase_value", "loyalty_trajectory", "price_sensitivity")  # queried most


def sort_by_segment(
    batches: Iterable[pa.RecordBatch], axes: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The rows of the batches, sorted by segment within groups of consecutive batches."""
    keys = [
        *(axis for axis in _SORTED_FIRST if axis in axes),
        *(a for a in axes if a not in _SORTED_FIRST),
    ]
    some: list[pa.RecordBatch] = []
    n_rows = 0
    for batch in chain(batches, [None]):
        if batch is not None:
            some.append(batch)
            n_rows += batch.num_rows
        if some and (batch is None or n_rows >= _SORTED_ROWS):
            yield from _sorted(some, keys)
            some, n_rows = [], 0


def _sorted(batches: list[pa.RecordBatch], keys: Sequence[str]) -> list[pa.RecordBatch]:
    table = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    if not table.num_rows:
        return batches
    codes = [table[key].chunk(0).indices.to_numpy(zero_copy_only=False) for key in keys]
    order = np.lexsort(codes[::-1])  # by the first key first, ties in their order
    found: list[pa.RecordBatch] = table.take(pa.array(order)).to_batches()
    return found
