"""A 64-bit hash of a profile's content, by which a run finds the rows that changed.

Takes membership batches; gives the same number for the same segments, strengths and metrics, on
every machine and in every version, whatever the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segpipe.core.arrays import Ints, SmallInts
from segpipe.core.schema import METRICS, STRENGTH_STEPS, strength_column
from segpipe.publishing.categories import CategoryColumn

_Bits = NDArray[np.uint64]


def content_hashes(batch: pa.RecordBatch, axes: Sequence[str]) -> Ints:
    """Hash of each row, (n_rows,), without its history and its run."""
    hashes = np.zeros(batch.num_rows, np.uint64)
    for axis in sorted(axes):
        column = CategoryColumn.of(batch[axis])
        numbers = [_number(f"{axis}\0{text}") for text in column.texts]
        table = np.array([*numbers, 0], np.uint64)  # the last is for MISSING
        hashes = _mixed(hashes, table[column.codes])
        hashes = _mixed(hashes, strength_steps(batch, axis).astype(np.uint64))
    for metric, kind in METRICS.items():
        if kind == "VARCHAR":
            hashes = _mixed_with_texts(hashes, batch, metric)
            continue
        values = batch[metric].to_numpy(zero_copy_only=False).astype(np.float64)
        hashes = _mixed(hashes, (values + 0.0).view(np.uint64))  # -0.0 becomes 0.0
    return hashes.view(np.int64)


def strength_steps(batch: pa.RecordBatch, axis: str) -> SmallInts:
    """Strengths in ten-thousandths, as they are written, (n_rows,)."""
    values = batch[strength_column(axis)].to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):  # NaN raises when the row is written
        steps: SmallInts = np.rint(values * STRENGTH_STEPS).astype(np.int32)
    return steps


def _mixed_with_texts(hashes: _Bits, batch: pa.RecordBatch, name: str) -> _Bits:
    """A missing text changes nothing, so that rows without it keep the hash they had before it."""
    column = CategoryColumn.of(batch[name].dictionary_encode())
    numbers = np.array([*(_number(f"{name}\0{text}") for text in column.texts), 0], np.uint64)
    found: _Bits = np.where(column.is_missing, hashes, _mixed(hashes, numbers[column.codes]))
    return found


def _number(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big")


def _mixed(hashes: _Bits, values: _Bits) -> _Bits:
    """Finalizer of SplitMix64 over both; Steele, Lea & Flood (2014)."""
    mixed = (hashes ^ values) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: _Bits = mixed ^ (mixed >> np.uint64(31))
    return result
