-- Which valuable customers will probably not order in the next 90 days, the most valuable first?
SELECT customer_id, churn_risk_score, expected_value_90d, lifetime_value
FROM current_profiles
WHERE churn_risk_score >= 0.5 AND segment_memberships->>'purchase_value' IN ('whale', 'high_value')
ORDER BY lifetime_value DESC;
