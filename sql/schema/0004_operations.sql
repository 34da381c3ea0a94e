-- What an operator needs: runs put back, resumed, refused or forced, and people forgotten.

ALTER TABLE customer_profiles
    ADD COLUMN first_seen_on date NOT NULL DEFAULT CURRENT_DATE,
    ADD COLUMN content_hash bigint NOT NULL DEFAULT 0,
    ADD COLUMN absent_since_run_id bigint;

CREATE INDEX customer_profiles_lifetime_value ON customer_profiles (lifetime_value);

-- The kept tables of earlier runs must be able to take their place again.
DO $$
DECLARE
    kept regclass;
BEGIN
    FOR kept IN
        SELECT c.oid FROM segmentation_runs JOIN pg_class AS c ON c.relname = profiles_table
        WHERE NOT c.relispartition
            AND c.relnamespace = (
                SELECT relnamespace FROM pg_class WHERE oid = 'customer_profiles'::regclass
            )
    LOOP
        EXECUTE 'ALTER TABLE ' || kept
            || ' ADD COLUMN IF NOT EXISTS first_seen_on date NOT NULL DEFAULT CURRENT_DATE,'
            || ' ADD COLUMN IF NOT EXISTS content_hash bigint NOT NULL DEFAULT 0,'
            || ' ADD COLUMN IF NOT EXISTS absent_since_run_id bigint';
        EXECUTE 'UPDATE ' || kept || ' SET first_seen_on = created_at::date';
    END LOOP;
END
$$;

UPDATE customer_profiles AS p SET
    first_seen_on = p.created_at::date,
    absent_since_run_id = nullif(latest.run_id, p.run_id)
FROM (
    SELECT DISTINCT ON (store_id) store_id, run_id
    FROM segmentation_runs
    WHERE status = 'published'
    ORDER BY store_id, finished_at DESC
) AS latest
WHERE latest.store_id = p.store_id;

ALTER TABLE segmentation_runs
    DROP CONSTRAINT segmentation_runs_status_check,
    ADD CONSTRAINT segmentation_runs_status_check
        CHECK (status IN ('running', 'published', 'failed', 'withdrawn')),
    ADD COLUMN stage text,
    ADD COLUMN last_order_on date,
    ADD COLUMN n_customers bigint,
    ADD COLUMN undo_table text,
    ADD COLUMN measures_undo_table text,
    ADD COLUMN forced_past jsonb NOT NULL DEFAULT '[]';

CREATE TABLE forgotten_customers (
    store_id varchar(100) NOT NULL,
    customer_hash text NOT NULL,
    forgotten_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, customer_hash)
);

CREATE TABLE forgotten_salts (
    store_id varchar(100) PRIMARY KEY,
    salt text NOT NULL
);

CREATE TABLE profile_exports (
    store_id varchar(100) NOT NULL,
    path text NOT NULL,
    run_id bigint NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, path)
);

CREATE OR REPLACE VIEW current_profiles AS
SELECT p.* FROM customer_profiles AS p WHERE p.absent_since_run_id IS NULL;

COMMENT ON COLUMN customer_profiles.run_id IS 'Run that wrote the row: an older one where nothing changed, or where the customer was absent since.';
COMMENT ON COLUMN customer_profiles.segment_since IS 'Axis to the as_of of the run that moved the customer into the present segment; without the axes on which the customer never moved, where first_seen_on holds.';
COMMENT ON COLUMN customer_profiles.first_seen_on IS 'The as_of of the run that first published the customer.';
COMMENT ON COLUMN customer_profiles.content_hash IS 'Fingerprint of segments, strengths and metrics, by which a run finds what changed.';
COMMENT ON COLUMN customer_profiles.absent_since_run_id IS 'Run whose file first lacked the customer; NULL for those in the newest file.';
COMMENT ON COLUMN segmentation_runs.status IS 'running, published, failed, or withdrawn: published and then rolled back.';
COMMENT ON COLUMN segmentation_runs.stage IS 'Stage at work, or the last one; of a run that was killed, where it was.';
COMMENT ON COLUMN segmentation_runs.last_order_on IS 'Day of the newest order of the input.';
COMMENT ON COLUMN segmentation_runs.n_customers IS 'Customers of the input.';
COMMENT ON COLUMN segmentation_runs.undo_table IS 'Table with the rows that the run changed in place, as they were; NULL where it took the whole table''s place, or once it is dropped.';
COMMENT ON COLUMN segmentation_runs.measures_undo_table IS 'The same of the measures.';
COMMENT ON COLUMN segmentation_runs.forced_past IS 'Gates that would have refused the run, which --force published.';
COMMENT ON TABLE forgotten_customers IS 'Who asked to be forgotten, as a salted hash that stops the re-import.';
COMMENT ON COLUMN forgotten_customers.customer_hash IS 'SHA-256 over the salt and the customer''s id, in hexadecimal.';
COMMENT ON TABLE forgotten_salts IS 'The salt of each store; for the role that publishes only.';
COMMENT ON TABLE profile_exports IS 'Folders that exports were written to, from which a forgotten customer is removed.';
COMMENT ON VIEW current_profiles IS 'Profiles of the customers in the newest file of their store: without those absent from it.';
