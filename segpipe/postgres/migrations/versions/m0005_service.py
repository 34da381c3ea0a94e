"""The keys of the service."""

from __future__ import annotations

from segpipe.postgres.migrations.schema_files import execute_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table."""
    execute_file("0005_service.sql")
