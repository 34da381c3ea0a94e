-- What each run did with the segments of its axes, how far names are true of their customers, and the RFM scores.

ALTER TABLE segmentation_runs ADD COLUMN axis_decisions jsonb NOT NULL DEFAULT '{}';
ALTER TABLE segment_definitions ADD COLUMN holds_for double precision;
ALTER TABLE customer_profiles ADD COLUMN rfm_score text;

-- The kept tables of earlier runs must be able to take their place again.
DO $$
DECLARE
    kept regclass;
BEGIN
    FOR kept IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relkind = 'r' AND NOT c.relispartition
            AND c.relnamespace = (
                SELECT relnamespace FROM pg_class WHERE oid = 'customer_profiles'::regclass
            )
            AND c.relname IN (
                SELECT unnest(ARRAY[profiles_table, undo_table]) FROM segmentation_runs
            )
    LOOP
        EXECUTE 'ALTER TABLE ' || kept || ' ADD COLUMN IF NOT EXISTS rfm_score text';
    END LOOP;
END
$$;

CREATE OR REPLACE VIEW current_profiles AS
SELECT p.* FROM customer_profiles AS p WHERE p.absent_since_run_id IS NULL;

COMMENT ON COLUMN segmentation_runs.axis_decisions IS 'Axis → what the run did with its segments: decision (new, kept, replaced or held back), cause, text with the figures behind it, pending (cause that the next run must find again), n_moved and value_moved (customers who have another segment by a replacement, and their lifetime value). Empty for a run with a given model and for runs of an earlier version.';
COMMENT ON COLUMN segment_definitions.holds_for IS 'Share of the segment''s customers who meet its name by their own figures, 0 to 1; NULL where the name says nothing of one customer, and for states.';
COMMENT ON COLUMN customer_profiles.rfm_score IS 'Scores of recency, frequency and value, each 1 (worst) to 5 (best), as three digits such as 543; NULL where the run has no axis rfm, or it is unavailable.';
