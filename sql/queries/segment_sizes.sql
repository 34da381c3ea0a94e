-- How many customers, and how much value, has each segment in the latest run of each store?
SELECT store_id, axis, segment, n_customers,
    round((100.0 * n_customers / sum(n_customers) OVER (PARTITION BY store_id, axis))::numeric, 1)
        AS percent,
    lifetime_value
FROM segment_counts
WHERE (store_id, run_id) IN (
    SELECT DISTINCT ON (store_id) store_id, run_id FROM segmentation_runs
    WHERE status = 'published' ORDER BY store_id, finished_at DESC
)
ORDER BY store_id, axis, n_customers DESC, segment;
