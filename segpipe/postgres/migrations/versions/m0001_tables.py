"""Tables, indexes and the view."""

from __future__ import annotations

from segpipe.postgres.migrations.schema_files import execute_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    execute_file("0001_tables.sql")
