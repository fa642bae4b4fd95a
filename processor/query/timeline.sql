-- name: counted_events
-- Return the counted events of an order, oldest first, from an id on.
SELECT e.event_id::text, e.type, e.previous_status, e.status, e.occur_time, e.counted_at, e.partition, e."offset",
    coalesce(w.worker_id, '')
FROM processed_events e LEFT JOIN worker w ON w.number = e.worker
WHERE e.order_id = %(order_id)s AND e.event_id >= %(first_id)s
ORDER BY e.occur_time, e.event_id
LIMIT %(limit)s;

-- name: order_dead_letters
-- Return the dead letters of an order that are not redriven.
SELECT topic, partition, "offset", topic_id, event_id::text, event_type, reason, detail, created_at
FROM dead_letter
WHERE order_id = %(order_id)s AND redriven_at IS NULL
ORDER BY created_at
LIMIT %(limit)s;

-- name: events_retained
-- Return from when on the database holds every counted event; no row if it has not dropped any.
SELECT least(complete_since, (clock_timestamp() AT TIME ZONE 'UTC')::date)::timestamp AT TIME ZONE 'UTC'
FROM partitioned_table WHERE name = 'processed_events' AND complete_since IS NOT NULL;
