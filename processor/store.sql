-- name: insert_events
-- Record events and return the ids of those that had been counted before; the rest is new.
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
        event_id, order_id, occur_time, "offset", total_minor, units, partition, type, previous_status, status
    )
    SELECT * FROM incoming
    ON CONFLICT (event_id) DO NOTHING
    RETURNING event_id
)
SELECT event_id::text FROM (SELECT event_id FROM incoming EXCEPT SELECT event_id FROM inserted) AS known;

-- name: park_events
-- Record dead letters and return those that are new; one that was recorded before keeps its first record.
INSERT INTO parked_event (
    topic, partition, "offset", letter_topic, letter_partition, letter_offset, event_id, reason, detail
)
SELECT * FROM unnest(
    %(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[], %(letter_topics)s::text[],
    %(letter_partitions)s::integer[], %(letter_offsets)s::bigint[], %(event_ids)s::uuid[], %(reasons)s::text[],
    %(details)s::text[]
)
ON CONFLICT (topic, partition, "offset") DO NOTHING
RETURNING topic, partition;

-- name: add_progress
-- Move partitions' marks; a worker that lost a partition meanwhile does not move its mark back. Replays keep the last latencies.
INSERT INTO partition_progress AS p (
    topic, partition, next_offset, counted, parked, latency_p50_ms, latency_p99_ms, updated_at
)
SELECT
    topic, partition, next_offset, counted, parked,
    greatest(0, extract(epoch FROM clock_timestamp() - to_timestamp(%(p50_occur_us)s / 1000000.0::float8)) * 1000),
    greatest(0, extract(epoch FROM clock_timestamp() - to_timestamp(%(p99_occur_us)s / 1000000.0::float8)) * 1000),
    clock_timestamp()
FROM unnest(
    %(topics)s::text[], %(partitions)s::integer[], %(next_offsets)s::bigint[], %(counted)s::bigint[], %(parked)s::bigint[]
) AS t (topic, partition, next_offset, counted, parked)
ON CONFLICT (topic, partition) DO UPDATE SET
    next_offset = greatest(p.next_offset, excluded.next_offset),
    counted = p.counted + excluded.counted,
    parked = p.parked + excluded.parked,
    latency_p50_ms = CASE WHEN excluded.counted > 0 THEN excluded.latency_p50_ms ELSE p.latency_p50_ms END,
    latency_p99_ms = CASE WHEN excluded.counted > 0 THEN excluded.latency_p99_ms ELSE p.latency_p99_ms END,
    updated_at = excluded.updated_at;

-- name: add_metrics
-- Change metrics; the rows come sorted, so that two workers lock them in the same order.
INSERT INTO sales_metrics AS m (metric_name, dimension, value, updated_at)
SELECT metric_name, dimension, change, clock_timestamp()
FROM unnest(%(names)s::text[], %(dimensions)s::text[], %(changes)s::bigint[]) AS t (metric_name, dimension, change)
ON CONFLICT (metric_name, dimension) DO UPDATE SET
    value = m.value + excluded.value, updated_at = excluded.updated_at;

-- name: list_progress
-- Return how far the partitions are counted.
SELECT topic, partition, next_offset FROM partition_progress;

-- name: beat
-- Show that a worker is alive.
INSERT INTO worker_heartbeat (worker_id, partitions, seen_at)
VALUES (%(worker_id)s, %(partitions)s, clock_timestamp())
ON CONFLICT (worker_id) DO UPDATE SET partitions = excluded.partitions, seen_at = excluded.seen_at;

-- name: maintain
-- Make the partitions of the coming days and drop those past the retention.
SELECT made, dropped FROM maintain_event_partitions(%(days_ahead)s, %(retention_days)s);

-- name: oldest_event_id
-- Return the smallest event id that is within the retention.
SELECT first_event_id(now() - make_interval(days => %(retention_days)s))::text;
