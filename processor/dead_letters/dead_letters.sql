-- name: list_dead_letters
-- Return the number of dead letters that match a filter, with each of those after a position, oldest first. The id of a topic
-- is shown where a later topic of this name has a dead letter of the same place.
WITH matching AS MATERIALIZED (
    SELECT topic, partition, "offset", topic_id, event_id::text, order_id::text, event_type, reason, detail, created_at,
        redriven_at, discarded_at
    FROM dead_letter
    WHERE (%(topic)s::text IS NULL OR topic = %(topic)s) AND (%(reason)s::text IS NULL OR reason = %(reason)s)
        AND %(state)s = CASE WHEN discarded_at IS NOT NULL THEN 'DISCARDED' WHEN redriven_at IS NOT NULL THEN 'REDRIVEN'
            ELSE 'OPEN' END
        AND (%(text)s::text IS NULL OR strpos(lower(detail), lower(%(text)s)) > 0)
        AND (%(event_type)s::smallint IS NULL OR event_type = %(event_type)s)
        AND (%(key)s::text IS NULL OR order_id::text = lower(%(key)s))
        AND (%(start)s::timestamptz IS NULL OR created_at >= %(start)s)
        AND (%(end)s::timestamptz IS NULL OR created_at < %(end)s)
)
SELECT total.number, page.*, EXISTS (
    SELECT FROM dead_letter later
    WHERE later.topic = page.topic AND later.partition = page.partition AND later."offset" = page."offset"
        AND (later.created_at > page.created_at OR later.created_at = page.created_at AND later.topic_id < page.topic_id))
FROM (SELECT count(*) AS number FROM matching) AS total
LEFT JOIN LATERAL (
    SELECT * FROM matching
    WHERE (created_at, topic, partition, "offset", topic_id) > (
        'epoch'::timestamptz + %(after_us)s * interval '1 microsecond', %(after_topic)s, %(after_partition)s, %(after_offset)s,
        %(after_topic_id)s::uuid)
    ORDER BY created_at, topic, partition, "offset", topic_id LIMIT %(limit)s
) AS page ON true;

-- name: dead_letter_groups
-- Return groups of open dead letters: topic, reason, type, day, number, oldest and newest; the latest day first.
SELECT topic, reason, event_type, date_trunc('day', created_at, 'UTC'), count(*), min(created_at), max(created_at)
FROM dead_letter WHERE redriven_at IS NULL AND discarded_at IS NULL
GROUP BY 1, 2, 3, 4 ORDER BY 4 DESC, 5 DESC, 1, 2, 3 LIMIT %(limit)s;

-- name: count_unresolved
-- Count the open dead letters by topic, also of topics without any.
SELECT t.topic, count(d.topic)
FROM unnest(%(topics)s::text[]) AS t (topic)
LEFT JOIN dead_letter d ON d.topic = t.topic AND d.redriven_at IS NULL AND d.discarded_at IS NULL
GROUP BY 1;

-- name: find_dead_letter
-- Return one dead letter and where its bytes are, or the bytes if Kafka refused it; without a topic id, of the latest
-- topic with this name.
SELECT topic, partition, "offset", topic_id, event_id::text, order_id::text, event_type, reason, detail, created_at,
    redriven_at, discarded_at, %(topic_id)s::uuid IS NOT NULL, dlq_topic, dlq_partition, dlq_offset, event_key, event_value,
    event_headers
FROM dead_letter
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s
    AND topic_id = coalesce(%(topic_id)s, topic_id)
ORDER BY created_at DESC, topic_id
LIMIT 1;

-- name: mark_redriven
-- Record that a dead letter was redriven: its event is counted, or becomes a dead letter of another place.
UPDATE dead_letter SET redriven_at = clock_timestamp(), discarded_at = NULL
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s AND topic_id = %(topic_id)s;

-- name: mark_discarded
-- Record that an open dead letter was given up.
UPDATE dead_letter SET discarded_at = clock_timestamp()
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s AND topic_id = %(topic_id)s
    AND redriven_at IS NULL AND discarded_at IS NULL;

-- name: changes
-- Return what operators did with a dead letter, the latest first.
SELECT at, action, subject, client_address FROM dead_letter_change
WHERE target = %(target)s ORDER BY at DESC LIMIT %(limit)s;
