-- name: freeze_counting
-- Keep workers from counting until the end of the transaction; wait for those that are at it.
LOCK TABLE processed_events IN SHARE ROW EXCLUSIVE MODE;

-- name: counted_events
-- Return the events that were counted with a time within a minute, with the sums that reconciliations compare.
SELECT event_id::text, type, total_minor, units FROM processed_events
WHERE occur_time >= to_timestamp(%(minute)s) AND occur_time < to_timestamp(%(minute)s + 60);

-- name: open_dead_letters
-- Return the ids of the dead letters that were neither redriven nor counted since, where an id can be read.
SELECT DISTINCT d.event_id::text FROM dead_letter d
WHERE d.event_id IS NOT NULL AND d.redriven_at IS NULL
    AND NOT EXISTS (SELECT FROM processed_events e WHERE e.event_id = d.event_id);

-- name: created_sums
-- Return number and digest of the counted ORDER_CREATED events by period.
SELECT extract(epoch FROM start_time)::bigint, events, digest FROM current_event_ledger
WHERE period = %(period)s::ledger_period AND event_type = 1
    AND start_time >= to_timestamp(%(start)s) AND start_time < to_timestamp(%(end)s) AND (events <> 0 OR digest <> 0);

-- name: remove_events
-- Delete events from the counted ones; a trigger takes them out of the ledgers.
DELETE FROM processed_events WHERE event_id = ANY(%(event_ids)s::uuid[])
RETURNING event_id, order_id, type, occur_time, total_minor;

-- name: remember_removed
-- Remember removed events, so that no worker counts them again.
INSERT INTO removed_event (event_id, order_id, type, occur_time, total_minor)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING;

-- name: forget_removed
-- Let workers count events again that were removed.
DELETE FROM removed_event WHERE event_id = ANY(%(event_ids)s::uuid[]);

-- name: wrong_metrics
-- Return the metrics that differ from the ledgers, with the value that the ledgers give. Without those by product.
SELECT metric_name, dimension, coalesce(e.value, 0)::bigint, coalesce(a.value, 0)::bigint
FROM (SELECT * FROM ledger_metric WHERE metric_name NOT LIKE 'top_products_%%') AS e
FULL JOIN (SELECT * FROM sales_metrics WHERE metric_name NOT LIKE 'top_products_%%') AS a USING (metric_name, dimension)
WHERE coalesce(e.value, 0) <> coalesce(a.value, 0)
ORDER BY 1, 2;

-- name: product_metrics
-- Return the metrics by product.
SELECT metric_name, dimension, value FROM sales_metrics WHERE metric_name LIKE 'top_products_%%';

-- name: set_metrics
-- Set metrics to values.
INSERT INTO sales_metrics AS m (metric_name, dimension, value, updated_at)
SELECT metric_name, dimension, value, clock_timestamp()
FROM unnest(%(names)s::text[], %(dimensions)s::text[], %(values)s::bigint[]) AS t (metric_name, dimension, value)
ON CONFLICT (metric_name, dimension) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at;

-- name: delete_zeros
-- Delete those of the metrics that are zero.
DELETE FROM sales_metrics m USING unnest(%(names)s::text[], %(dimensions)s::text[]) AS t (metric_name, dimension)
WHERE m.metric_name = t.metric_name AND m.dimension = t.dimension AND m.value = 0;

-- name: events_of_orders
-- Return the counted events of orders, without those of the topic stock.
SELECT order_id::text, type, previous_status, status FROM processed_events
WHERE order_id = ANY(%(order_ids)s::uuid[]) AND status <> 0;

-- name: orders_with_dead_letters
-- Return which of the orders have dead letters that were neither redriven nor counted since.
SELECT DISTINCT d.order_id::text FROM dead_letter d
WHERE d.order_id = ANY(%(order_ids)s::uuid[]) AND d.redriven_at IS NULL
    AND NOT EXISTS (SELECT FROM processed_events e WHERE e.event_id = d.event_id);

-- name: begin_rebuild
-- Make empty tables to rebuild into.
SELECT begin_rebuild();

-- name: insert_rebuilt
-- Insert events into the rebuilt ones, those that are counted with what is known of their counting; return the new ones.
INSERT INTO rebuilt.processed_events (
    event_id, order_id, occur_time, counted_at, "offset", total_minor, units, partition, type, previous_status, status
)
SELECT
    i.event_id, i.order_id, to_timestamp(i.occur_us / 1000000.0::float8), coalesce(e.counted_at, now()),
    coalesce(e."offset", i."offset"), i.total_minor, i.units, coalesce(e.partition, i.partition), i.type, i.previous_status,
    i.status
FROM unnest(
    %(event_ids)s::uuid[], %(order_ids)s::uuid[], %(occur_us)s::bigint[], %(offsets)s::bigint[], %(totals_minor)s::bigint[],
    %(units)s::bigint[], %(partitions)s::integer[], %(types)s::smallint[], %(previous_statuses)s::smallint[],
    %(statuses)s::smallint[]
) AS i (event_id, order_id, occur_us, "offset", total_minor, units, partition, type, previous_status, status)
LEFT JOIN processed_events e USING (event_id)
WHERE NOT EXISTS (SELECT FROM removed_event r WHERE r.event_id = i.event_id)
ON CONFLICT DO NOTHING
RETURNING event_id::text;

-- name: counted_or_rebuilt
-- Return which of the events are counted, or among the rebuilt ones.
SELECT event_id::text FROM processed_events WHERE event_id = ANY(%(event_ids)s::uuid[])
UNION SELECT event_id::text FROM rebuilt.processed_events WHERE event_id = ANY(%(event_ids)s::uuid[]);

-- name: clear_rebuilt_sums
-- Remove the rebuilt ledgers and metrics.
TRUNCATE rebuilt.event_ledger, rebuilt.order_ledger, rebuilt.sales_metrics;

-- name: add_event_sums
-- Add sums of events to minutes and their days of the rebuilt ledger.
INSERT INTO rebuilt.event_ledger
SELECT p.period, period_start(p.period, to_timestamp(s.minute)), s.event_type, sum(s.events), sum(s.total_minor), sum(s.units),
    bit_xor(s.digest)
FROM unnest(%(minutes)s::bigint[], %(kinds)s::smallint[], %(counts)s::bigint[], %(totals_minor)s::numeric[], %(units)s::bigint[],
    %(digests)s::bigint[]) AS s (minute, event_type, events, total_minor, units, digest)
CROSS JOIN unnest(enum_range(NULL::ledger_period)) AS p (period)
GROUP BY 1, 2, 3;

-- name: add_order_sums
-- Add sums of orders to minutes and their days of the rebuilt ledger.
INSERT INTO rebuilt.order_ledger
SELECT p.period, period_start(p.period, to_timestamp(s.minute)), s.status, sum(s.orders), sum(s.total_minor), bit_xor(s.digest)
FROM unnest(%(minutes)s::bigint[], %(kinds)s::smallint[], %(counts)s::bigint[], %(totals_minor)s::numeric[], %(digests)s::bigint[])
    AS s (minute, status, orders, total_minor, digest)
CROSS JOIN unnest(enum_range(NULL::ledger_period)) AS p (period)
GROUP BY 1, 2, 3;

-- name: subtract_steps
-- Take the steps of orders from one status to another out of the rebuilt ledger of orders.
INSERT INTO rebuilt.order_ledger AS l
SELECT p.period, period_start(p.period, id_minute(e.order_id)), s.status, -sum(s.sign), -sum(s.sign * e.total_minor),
    bit_xor(id_digest(e.order_id))
FROM unnest(%(order_ids)s::uuid[], %(previous_statuses)s::smallint[], %(statuses)s::smallint[], %(totals_minor)s::bigint[])
    AS e (order_id, previous_status, status, total_minor)
CROSS JOIN unnest(enum_range(NULL::ledger_period)) AS p (period)
CROSS JOIN LATERAL (VALUES (e.status, 1), (e.previous_status, -1)) AS s (status, sign)
WHERE s.status <> 0
GROUP BY 1, 2, 3
ON CONFLICT (period, start_time, status) DO UPDATE SET orders = l.orders + excluded.orders,
    total_minor = l.total_minor + excluded.total_minor, digest = l.digest # excluded.digest;

-- name: sum_up_rebuilt
-- Fill the rebuilt ledgers from the rebuilt events.
WITH changed AS (
    INSERT INTO rebuilt.event_ledger
    SELECT p.period, period_start(p.period, e.occur_time), e.type, count(*), sum(e.total_minor), sum(e.units), bit_xor(id_digest(e.event_id))
    FROM rebuilt.processed_events e CROSS JOIN unnest(enum_range(NULL::ledger_period)) AS p (period) GROUP BY 1, 2, 3
)
INSERT INTO rebuilt.order_ledger
SELECT p.period, period_start(p.period, id_minute(e.order_id)), s.status, sum(s.sign), sum(s.sign * e.total_minor), bit_xor(id_digest(e.order_id))
FROM rebuilt.processed_events e CROSS JOIN unnest(enum_range(NULL::ledger_period)) AS p (period)
CROSS JOIN LATERAL (VALUES (e.status, 1), (e.previous_status, -1)) AS s (status, sign)
WHERE s.status <> 0 GROUP BY 1, 2, 3;

-- name: fill_rebuilt_metrics
-- Fill the rebuilt metrics from the rebuilt ledgers, and those by product.
INSERT INTO rebuilt.sales_metrics
SELECT metric_name, dimension, value, clock_timestamp() FROM (
    SELECT * FROM rebuilt.ledger_metric WHERE metric_name NOT LIKE 'top_products_%%'
    UNION ALL
    SELECT * FROM unnest(%(names)s::text[], %(dimensions)s::text[], %(values)s::numeric[])
) AS m (metric_name, dimension, value)
WHERE value <> 0;

-- name: rebuilt_differences
-- Return the metrics that a switch would change: name, dimension, the live value, the rebuilt one.
SELECT metric_name, dimension, coalesce(a.value, 0), coalesce(r.value, 0)
FROM sales_metrics a FULL JOIN rebuilt.sales_metrics r USING (metric_name, dimension)
WHERE coalesce(a.value, 0) <> coalesce(r.value, 0) ORDER BY 1, 2;

-- name: positions
-- Return the position of each partition.
SELECT topic, partition, topic_id, next_offset FROM partition_progress;

-- name: coverage
-- Return in seconds since 1970 from when on every counted event is held, and the ledgers are complete; 0 for since ever.
SELECT
    coalesce((SELECT extract(epoch FROM complete_since)::bigint FROM partitioned_table WHERE name = 'processed_events'), 0),
    coalesce((SELECT extract(epoch FROM max(start_time))::bigint FROM ledger_coverage), 0);

-- name: has_replaced
-- Return whether the tables of before a switch are kept.
SELECT to_regnamespace('replaced') IS NOT NULL;

-- name: switch_to_rebuilt
-- Put the rebuilt tables in the place of the live ones.
SELECT switch_to_rebuilt(%(complete_from)s::date, %(covered_from)s::timestamptz);

-- name: roll_back_rebuilt
-- Put the tables back that a switch replaced; return the number of events counted since.
SELECT roll_back_rebuilt();

-- name: drop_replaced
-- Drop the tables of before a switch.
DROP SCHEMA replaced CASCADE;

-- name: drop_rebuilt
-- Drop the rebuilt tables.
DROP SCHEMA IF EXISTS rebuilt CASCADE;
