"""Comments on tables and columns."""

from __future__ import annotations

from segpipe.postgres.migrations.schema_files import execute_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Comment on what 0001 made."""
    execute_file("0002_comments.sql")
