-- Which runs have there been, and what became of them?
SELECT run_id, store_id, status, as_of, started_at, finished_at - started_at AS duration,
    rows_read, rows_rejected, failed_stage, error
FROM segmentation_runs
ORDER BY run_id DESC;
