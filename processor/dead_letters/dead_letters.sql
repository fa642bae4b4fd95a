-- name: list_dead_letters
-- List dead letters, the latest first.
SELECT
    topic, partition, "offset", CASE WHEN later_topics > 0 THEN topic_id END, event_id::text, reason, detail, created_at,
    redriven_at
FROM (
    SELECT
        *, rank() OVER (PARTITION BY topic, partition, "offset" ORDER BY created_at DESC, topic_id) - 1 AS later_topics
    FROM dead_letter
) AS dead_letter
WHERE %(redriven)s OR redriven_at IS NULL
ORDER BY created_at DESC, topic, partition, "offset"
LIMIT %(limit)s;

-- name: find_dead_letter
-- Return one dead letter and where its bytes are, or the bytes if Kafka refused it; without a topic id, of the latest
-- topic with this name.
SELECT
    event_id::text, reason, detail, created_at, redriven_at, topic_id,
    dlq_topic, dlq_partition, dlq_offset, event_key, event_value, event_headers
FROM dead_letter
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s
    AND topic_id = coalesce(%(topic_id)s, topic_id)
ORDER BY created_at DESC, topic_id
LIMIT 1;

-- name: mark_redriven
-- Record that a dead letter was redriven: its event is counted, or becomes a dead letter of another place.
UPDATE dead_letter SET redriven_at = clock_timestamp()
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s AND topic_id = %(topic_id)s;
