-- Who may ask the service: a key each, of which only the hash is kept.

CREATE TABLE api_keys (
    key_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name varchar(100) NOT NULL CHECK (name <> ''),
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    scope text NOT NULL CHECK (scope IN ('read', 'write')),
    rate_per_minute integer NOT NULL CHECK (rate_per_minute > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE UNIQUE INDEX api_keys_active_name ON api_keys (name) WHERE revoked_at IS NULL;

-- Default privileges, given so that somebody may explain customers, are not meant for this table.
DO $$
DECLARE
    reader text;
BEGIN
    FOR reader IN
        SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(rolname) END
        FROM pg_class
        CROSS JOIN aclexplode(relacl)
        LEFT JOIN pg_roles ON pg_roles.oid = grantee
        WHERE pg_class.oid = 'api_keys'::regclass AND grantee <> relowner
    LOOP
        EXECUTE 'REVOKE ALL ON api_keys FROM ' || reader;
    END LOOP;
END
$$;

COMMENT ON TABLE api_keys IS 'Keys of the service, also those revoked; a token is kept nowhere.';
COMMENT ON COLUMN api_keys.key_id IS 'Number of the key, which its token names.';
COMMENT ON COLUMN api_keys.name IS 'Who has the key; one active key a name.';
COMMENT ON COLUMN api_keys.token_hash IS 'SHA-256 of the token.';
COMMENT ON COLUMN api_keys.scope IS 'read: everything that is published; write: that, and to store an assignment.';
COMMENT ON COLUMN api_keys.rate_per_minute IS 'Requests a minute, over all worker processes of a service.';
COMMENT ON COLUMN api_keys.created_at IS 'When the key was made.';
COMMENT ON COLUMN api_keys.revoked_at IS 'When the key ceased to be accepted; NULL while it is active.';
