-- name: progress
-- Returns how far storing and publishing have come.
SELECT coalesce(sum(orders), 0)::bigint, coalesce(sum(published), 0)::bigint,
    coalesce(max(p50_ms) FILTER (WHERE seen_at > now() - interval '10 seconds'), 0),
    coalesce(max(p99_ms) FILTER (WHERE seen_at > now() - interval '10 seconds'), 0),
    (extract(epoch FROM max(seen_at) FILTER (WHERE process LIKE 'publisher%%')) * 1000000)::bigint
FROM progress;

-- name: unsent
-- Returns how many events wait, up to a limit, and the age of the oldest in seconds.
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(occur_time)), 0)::float8
FROM (SELECT occur_time FROM event_outbox WHERE status IN ('NEW', 'FAILED') LIMIT %(limit)s) AS unsent;

-- name: waiting_orders
-- Counts the orders that wait for stock, up to a limit.
SELECT count(*) FROM (SELECT FROM orders WHERE status = 'PENDING_RESTOCK' LIMIT %(limit)s) AS waiting;

-- name: dead
-- Returns the dead events.
SELECT event_id::text, count(*) OVER () FROM event_outbox WHERE status = 'DEAD' ORDER BY id LIMIT 1000;

-- name: complete_since
-- Returns the first minute of which nothing was dropped, in seconds since 1970; 0 when nothing ever was.
SELECT CASE WHEN complete_since IS NULL THEN 0
    ELSE extract(epoch FROM least(complete_since, (clock_timestamp() AT TIME ZONE 'UTC')::date))::bigint END
FROM partitioned_table WHERE name = 'event_outbox';

-- name: sums_by_minute
-- Returns the published events summed by minute and type.
SELECT (extract(epoch FROM date_trunc('minute', occur_time, 'UTC')))::bigint AS minute, event_type, count(*),
    (sum(total_minor) FILTER (WHERE event_type = 1))::bigint, (sum(units))::bigint,
    bit_xor(hashtextextended(event_id::text, 0))
FROM event_outbox WHERE status = 'SENT' GROUP BY 1, 2 ORDER BY 1, 2;

-- name: published_ids
-- Returns the ids of the published events of one minute.
SELECT event_id FROM event_outbox
WHERE status = 'SENT' AND occur_time >= to_timestamp(%(minute)s) AND occur_time < to_timestamp(%(minute)s + 60);

-- name: find_events
-- Returns which events the outbox knows, in any status; an id begins with its event's time, which keeps it to few pages.
SELECT event_id FROM event_outbox
WHERE event_id = ANY(%(event_ids)s::uuid[])
    AND occur_time >= 'epoch'::timestamptz + %(first_ms)s * interval '1 millisecond'
    AND occur_time < 'epoch'::timestamptz + (%(last_ms)s + 1) * interval '1 millisecond';

-- name: sums_by_product
-- Returns units and revenue by product, from the orders themselves.
SELECT l.product_id, sum(l.quantity)::bigint, sum(l.quantity * l.price_minor)::bigint
FROM orders o CROSS JOIN LATERAL unnest(o.lines) AS l GROUP BY 1 ORDER BY 1;
