-- What a profile and a run remember of the runs before, and what a segment is for.

ALTER TABLE customer_profiles
    ADD COLUMN previous_segments jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN segment_since jsonb NOT NULL DEFAULT '{}';

ALTER TABLE segment_definitions
    ADD COLUMN value_share double precision NOT NULL DEFAULT 0,
    ADD COLUMN guidance jsonb NOT NULL DEFAULT '{}';

ALTER TABLE segmentation_runs
    ADD COLUMN scatter json,
    ADD COLUMN measures_table text;

CREATE TABLE segment_transitions (
    store_id varchar(100) NOT NULL,
    run_id bigint NOT NULL REFERENCES segmentation_runs ON DELETE CASCADE,
    axis text NOT NULL,
    from_segment text NOT NULL,
    to_segment text NOT NULL,
    cause text NOT NULL CHECK (cause IN ('behaviour', 'time', 'model')),
    n_customers bigint NOT NULL,
    lifetime_value double precision NOT NULL,
    PRIMARY KEY (store_id, run_id, axis, from_segment, to_segment, cause)
);

-- The tables of earlier runs, kept beside customer_profiles, which may take its place again.
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
            || ' ADD COLUMN IF NOT EXISTS previous_segments jsonb NOT NULL DEFAULT ''{}'','
            || ' ADD COLUMN IF NOT EXISTS segment_since jsonb NOT NULL DEFAULT ''{}''';
    END LOOP;
END
$$;

CREATE OR REPLACE VIEW current_profiles AS
SELECT p.*
FROM customer_profiles AS p
JOIN (
    SELECT DISTINCT ON (store_id) store_id, run_id
    FROM segmentation_runs
    WHERE status = 'published'
    ORDER BY store_id, finished_at DESC
) AS latest USING (store_id, run_id);

COMMENT ON COLUMN customer_profiles.previous_segments IS 'Axis to the segment or state before the present one; without the axes on which the customer never moved.';
COMMENT ON COLUMN customer_profiles.segment_since IS 'Axis to the as_of of the run that first put the customer into the present segment.';
COMMENT ON COLUMN segment_definitions.segment_id IS 'Permanent number of the segment within store and axis, from 1; states count down from -1.';
COMMENT ON COLUMN segment_definitions.value_share IS 'Of the lifetime value of the run''s customers, 0 to 1.';
COMMENT ON COLUMN segment_definitions.guidance IS 'How to treat these customers: strategy, and do and don''t for marketing and support.';
COMMENT ON COLUMN segmentation_runs.scatter IS 'Axis to points of the sample, for the report; no ids.';
COMMENT ON COLUMN segmentation_runs.measures_table IS 'Table with the measures of the run''s customers; NULL once it is dropped.';
COMMENT ON TABLE segment_transitions IS 'Customers who changed segment from the previous run to this one, with their lifetime value.';
COMMENT ON COLUMN segment_transitions.from_segment IS 'Name in the previous run.';
COMMENT ON COLUMN segment_transitions.to_segment IS 'Name in this run.';
COMMENT ON COLUMN segment_transitions.cause IS 'behaviour: they bought, returned or asked; time: only time passed; model: the previous model would have left them where they were.';
COMMENT ON COLUMN segment_transitions.n_customers IS 'Customers who moved.';
COMMENT ON COLUMN segment_transitions.lifetime_value IS 'Sum of their present lifetime value.';
