-- What do we know of one customer, axis by axis? Give customer_id.
SELECT p.store_id, p.customer_id, m.key AS axis, m.value AS segment,
    (p.membership_strengths->>m.key)::double precision AS strength, d.description
FROM customer_profiles AS p
CROSS JOIN LATERAL jsonb_each_text(p.segment_memberships) AS m
LEFT JOIN segment_definitions AS d
    ON d.store_id = p.store_id AND d.run_id = p.run_id AND d.axis = m.key AND d.segment = m.value
WHERE p.customer_id = :customer_id
ORDER BY p.store_id, m.key;
