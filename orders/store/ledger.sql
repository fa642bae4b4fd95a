-- name: order_progress
-- Returns the numbers of stored orders and published events, recent publish delays, and the last publisher heartbeat.
SELECT coalesce(sum(orders), 0)::bigint, coalesce(sum(published), 0)::bigint,
    coalesce(max(p50_ms) FILTER (WHERE seen_at > now() - interval '10 seconds'), 0),
    coalesce(max(p99_ms) FILTER (WHERE seen_at > now() - interval '10 seconds'), 0),
    (extract(epoch FROM max(seen_at) FILTER (WHERE process LIKE 'publisher%%')) * 1000000)::bigint
FROM progress;

-- name: pending_events
-- Returns the number of unsent events before a time, up to a limit, and the age of the oldest in seconds.
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(occur_time)), 0)::float8
FROM (
    SELECT occur_time FROM event_outbox WHERE status IN ('NEW', 'FAILED') AND occur_time < to_timestamp(%(end)s)
    LIMIT %(limit)s
) AS pending;

-- name: closed_minutes_end
-- Returns in seconds since 1970 the end of the last minute that was over some seconds ago.
SELECT extract(epoch FROM minute_start(clock_timestamp() - make_interval(secs => %(seconds)s)))::bigint;

-- name: count_backorders
-- Counts the orders in PENDING_RESTOCK, up to a limit.
SELECT count(*) FROM (SELECT FROM orders WHERE status = 'PENDING_RESTOCK' LIMIT %(limit)s) AS backorders;

-- name: dead_events
-- Returns the ids of the first thousand DEAD events, and the number of all.
SELECT event_id::text, count(*) OVER () FROM event_outbox WHERE status = 'DEAD' ORDER BY id LIMIT 1000;

-- name: discarded_events
-- Counts the events that an operator discarded.
SELECT count(*) FROM discarded_event;

-- name: coverage
-- Returns in seconds since 1970 from when on the ledger is complete, and from when on the outbox holds every event; 0 for
-- since ever.
SELECT coalesce((SELECT extract(epoch FROM max(start_time))::bigint FROM ledger_coverage), 0),
    coalesce((SELECT extract(epoch FROM least(complete_since, (clock_timestamp() AT TIME ZONE 'UTC')::date))::bigint
              FROM partitioned_table WHERE name = 'event_outbox' AND complete_since IS NOT NULL), 0);

-- name: event_sums
-- Returns sums of the published events by period and event type. From a day in which the part ends, the minutes after the
-- end are subtracted.
SELECT extract(epoch FROM start_time)::bigint, event_type, sum(events)::bigint, sum(total_minor)::bigint, sum(units)::bigint,
    bit_xor(digest)
FROM (
    SELECT start_time, event_type, events, total_minor, units, digest FROM current_event_ledger
    WHERE period = %(period)s::ledger_period AND start_time >= to_timestamp(%(start)s) AND start_time < to_timestamp(%(end)s)
    UNION ALL
    SELECT period_start('DAY', start_time), event_type, -events, -total_minor, -units, digest
    FROM current_event_ledger
    WHERE %(period)s = 'DAY' AND period = 'MINUTE'
        AND start_time >= to_timestamp(%(end)s) AND start_time < period_start('DAY', to_timestamp(%(end)s - 1)) + interval '1 day'
    UNION ALL
    SELECT period_start(%(period)s::ledger_period, occur_time), event_type, -1, -total_minor, -units, id_digest(event_id)
    FROM unpublished_event WHERE occur_time >= to_timestamp(%(start)s) AND occur_time < to_timestamp(%(end)s)
) AS part
GROUP BY start_time, event_type HAVING sum(events) <> 0 OR bit_xor(digest) <> 0 ORDER BY 1, 2;

-- name: order_sums
-- Returns sums of the orders by period of acceptance and status, in the same way.
SELECT extract(epoch FROM start_time)::bigint, status, sum(orders)::bigint, sum(total_minor)::bigint, bit_xor(digest)
FROM (
    SELECT start_time, status, orders, total_minor, digest FROM current_order_ledger
    WHERE period = %(period)s::ledger_period AND start_time >= to_timestamp(%(start)s) AND start_time < to_timestamp(%(end)s)
    UNION ALL
    SELECT period_start('DAY', start_time), status, -orders, -total_minor, digest
    FROM current_order_ledger
    WHERE %(period)s = 'DAY' AND period = 'MINUTE'
        AND start_time >= to_timestamp(%(end)s) AND start_time < period_start('DAY', to_timestamp(%(end)s - 1)) + interval '1 day'
) AS part
GROUP BY start_time, status HAVING sum(orders) <> 0 OR bit_xor(digest) <> 0 ORDER BY 1, 2;

-- name: pending_minutes
-- Returns the minutes in which orders with pending events were accepted.
SELECT DISTINCT extract(epoch FROM id_minute(order_id))::bigint FROM unpublished_event
WHERE pending AND order_id IS NOT NULL;

-- name: order_states
-- Returns the orders that were accepted in a minute, and whether they have events that are not published.
SELECT order_id, status_number(status), total_minor,
    order_id IN (SELECT e.order_id FROM unpublished_event e WHERE e.order_id IS NOT NULL)
FROM orders WHERE order_id >= %(first_id)s AND order_id <= %(last_id)s ORDER BY order_id;

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

-- name: product_sums
-- Returns units and revenue by product, of all orders and of those that no reader of Kafka can have counted.
WITH uncounted AS (
    SELECT l.product_id, sum(l.quantity)::bigint AS units, sum(l.quantity * l.price_minor)::bigint AS revenue_minor
    FROM orders o CROSS JOIN LATERAL unnest(o.lines) AS l
    WHERE o.order_id IN (SELECT e.order_id FROM unpublished_event e WHERE e.event_type = 1 UNION SELECT unnest(%(order_ids)s::uuid[]))
    GROUP BY 1
), product_sums AS (
    SELECT product_id, sum(units)::bigint AS units, sum(revenue_minor)::bigint AS revenue_minor
    FROM (SELECT * FROM product_ledger UNION ALL SELECT * FROM product_ledger_change) AS part GROUP BY 1
)
SELECT s.product_id, s.units, s.revenue_minor, coalesce(u.units, 0), coalesce(u.revenue_minor, 0)
FROM product_sums s LEFT JOIN uncounted u USING (product_id) ORDER BY 1;
