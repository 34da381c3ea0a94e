-- Who moved on purchase_value since the run before its month, from where to where, the most valuable first?
SELECT p.customer_id,
    p.previous_segments->>'purchase_value' AS was,
    p.segment_memberships->>'purchase_value' AS is_now,
    p.lifetime_value, p.days_since_last_purchase
FROM current_profiles AS p
JOIN segmentation_runs AS r USING (store_id, run_id)
WHERE p.previous_segments ? 'purchase_value' -- or @> '{"purchase_value": "whale"}': former whales
    AND p.segment_since->>'purchase_value' = to_char(r.as_of, 'YYYY-MM-DD')
ORDER BY p.lifetime_value DESC, p.customer_id;
