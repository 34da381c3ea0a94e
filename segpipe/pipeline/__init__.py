"""The run: every stage in the order in which the data flows."""
