-- name: list_positions
-- Return the position of each partition.
SELECT topic, partition, topic_id, next_offset FROM partition_progress;

-- name: initialize_positions
-- Set positions: of partitions that have none, or in place of positions that are unchanged since they were read.
WITH wanted AS (
    SELECT * FROM unnest(
        %(topics)s::text[], %(partitions)s::integer[], %(topic_ids)s::uuid[], %(next_offsets)s::bigint[],
        %(recorded_ids)s::uuid[], %(recorded_offsets)s::bigint[]
    ) AS t (topic, partition, topic_id, next_offset, recorded_id, recorded_offset)
), updated AS (
    UPDATE partition_progress p
    SET topic_id = w.topic_id, next_offset = w.next_offset, opened_at = clock_timestamp()
    FROM wanted w
    WHERE p.topic = w.topic AND p.partition = w.partition
        AND p.topic_id = w.recorded_id AND p.next_offset = w.recorded_offset
)
INSERT INTO partition_progress (
    topic, partition, topic_id, next_offset, counted, dead_letters, latency_p50_ms, latency_p99_ms, updated_at
)
SELECT topic, partition, topic_id, next_offset, 0, 0, 0, 0, clock_timestamp() FROM wanted WHERE recorded_id IS NULL
ON CONFLICT (topic, partition) DO NOTHING;

-- name: assign_topic_ids
-- Give dead letters that were recorded without a topic id the id that their partition's position gets now.
UPDATE dead_letter d SET topic_id = w.topic_id
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(topic_ids)s::uuid[], %(recorded_ids)s::uuid[])
    AS w (topic, partition, topic_id, recorded_id)
WHERE d.topic = w.topic AND d.partition = w.partition AND d.topic_id = %(no_topic)s AND w.recorded_id = %(no_topic)s;

-- name: resolve_crashes_of_old_topics
-- Resolve the crashes of partitions whose topic was recreated: their offsets belong to other records now.
UPDATE worker_crash c SET settled_at = clock_timestamp()
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(topic_ids)s::uuid[], %(recorded_ids)s::uuid[])
    AS w (topic, partition, topic_id, recorded_id)
WHERE c.topic = w.topic AND c.partition = w.partition AND w.recorded_id NOT IN (w.topic_id, %(no_topic)s)
    AND c.settled_at IS NULL;

-- name: worker_number
-- Return the number of a worker, a new one for a new worker.
INSERT INTO worker (worker_id) VALUES (%(worker_id)s)
ON CONFLICT (worker_id) DO UPDATE SET started_at = now() RETURNING number;

-- name: delete_heartbeat
-- Delete a worker's heartbeat: it shuts down cleanly.
DELETE FROM worker_heartbeat WHERE worker_id = %(worker_id)s;

-- name: record_heartbeat
-- Record that a worker is alive, and its assigned partitions.
INSERT INTO worker_heartbeat (worker_id, partitions, assigned, seen_at)
VALUES (%(worker_id)s, jsonb_array_length(%(assigned)s), %(assigned)s, clock_timestamp())
ON CONFLICT (worker_id) DO UPDATE
SET partitions = excluded.partitions, assigned = excluded.assigned, seen_at = excluded.seen_at;

-- name: event_window
-- Return the smallest event id of which is known whether it was counted, and the id and the time from which an event is
-- too new.
SELECT
    greatest(
        first_event_id(now() - make_interval(days => %(retention_days)s)),
        (SELECT first_event_id(complete_since::timestamp AT TIME ZONE 'UTC') FROM partitioned_table
         WHERE name = 'processed_events')
    )::text,
    first_event_id(now() + make_interval(secs => %(ahead_seconds)s))::text,
    (extract(epoch FROM now() + make_interval(secs => %(ahead_seconds)s)) * 1000000)::bigint;
