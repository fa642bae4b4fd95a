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
    topic, topic_id, partition, "offset", letter_topic, letter_partition, letter_offset, event_id, reason, detail,
    event_key, event_value, event_headers
)
SELECT * FROM unnest(
    %(topics)s::text[], %(topic_ids)s::uuid[], %(partitions)s::integer[], %(offsets)s::bigint[],
    %(letter_topics)s::text[], %(letter_partitions)s::integer[], %(letter_offsets)s::bigint[], %(event_ids)s::uuid[],
    %(reasons)s::text[], %(details)s::text[], %(event_keys)s::bytea[], %(event_values)s::bytea[],
    %(event_headers)s::text[]
)
ON CONFLICT (topic, partition, "offset", topic_id) DO NOTHING
RETURNING topic, partition;

-- name: add_progress
-- Move partitions' marks from where the batch began, with the latencies of its new events.
SELECT add_progress(
    %(topics)s::text[], %(partitions)s::integer[], %(topic_ids)s::uuid[], %(first_offsets)s::bigint[],
    %(next_offsets)s::bigint[], %(counted)s::bigint[], %(parked)s::bigint[], %(p50_occur_us)s, %(p99_occur_us)s
);

-- name: add_metrics
-- Change metrics; the rows come sorted, so that two workers lock them in the same order.
INSERT INTO sales_metrics AS m (metric_name, dimension, value, updated_at)
SELECT metric_name, dimension, change, clock_timestamp()
FROM unnest(%(names)s::text[], %(dimensions)s::text[], %(changes)s::bigint[]) AS t (metric_name, dimension, change)
ON CONFLICT (metric_name, dimension) DO UPDATE SET
    value = m.value + excluded.value, updated_at = excluded.updated_at;

-- name: list_progress
-- Return how far the partitions are counted.
SELECT topic, partition, topic_id, next_offset FROM partition_progress;

-- name: open_marks
-- Begin marks: of partitions that have none, or in place of marks that are still as they were read.
WITH wanted AS (
    SELECT * FROM unnest(
        %(topics)s::text[], %(partitions)s::integer[], %(topic_ids)s::uuid[], %(next_offsets)s::bigint[],
        %(known_ids)s::uuid[], %(known_offsets)s::bigint[]
    ) AS t (topic, partition, topic_id, next_offset, known_id, known_offset)
), moved AS (
    UPDATE partition_progress p
    SET topic_id = w.topic_id, next_offset = w.next_offset, opened_at = clock_timestamp()
    FROM wanted w
    WHERE p.topic = w.topic AND p.partition = w.partition AND p.topic_id = w.known_id AND p.next_offset = w.known_offset
)
INSERT INTO partition_progress (
    topic, partition, topic_id, next_offset, counted, parked, latency_p50_ms, latency_p99_ms, updated_at
)
SELECT topic, partition, topic_id, next_offset, 0, 0, 0, 0, clock_timestamp() FROM wanted WHERE known_id IS NULL
ON CONFLICT (topic, partition) DO NOTHING;

-- name: name_letters
-- Give dead letters from before topics had ids here the id of the topic that their partition's mark then got.
UPDATE parked_event l SET topic_id = w.topic_id
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(topic_ids)s::uuid[], %(known_ids)s::uuid[])
    AS w (topic, partition, topic_id, known_id)
WHERE l.topic = w.topic AND l.partition = w.partition AND l.topic_id = %(no_topic)s AND w.known_id = %(no_topic)s;

-- name: forget_suspects
-- Settle what workers had in hand at their ends, of partitions whose topic is gone: its offsets mean other records now.
UPDATE worker_crash c SET settled_at = clock_timestamp()
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(topic_ids)s::uuid[], %(known_ids)s::uuid[])
    AS w (topic, partition, topic_id, known_id)
WHERE c.topic = w.topic AND c.partition = w.partition AND w.known_id NOT IN (w.topic_id, %(no_topic)s)
    AND c.settled_at IS NULL;

-- name: leave
-- Take a worker's heartbeat away: it ends as it was asked to.
DELETE FROM worker_heartbeat WHERE worker_id = %(worker_id)s;

-- name: beat
-- Show that a worker is alive and what it holds.
INSERT INTO worker_heartbeat (worker_id, partitions, held, seen_at)
VALUES (%(worker_id)s, jsonb_array_length(%(held)s), %(held)s, clock_timestamp())
ON CONFLICT (worker_id) DO UPDATE
SET partitions = excluded.partitions, held = excluded.held, seen_at = excluded.seen_at;

-- name: forget_letters
-- Delete the records of some dead letters that were sent again longer ago than the retention; the others wait for somebody.
DELETE FROM parked_event WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM parked_event WHERE redriven_at < now() - make_interval(days => %(retention_days)s) LIMIT 10000));

-- name: forget_workers
-- Delete the heartbeats of workers that were not seen within the retention.
DELETE FROM worker_heartbeat WHERE seen_at < now() - make_interval(days => %(retention_days)s);

-- name: event_window
-- Return the smallest event id that is within the retention, and the id and the time from which an event is before its time.
SELECT
    first_event_id(now() - make_interval(days => %(retention_days)s))::text,
    first_event_id(now() + make_interval(secs => %(ahead_seconds)s))::text,
    (extract(epoch FROM now() + make_interval(secs => %(ahead_seconds)s)) * 1000000)::bigint;
