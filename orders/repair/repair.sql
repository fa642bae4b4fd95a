-- name: minutes_with_events
-- Returns the minutes of a time range in which events occurred, in seconds since 1970; also those of dropped events.
SELECT extract(epoch FROM start_time)::bigint FROM current_event_ledger
WHERE period = 'MINUTE' AND start_time > to_timestamp(%(start)s) - interval '1 minute' AND start_time < to_timestamp(%(end)s)
    AND events > 0
GROUP BY 1 ORDER BY 1;

-- name: sent_events
-- Returns published events of a time range by id: all, those of some orders, or those with some ids.
SELECT id, shard, key, (extract(epoch FROM occur_time) * 1000000)::bigint FROM event_outbox
WHERE status = 'SENT' AND occur_time >= to_timestamp(%(start)s) AND occur_time < to_timestamp(%(end)s)
    AND (%(keys)s::text[] IS NULL OR key = ANY(%(keys)s)) AND (%(event_ids)s::uuid[] IS NULL OR event_id = ANY(%(event_ids)s))
ORDER BY id;

-- name: lock_shards
-- Locks shards against publishers and other operators, in the order of their numbers.
SELECT shard FROM outbox_shard WHERE shard = ANY(%(shards)s::smallint[]) ORDER BY shard FOR UPDATE;

-- name: lower_floors
-- Lowers the floors of locked shards below events, so that publishers read them again.
UPDATE outbox_shard s SET floor_id = least(s.floor_id, e.lowest - 1), candidate_id = least(s.candidate_id, e.lowest - 1)
FROM (
    SELECT shard, min(id) AS lowest FROM unnest(%(shards)s::smallint[], %(ids)s::bigint[]) AS u (shard, id) GROUP BY shard
) AS e
WHERE s.shard = e.shard;

-- name: publish_again
-- Makes published events of locked shards unsent. The time range limits the update to the blocks that have them.
UPDATE event_outbox SET status = 'NEW', sent_at = NULL
WHERE shard = ANY(%(shards)s::smallint[]) AND id = ANY(%(ids)s::bigint[]) AND status = 'SENT'
    AND occur_time >= 'epoch'::timestamptz + %(first_us)s * interval '1 microsecond'
    AND occur_time <= 'epoch'::timestamptz + %(last_us)s * interval '1 microsecond';

-- name: waiting_events
-- Counts those of the events that are not published yet, and those of them that wait for a DEAD event of their order.
SELECT count(*), count(*) FILTER (WHERE event_type < %(first_stock_type)s AND EXISTS (
    SELECT FROM event_outbox d WHERE d.shard = o.shard AND d.key = o.key AND d.status = 'DEAD'))
FROM event_outbox o
WHERE shard = ANY(%(shards)s::smallint[]) AND id = ANY(%(ids)s::bigint[]) AND status IN ('NEW', 'FAILED');

-- name: published_events
-- Returns the published events of a minute, with the sums that reconciliations compare.
SELECT event_id::text, event_type, total_minor, units FROM event_outbox
WHERE status = 'SENT' AND occur_time >= to_timestamp(%(minute)s) AND occur_time < to_timestamp(%(minute)s + 60);

-- name: held_since
-- Returns from when on the outbox holds every event, in seconds since 1970; 0 for since ever.
SELECT coalesce((SELECT extract(epoch FROM complete_since)::bigint FROM partitioned_table WHERE name = 'event_outbox'), 0);

-- name: created_sums
-- Returns number and digest of the ORDER_CREATED events by period, published or not.
SELECT extract(epoch FROM start_time)::bigint, events, digest FROM current_event_ledger
WHERE period = %(period)s::ledger_period AND event_type = 1
    AND start_time >= to_timestamp(%(start)s) AND start_time < to_timestamp(%(end)s) AND (events <> 0 OR digest <> 0);

-- name: created_events
-- Returns the ORDER_CREATED events of a minute, published or not, with their orders.
SELECT event_id::text, key FROM event_outbox
WHERE event_type = 1 AND occur_time >= to_timestamp(%(minute)s) AND occur_time < to_timestamp(%(minute)s + 60)
UNION
SELECT event_id::text, key FROM discarded_event
WHERE event_type = 1 AND occur_time >= to_timestamp(%(minute)s) AND occur_time < to_timestamp(%(minute)s + 60);

-- name: product_sums
-- Returns units and revenue by product of all orders.
SELECT product_id, sum(units)::bigint, sum(revenue_minor)::bigint
FROM (SELECT * FROM product_ledger UNION ALL SELECT * FROM product_ledger_change) AS part GROUP BY 1;

-- name: product_sums_of_orders
-- Returns units and revenue by product of some orders.
SELECT l.product_id, sum(l.quantity)::bigint, sum(l.quantity * l.price_minor)::bigint
FROM orders o CROSS JOIN LATERAL unnest(o.lines) AS l WHERE o.order_id = ANY(%(order_ids)s::uuid[]) GROUP BY 1;

-- name: orders_of_minute
-- Returns the orders that were accepted in a minute.
SELECT order_id::text, customer_id, status::text, sequence, total_minor, (extract(epoch FROM created_at) * 1000000)::bigint,
    (extract(epoch FROM updated_at) * 1000000)::bigint, lines::text, trace_id
FROM orders WHERE order_id >= %(first_id)s AND order_id <= %(last_id)s ORDER BY orders.order_id;

-- name: held_events
-- Returns the events of orders that the outbox holds, or that were discarded, from a time on: order, type and payload.
SELECT key, event_type, payload FROM event_outbox
WHERE key = ANY(%(keys)s::text[]) AND event_type < %(first_stock_type)s AND occur_time >= to_timestamp(%(start)s)
UNION ALL
SELECT key, event_type, NULL FROM discarded_event WHERE key = ANY(%(keys)s::text[]) AND event_type < %(first_stock_type)s;

-- name: insert_rebuilt_events
-- Inserts rebuilt events into the outbox; a trigger adds them to the ledger.
INSERT INTO event_outbox (shard, event_type, total_minor, units, occur_time, event_id, key, traceparent, payload)
SELECT shard, event_type, total_minor, units, 'epoch'::timestamptz + occur_us * interval '1 microsecond', event_id, key, traceparent, payload
FROM unnest(
    %(shards)s::smallint[], %(event_types)s::smallint[], %(totals_minor)s::bigint[], %(units)s::integer[], %(occur_us)s::bigint[],
    %(event_ids)s::uuid[], %(keys)s::text[], %(traceparents)s::text[], %(payloads)s::bytea[]
) WITH ORDINALITY AS e (shard, event_type, total_minor, units, occur_us, event_id, key, traceparent, payload, position)
ORDER BY position;

-- name: remove_lost_events
-- Takes lost events of a minute out of the ledger: what it has more than is counted.
INSERT INTO event_ledger_change (start_time, event_type, events, total_minor, units, digest)
VALUES (to_timestamp(%(minute)s), %(event_type)s, %(events)s, %(total_minor)s, %(units)s, %(digest)s);

-- name: published_records
-- Returns the published events of a minute as they are in Kafka.
SELECT event_type, key, payload FROM event_outbox
WHERE status = 'SENT' AND occur_time >= to_timestamp(%(minute)s) AND occur_time < to_timestamp(%(minute)s + 60);

-- name: unsent_event_ids
-- Returns events that are not published, up to a limit: Kafka may have them nevertheless.
SELECT event_id::text FROM event_outbox WHERE status IN ('NEW', 'FAILED') OR status = 'DEAD' LIMIT %(limit)s;

-- name: unpublished_records
-- Returns the events that are in the ledger and that nobody could count: pending, DEAD or discarded. The payload is null of
-- those that the outbox has dropped.
SELECT u.event_type, coalesce(u.order_id::text, ''), o.payload FROM unpublished_event u
LEFT JOIN event_outbox o ON o.event_id = u.event_id AND o.occur_time = u.occur_time;
