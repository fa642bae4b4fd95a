-- name: insert_events
-- Insert events and return the ids of those that were counted before, or that a repair removed; the others are new.
WITH incoming AS (
    SELECT
        event_id, order_id, to_timestamp(occur_us / 1000000.0::float8) AS occur_time, "offset", total_minor, units,
        partition, type, previous_status, status
    FROM unnest(
        %(event_ids)s::uuid[], %(order_ids)s::uuid[], %(occur_us)s::bigint[], %(offsets)s::bigint[],
        %(totals_minor)s::bigint[], %(units)s::bigint[], %(partitions)s::integer[], %(types)s::smallint[],
        %(previous_statuses)s::smallint[], %(statuses)s::smallint[]
    ) AS t (
        event_id, order_id, occur_us, "offset", total_minor, units, partition, type, previous_status, status
    )
), inserted AS (
    INSERT INTO processed_events (
        event_id, order_id, occur_time, "offset", total_minor, units, partition, type, previous_status, status, worker
    )
    SELECT i.*, %(worker)s::integer FROM incoming i
    WHERE NOT EXISTS (SELECT FROM removed_event r WHERE r.event_id = i.event_id)
    ON CONFLICT (event_id) DO NOTHING
    RETURNING event_id
)
SELECT event_id::text FROM (SELECT event_id FROM incoming EXCEPT SELECT event_id FROM inserted) AS duplicate;

-- name: insert_dead_letters
-- Record dead letters and return the partitions of those that are new; a recorded dead letter is not changed.
INSERT INTO dead_letter (
    topic, topic_id, partition, "offset", dlq_topic, dlq_partition, dlq_offset, event_id, order_id, event_type, reason,
    detail, event_key, event_value, event_headers
)
SELECT * FROM unnest(
    %(topics)s::text[], %(topic_ids)s::uuid[], %(partitions)s::integer[], %(offsets)s::bigint[],
    %(dlq_topics)s::text[], %(dlq_partitions)s::integer[], %(dlq_offsets)s::bigint[], %(event_ids)s::uuid[],
    %(order_ids)s::uuid[], %(event_types)s::smallint[], %(reasons)s::text[], %(details)s::text[],
    %(event_keys)s::bytea[], %(event_values)s::bytea[], %(event_headers)s::text[]
)
ON CONFLICT (topic, partition, "offset", topic_id) DO NOTHING
RETURNING topic, partition;

-- name: advance_positions
-- Advance the positions of partitions from where the batch started, with the latencies of its new events.
SELECT add_progress(
    %(topics)s::text[], %(partitions)s::integer[], %(topic_ids)s::uuid[], %(first_offsets)s::bigint[],
    %(next_offsets)s::bigint[], %(counted)s::bigint[], %(dead_letters)s::bigint[], %(p50_occur_us)s, %(p99_occur_us)s
);

-- name: add_metrics
-- Add to metrics; the rows are sorted, so that all workers lock them in the same order.
INSERT INTO sales_metrics AS m (metric_name, dimension, value, updated_at)
SELECT metric_name, dimension, change, clock_timestamp()
FROM unnest(%(names)s::text[], %(dimensions)s::text[], %(changes)s::bigint[]) AS t (metric_name, dimension, change)
ON CONFLICT (metric_name, dimension) DO UPDATE SET
    value = m.value + excluded.value, updated_at = excluded.updated_at;
