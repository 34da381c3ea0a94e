"""Columns of few different texts, such as names and days, kept as codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Codes, Flags, Rows

MISSING = -1


@dataclass(frozen=True)
class CategoryColumn:
    """codes (n_rows,) point into the texts; MISSING points at none."""

    codes: Codes
    texts: tuple[str, ...]

    @staticmethod
    def of(column: pa.DictionaryArray) -> CategoryColumn:
        """The texts of an Arrow column; a null is MISSING."""
        codes = column.indices.fill_null(MISSING).to_numpy(zero_copy_only=False)
        return CategoryColumn(codes.astype(np.int32), tuple(column.dictionary.to_pylist()))

    @staticmethod
    def joined(parts: Sequence[CategoryColumn]) -> CategoryColumn:
        """The parts one after another, with every text once."""
        numbers: dict[str, int] = {}
        codes = [np.zeros(0, np.int32)]
        for part in parts:
            table = [numbers.setdefault(text, len(numbers)) for text in part.texts]
            codes.append(np.array([*table, MISSING], np.int32)[part.codes])
        return CategoryColumn(np.concatenate(codes), tuple(numbers))

    def take(self, rows: Rows) -> CategoryColumn:
        """The texts of the given rows."""
        if not len(self.codes):
            return CategoryColumn(np.full(len(rows), MISSING, np.int32), self.texts)
        return CategoryColumn(np.where(rows >= 0, self.codes[rows], np.int32(MISSING)), self.texts)

    def slice(self, start: int, length: int) -> CategoryColumn:
        """Some of the rows."""
        return CategoryColumn(self.codes[start : start + length], self.texts)

    @property
    def is_missing(self) -> Flags:
        """Rows without a text, (n_rows,)."""
        missing: Flags = self.codes == MISSING
        return missing
