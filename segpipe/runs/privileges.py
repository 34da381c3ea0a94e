"""The privileges that publishing needs."""

from __future__ import annotations

from segpipe.core.errors import DatabaseError
from segpipe.postgres import Connection


def check_privileges(connection: Connection) -> None:
    """Raise DatabaseError if the role could not publish, before any work is done."""
    row = connection.execute(
        """
        SELECT pg_has_role(current_user, relowner, 'USAGE'),
            has_schema_privilege(relnamespace, 'CREATE'),
            quote_ident(current_user), quote_ident(pg_get_userbyid(relowner)),
            quote_ident(relnamespace::regnamespace::text)
        FROM pg_class WHERE oid = 'customer_profiles'::regclass
        """
    ).fetchone()
    assert row is not None  # noqa: S101 - regclass has raised for a missing table
    is_owner, may_create, role, owner, schema = row
    if not is_owner:
        raise DatabaseError(
            f"The role {role} may not publish: customer_profiles belongs to {owner}."
            f" Connect as {owner}, or have it run: GRANT {owner} TO {role};"
        )
    if not may_create:
        raise DatabaseError(
            f"The role {role} may not create tables in schema {schema}. An owner of the schema"
            f" can allow it with: GRANT CREATE ON SCHEMA {schema} TO {role};"
        )
