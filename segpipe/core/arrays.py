"""Types of NumPy arrays by what they hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.intp]  # number of the segment of each row
Indices = npt.NDArray[np.intp]  # positions in another array
Counts = npt.NDArray[np.intp]  # as np.bincount counts
SmallInts = npt.NDArray[np.int32]
Codes = npt.NDArray[np.int32]  # positions in a dictionary of texts, as Arrow stores them
Rows = npt.NDArray[np.int64]  # positions in a longer column, -1 for none
