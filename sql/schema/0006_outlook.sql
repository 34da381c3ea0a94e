-- What a customer is likely to do in the next 90 days; missing where a run cannot say.

ALTER TABLE customer_profiles
    ALTER COLUMN churn_risk_score DROP NOT NULL,
    ALTER COLUMN churn_risk_score DROP DEFAULT,
    ADD COLUMN expected_value_90d double precision;

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
        EXECUTE 'ALTER TABLE ' || kept
            || ' ALTER COLUMN churn_risk_score DROP NOT NULL,'
            || ' ALTER COLUMN churn_risk_score DROP DEFAULT,'
            || ' ADD COLUMN IF NOT EXISTS expected_value_90d double precision';
    END LOOP;
END
$$;

CREATE OR REPLACE VIEW current_profiles AS
SELECT p.* FROM customer_profiles AS p WHERE p.absent_since_run_id IS NULL;

COMMENT ON COLUMN customer_profiles.churn_risk_score IS 'Probability of no order in the 90 days after as_of, 0 to 1; NULL where the run could not learn or check it. Of runs before 0.2.0: days since the last purchase over twice the expected gap.';
COMMENT ON COLUMN segmentation_runs.previous_run_id IS 'Run that was the current one before this one was published.';
COMMENT ON COLUMN customer_profiles.expected_value_90d IS 'Expected revenue of the 90 days after as_of, net of refunds; NULL where the run could not learn or check it.';
