-- How many customers have each RFM score (recency, frequency, value; NULL without the axis rfm), and what are they worth?
SELECT rfm_score, count(*) AS n_customers, round(sum(lifetime_value)::numeric, 2) AS lifetime_value
FROM current_profiles
GROUP BY rfm_score
ORDER BY rfm_score DESC NULLS LAST;
