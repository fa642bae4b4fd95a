-- name: list_pauses
-- List the partitions that are paused or that an operator released.
SELECT topic, partition, records, bad, paused_at, released_at FROM paused_partition ORDER BY topic, partition;

-- name: pause
-- Record that a partition is paused; the time of an earlier pause is kept.
INSERT INTO paused_partition (topic, partition, records, bad)
VALUES (%(topic)s, %(partition)s, %(records)s, %(bad)s)
ON CONFLICT (topic, partition) DO UPDATE SET records = excluded.records, bad = excluded.bad;

-- name: end_pause
-- Delete a pause: most records of the partition can be counted again.
DELETE FROM paused_partition WHERE topic = %(topic)s AND partition = %(partition)s;

-- name: release
-- Release paused partitions, all of them if none is given; return which.
UPDATE paused_partition SET released_at = clock_timestamp()
WHERE released_at IS NULL AND (
    %(topics)s::text[] = '{}'
    OR (topic, partition) IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::integer[]))
)
RETURNING topic, partition;
