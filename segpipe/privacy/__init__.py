"""Customers who ask to be forgotten: removed everywhere, with a report of what is left."""
