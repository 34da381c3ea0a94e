"""Alembic environment; the statements themselves are in `sql/schema/`."""
