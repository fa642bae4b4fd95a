-- name: order_progress
-- Returns the numbers of stored orders and published events, recent publish delays, and the last publisher heartbeat.
SELECT coalesce(sum(orders), 0)::bigint, coalesce(sum(published), 0)::bigint,
    coalesce(max(p50_ms) FILTER (WHERE seen_at > now() - interval '10 seconds'), 0),
    coalesce(max(p99_ms) FILTER (WHERE seen_at > now() - interval '10 seconds'), 0),
    (extract(epoch FROM max(seen_at) FILTER (WHERE process LIKE 'publisher%%')) * 1000000)::bigint
FROM progress;

-- name: pending_events
-- Returns the number of unsent events, up to a limit, and the age of the oldest in seconds.
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(occur_time)), 0)::float8
FROM (SELECT occur_time FROM event_outbox WHERE status IN ('NEW', 'FAILED') LIMIT %(limit)s) AS pending;

-- name: count_backorders
-- Counts the orders in PENDING_RESTOCK, up to a limit.
SELECT count(*) FROM (SELECT FROM orders WHERE status = 'PENDING_RESTOCK' LIMIT %(limit)s) AS backorders;

-- name: dead_events
-- Returns the ids of the first thousand DEAD events, and the number of all.
SELECT event_id::text, count(*) OVER () FROM event_outbox WHERE status = 'DEAD' ORDER BY id LIMIT 1000;

-- name: complete_since
-- Returns the first minute that is complete, in seconds since 1970, because later partitions were not dropped; 0 when no
-- partition was.
SELECT CASE WHEN complete_since IS NULL THEN 0
    ELSE extract(epoch FROM least(complete_since, (clock_timestamp() AT TIME ZONE 'UTC')::date))::bigint END
FROM partitioned_table WHERE name = 'event_outbox';

-- name: sums_by_minute
-- Returns sums of the published events by minute and event type.
SELECT (extract(epoch FROM date_trunc('minute', occur_time, 'UTC')))::bigint AS minute, event_type, count(*),
    (sum(total_minor) FILTER (WHERE event_type = 1))::bigint, (sum(units))::bigint,
    bit_xor(hashtextextended(event_id::text, 0))
FROM event_outbox WHERE status = 'SENT' GROUP BY 1, 2 ORDER BY 1, 2;

-- name: published_event_ids
-- Returns the ids of the published events of a minute.
SELECT event_id FROM event_outbox
WHERE status = 'SENT' AND occur_time >= to_timestamp(%(minute)s) AND occur_time < to_timestamp(%(minute)s + 60);

-- name: find_events
-- Returns which events are in the outbox, in any status. An event id begins with its time, which limits the scan.
SELECT event_id FROM event_outbox
WHERE event_id = ANY(%(event_ids)s::uuid[])
    AND occur_time >= 'epoch'::timestamptz + %(first_ms)s * interval '1 millisecond'
    AND occur_time < 'epoch'::timestamptz + (%(last_ms)s + 1) * interval '1 millisecond';

-- name: sums_by_product
-- Returns units and revenue by product, from the orders.
SELECT l.product_id, sum(l.quantity)::bigint, sum(l.quantity * l.price_minor)::bigint
FROM orders o CROSS JOIN LATERAL unnest(o.lines) AS l GROUP BY 1 ORDER BY 1;
