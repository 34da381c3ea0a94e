"""The clusterers by name, and partitions read back from a model's document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segpipe.clustering.base import Clusterer, Partition
from segpipe.clustering.centroids import KMeans
from segpipe.clustering.cuts import NaturalBreaks

CLUSTERERS: dict[str, Clusterer] = {one.kind: one for one in (KMeans(), NaturalBreaks())}


def read_partition(document: Mapping[str, Any], n_features: int) -> Partition:
    """The partition of a document; ValueError, KeyError or TypeError where it is none."""
    kind = document["kind"]
    if kind not in CLUSTERERS:
        raise ValueError(f"a partition by {kind!r}; known: {', '.join(CLUSTERERS)}")
    return CLUSTERERS[kind].read(document, n_features)
