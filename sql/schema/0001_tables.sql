-- The tables of segpipe, in the current schema. Profiles: one partition a store, one name for all.

CREATE TABLE customer_profiles (
    store_id varchar(100) NOT NULL DEFAULT 'default',
    customer_id varchar(100) NOT NULL,
    segment_memberships jsonb NOT NULL,
    dominant_segments jsonb NOT NULL,
    membership_strengths jsonb NOT NULL,
    lifetime_value double precision NOT NULL DEFAULT 0,
    avg_order_value double precision NOT NULL DEFAULT 0,
    churn_risk_score double precision NOT NULL DEFAULT 0,
    total_orders integer NOT NULL DEFAULT 0,
    days_since_last_purchase integer NOT NULL DEFAULT 0,
    customer_tenure_days integer NOT NULL DEFAULT 0,
    run_id bigint NOT NULL,
    last_updated timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, customer_id)
) PARTITION BY LIST (store_id);

CREATE INDEX customer_profiles_customer_id ON customer_profiles (customer_id);
CREATE INDEX customer_profiles_segment_memberships
    ON customer_profiles USING gin (segment_memberships jsonb_path_ops);
CREATE INDEX customer_profiles_dominant_segments
    ON customer_profiles USING gin (dominant_segments jsonb_path_ops);

CREATE TABLE segmentation_runs (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id varchar(100) NOT NULL,
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'published', 'failed')),
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    as_of date,
    input_hash text,
    rows_read bigint,
    rows_rejected bigint,
    seed bigint,
    parameters jsonb NOT NULL DEFAULT '{}',
    versions jsonb NOT NULL DEFAULT '{}',
    model json, -- not jsonb, which would rewrite numbers and so change the model's hash
    report jsonb,
    failed_stage text,
    error text,
    previous_run_id bigint,
    profiles_table text
);

CREATE INDEX segmentation_runs_published
    ON segmentation_runs (store_id, finished_at DESC) WHERE status = 'published';

CREATE TABLE segment_definitions (
    store_id varchar(100) NOT NULL,
    run_id bigint NOT NULL REFERENCES segmentation_runs ON DELETE CASCADE,
    axis text NOT NULL,
    segment_id integer NOT NULL,
    segment text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('segment', 'state')),
    description text NOT NULL,
    centroid jsonb,
    n_customers bigint NOT NULL,
    share double precision NOT NULL,
    lifetime_value double precision NOT NULL,
    silhouette double precision,
    PRIMARY KEY (store_id, run_id, axis, segment)
);

CREATE TABLE segment_counts (
    store_id varchar(100) NOT NULL,
    run_id bigint NOT NULL REFERENCES segmentation_runs ON DELETE CASCADE,
    axis text NOT NULL,
    segment text NOT NULL,
    n_customers bigint NOT NULL,
    lifetime_value double precision NOT NULL,
    PRIMARY KEY (store_id, run_id, axis, segment)
);

CREATE VIEW current_profiles AS
SELECT p.*
FROM customer_profiles AS p
JOIN (
    SELECT DISTINCT ON (store_id) store_id, run_id
    FROM segmentation_runs
    WHERE status = 'published'
    ORDER BY store_id, finished_at DESC
) AS latest USING (store_id, run_id);
