"""Features: order lines → one row a customer."""

from segpipe.features.compute import COUNTS, compute_features
from segpipe.features.statement import Part, features_statement
from segpipe.schema import Reference

__all__ = ["COUNTS", "Part", "Reference", "compute_features", "features_statement"]
