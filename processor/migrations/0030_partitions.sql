-- The partitions of processed_events are kept as those of every other table.

-- Keeps what the events up to the end of a partition add up to. None of them comes any more: workers refuse them.
CREATE FUNCTION keep_event_metrics(partition text, end_day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    end_id uuid := partition_bound('uuid', end_day)::uuid;
BEGIN
    INSERT INTO dropped_metric AS d
    SELECT m.metric_name, m.dimension, m.value FROM event_metrics(end_id) m WHERE m.value IS NOT NULL
    ON CONFLICT (metric_name, dimension) DO UPDATE SET value = d.value + excluded.value;
    DELETE FROM processed_events_default WHERE event_id < end_id;
    RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION keep_event_metrics FROM PUBLIC;

INSERT INTO partitioned_table (name, key_type, width_days, may_drop, complete_since)
SELECT 'processed_events', 'uuid', 1, 'keep_event_metrics',
    (SELECT min(to_date(right(c.relname, 8), 'YYYYMMDD')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'processed_events'::regclass AND c.relname ~ '^processed_events_[0-9]{8}$')
WHERE true;
UPDATE partitioned_table SET complete_since = NULL
WHERE name = 'processed_events' AND NOT EXISTS (SELECT FROM dropped_metric);

CREATE INDEX parked_event_age ON parked_event USING brin (parked_at);

DO $$
BEGIN
    IF to_regrole('analytics_worker') IS NOT NULL THEN
        GRANT EXECUTE ON FUNCTION maintain_partition TO analytics_worker;
        GRANT DELETE ON parked_event, worker_heartbeat TO analytics_worker;
    END IF;
    IF to_regrole('analytics_reader') IS NOT NULL THEN
        GRANT SELECT ON partitioned_table TO analytics_reader;
    END IF;
END $$;
