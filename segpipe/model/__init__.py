"""The model: one document that batch and real time assign from, and what can be asked of it."""
