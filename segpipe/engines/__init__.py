"""What computes: the only room that imports an engine."""
