-- Who are the thousand most valuable customers that buy on discount?
SELECT customer_id, lifetime_value FROM customer_profiles WHERE segment_memberships->>'purchase_value' = 'whale' AND segment_memberships->>'price_sensitivity' = 'deal_hunter' ORDER BY lifetime_value DESC LIMIT 1000;
