-- The same thousand through the GIN index: @> instead of ->>, faster on large tables.
SELECT customer_id, lifetime_value FROM customer_profiles
WHERE segment_memberships @> '{"purchase_value": "whale", "price_sensitivity": "deal_hunter"}'
ORDER BY lifetime_value DESC LIMIT 1000;
