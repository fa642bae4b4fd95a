-- name: list_pauses
-- List the partitions that are paused or were released by somebody.
SELECT topic, partition, records, bad, paused_at, released_at FROM paused_partition ORDER BY topic, partition;

-- name: pause
-- Note that a partition is paused; one that was before is so since then.
INSERT INTO paused_partition (topic, partition, records, bad)
VALUES (%(topic)s, %(partition)s, %(records)s, %(bad)s)
ON CONFLICT (topic, partition) DO UPDATE SET records = excluded.records, bad = excluded.bad;

-- name: end_pause
-- Note that most records of a partition can be counted again.
DELETE FROM paused_partition WHERE topic = %(topic)s AND partition = %(partition)s;

-- name: release
-- Have paused partitions read on, all of them where none is named; return which.
UPDATE paused_partition SET released_at = clock_timestamp()
WHERE released_at IS NULL AND (
    %(topics)s::text[] = '{}'
    OR (topic, partition) IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::integer[]))
)
RETURNING topic, partition;
