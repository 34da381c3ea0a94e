-- Which customers who were worth over 500 are cooling off, the longest silent first?
SELECT customer_id, lifetime_value, days_since_last_purchase FROM customer_profiles WHERE segment_memberships->>'loyalty_trajectory' = 'declining' AND lifetime_value > 500 ORDER BY days_since_last_purchase DESC;
