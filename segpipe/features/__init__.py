"""Features: order lines → one row per customer."""

from segpipe.features.activity import read_activity
from segpipe.features.compute import COUNTS, compute_features
from segpipe.features.statement import Part, features_statement

__all__ = ["COUNTS", "Part", "compute_features", "features_statement", "read_activity"]
