-- What every table and column means, for psql's \d+ and for catalog tools.

COMMENT ON TABLE customer_profiles IS 'One row a customer: a segment on each axis, and the metrics. Partitioned by store.';
COMMENT ON COLUMN customer_profiles.store_id IS 'The shop; ''default'' where there is one only.';
COMMENT ON COLUMN customer_profiles.customer_id IS 'The id the shop knows, as text.';
COMMENT ON COLUMN customer_profiles.segment_memberships IS 'Axis to segment or state, all axes: {"purchase_value": "whale", ...}. @> uses the index.';
COMMENT ON COLUMN customer_profiles.dominant_segments IS 'Axis to the strongest segment; the same as segment_memberships for hard clustering.';
COMMENT ON COLUMN customer_profiles.membership_strengths IS 'Axis to strength, 0 to 1: fuzzy c-means membership of the segment; 1 for a state, 0 for unavailable.';
COMMENT ON COLUMN customer_profiles.lifetime_value IS 'Charged net of refunds, in the shop''s currency.';
COMMENT ON COLUMN customer_profiles.avg_order_value IS 'Mean order, in the shop''s currency.';
COMMENT ON COLUMN customer_profiles.churn_risk_score IS '0 to 1: days since the last purchase over twice the expected gap.';
COMMENT ON COLUMN customer_profiles.total_orders IS 'Orders up to the run''s as_of.';
COMMENT ON COLUMN customer_profiles.days_since_last_purchase IS 'Days from the last order to as_of.';
COMMENT ON COLUMN customer_profiles.customer_tenure_days IS 'Days from the first order to as_of.';
COMMENT ON COLUMN customer_profiles.run_id IS 'Run that wrote the row; an older one where the customer was absent from the newest file.';
COMMENT ON COLUMN customer_profiles.last_updated IS 'When that run was published; one time for the whole run.';
COMMENT ON COLUMN customer_profiles.created_at IS 'When the customer was first published; kept through later runs.';

COMMENT ON TABLE segmentation_runs IS 'The ledger: one row a run, also of runs that failed.';
COMMENT ON COLUMN segmentation_runs.status IS 'running, published or failed; a run that was killed stays running.';
COMMENT ON COLUMN segmentation_runs.as_of IS 'Observation date that recency and tenure count to.';
COMMENT ON COLUMN segmentation_runs.input_hash IS 'SHA-256 over the bytes of the input files.';
COMMENT ON COLUMN segmentation_runs.rows_read IS 'Data rows of the input, rejected ones and guests included.';
COMMENT ON COLUMN segmentation_runs.rows_rejected IS 'Rows that could not be read.';
COMMENT ON COLUMN segmentation_runs.seed IS 'Seed of the sample and of every clustering.';
COMMENT ON COLUMN segmentation_runs.parameters IS 'Settings of the run.';
COMMENT ON COLUMN segmentation_runs.versions IS 'Versions of segpipe and of what it computes with.';
COMMENT ON COLUMN segmentation_runs.model IS 'The model document, to the letter.';
COMMENT ON COLUMN segmentation_runs.report IS 'What each stage said of itself: verdicts, counts, seconds, memory.';
COMMENT ON COLUMN segmentation_runs.failed_stage IS 'Stage that failed, of a failed run.';
COMMENT ON COLUMN segmentation_runs.error IS 'What it said.';
COMMENT ON COLUMN segmentation_runs.previous_run_id IS 'Run that was in force before this one was published.';
COMMENT ON COLUMN segmentation_runs.profiles_table IS 'Table that holds the run''s profiles; NULL once it is dropped.';

COMMENT ON TABLE segment_definitions IS 'What each segment of a published run is.';
COMMENT ON COLUMN segment_definitions.segment_id IS 'Number of the segment within axis and run.';
COMMENT ON COLUMN segment_definitions.segment IS 'Name, as in customer_profiles.segment_memberships.';
COMMENT ON COLUMN segment_definitions.kind IS 'segment: found by clustering; state: customers who are not eligible on the axis.';
COMMENT ON COLUMN segment_definitions.description IS 'One sentence for people.';
COMMENT ON COLUMN segment_definitions.centroid IS 'Feature to value in raw units; NULL for a state.';
COMMENT ON COLUMN segment_definitions.n_customers IS 'Customers of the run in the segment.';
COMMENT ON COLUMN segment_definitions.share IS 'Of the run''s customers, 0 to 1.';
COMMENT ON COLUMN segment_definitions.lifetime_value IS 'Sum over the segment''s customers.';
COMMENT ON COLUMN segment_definitions.silhouette IS 'Weighted silhouette of the axis''s partition in the sample; NULL for a state.';

COMMENT ON TABLE segment_counts IS 'Customers and value a run, axis and segment: history of the sizes.';
COMMENT ON VIEW current_profiles IS 'Profiles written by the latest published run of their store: without customers absent from its file.';
