"""Discovery: the weighted sample → the axes of a model."""
