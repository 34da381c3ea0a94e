"""Features: order lines → one row a customer."""

from segpipe.features.compute import Reference, compute_features
from segpipe.features.statement import features_statement

__all__ = ["Reference", "compute_features", "features_statement"]
