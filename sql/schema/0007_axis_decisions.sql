-- What each run did with the segments of its axes, and how far names are true of their customers.

ALTER TABLE segmentation_runs ADD COLUMN axis_decisions jsonb NOT NULL DEFAULT '{}';
ALTER TABLE segment_definitions ADD COLUMN holds_for double precision;

COMMENT ON COLUMN segmentation_runs.axis_decisions IS 'Axis → what the run did with its segments: decision (new, kept, replaced or held back), cause, text with the figures behind it, pending (cause that the next run must find again), n_moved and value_moved (customers who have another segment by a replacement, and their lifetime value). Empty for a run with a given model and for runs of an earlier version.';
COMMENT ON COLUMN segment_definitions.holds_for IS 'Share of the segment''s customers who meet its name by their own figures, 0 to 1; NULL where the name says nothing of one customer, and for states.';
