-- name: last_run
-- Return what a worker's last run had assigned and in flight; no row after a clean shutdown.
SELECT assigned, in_flight FROM worker_heartbeat WHERE worker_id = %(worker_id)s AND assigned IS NOT NULL;

-- name: insert_crash
-- Record what a worker had in flight when it crashed.
WITH recorded AS (UPDATE worker_heartbeat SET assigned = NULL, in_flight = NULL WHERE worker_id = %(worker_id)s)
INSERT INTO worker_crash (worker_id, topic, partition, first_offset, next_offset, records)
SELECT %(worker_id)s, t.*, %(records)s
FROM unnest(
    %(topics)s::text[], %(partitions)s::integer[], %(first_offsets)s::bigint[], %(next_offsets)s::bigint[]
) AS t;

-- name: list_suspects
-- List the records that were in flight at crashes and are neither counted nor dead letters yet; also those of workers
-- whose heartbeat stopped within the last minute and which have not restarted.
WITH silent AS (
    SELECT assigned, in_flight FROM worker_heartbeat
    WHERE worker_id <> %(worker_id)s AND seen_at BETWEEN now() - interval '1 minute' AND now() - interval '3 seconds'
)
SELECT topic, partition, first_offset, next_offset, records FROM worker_crash WHERE settled_at IS NULL
UNION ALL
SELECT span ->> 0, (span ->> 1)::integer, (span ->> 2)::bigint, (span ->> 3)::bigint, (in_flight -> 'records')::integer
FROM silent, jsonb_array_elements(in_flight -> 'spans') AS span
UNION ALL
SELECT
    place ->> 0, (place ->> 1)::integer, coalesce(next_offset, 0), coalesce(next_offset, 0) + %(records)s, %(records)s
FROM silent, jsonb_array_elements(assigned) AS place
LEFT JOIN partition_progress ON topic = place ->> 0 AND partition = (place ->> 1)::integer
WHERE in_flight IS NULL;

-- name: record_in_flight
-- Record which suspect records a worker counts next.
UPDATE worker_heartbeat SET in_flight = %(in_flight)s::jsonb WHERE worker_id = %(worker_id)s;

-- name: resolve_crashes
-- Resolve the crashes whose in-flight records are all counted.
UPDATE worker_crash c SET settled_at = clock_timestamp()
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(next_offsets)s::bigint[])
    AS t (topic, partition, next_offset)
WHERE c.topic = t.topic AND c.partition = t.partition AND c.next_offset <= t.next_offset AND c.settled_at IS NULL;

-- name: delete_old_crashes
-- Delete the crashes from before the retention.
DELETE FROM worker_crash WHERE crashed_at < now() - make_interval(days => %(days)s);
