-- name: list_letters
-- List dead letters, the latest first.
SELECT topic, partition, "offset", event_id::text, reason, detail, parked_at, redriven_at
FROM parked_event
WHERE %(redriven)s OR redriven_at IS NULL
ORDER BY parked_at DESC, topic, partition, "offset"
LIMIT %(limit)s;

-- name: find_letter
-- Return one dead letter, of topics of one name that of the last, and where its bytes are, or the bytes when Kafka refused it.
SELECT
    topic, partition, "offset", event_id::text, reason, detail, parked_at, redriven_at,
    letter_topic, letter_partition, letter_offset, event_key, event_value, event_headers
FROM parked_event
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s
ORDER BY parked_at DESC LIMIT 1;

-- name: mark_redriven
-- Note that a dead letter was sent again: it is counted, or parked anew at another place.
UPDATE parked_event SET redriven_at = clock_timestamp()
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s;
