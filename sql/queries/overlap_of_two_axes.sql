-- How do two axes overlap: what a customer is worth against how they respond to discounts?
SELECT segment_memberships->>'purchase_value' AS purchase_value,
    segment_memberships->>'price_sensitivity' AS price_sensitivity,
    count(*) AS n_customers,
    sum(lifetime_value) AS lifetime_value
FROM current_profiles
GROUP BY 1, 2
ORDER BY lifetime_value DESC;
