-- name: begin_snapshot
-- Have all statements of this transaction read from one snapshot.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- name: extend_statement_timeout
-- Give the statements of this transaction more time than interactive requests have.
SET LOCAL statement_timeout = '60s';

-- name: count_dead_letters
-- Count the dead letters that were neither redriven nor counted since: the open ones, and those that were discarded.
SELECT count(*) FILTER (WHERE d.discarded_at IS NULL), count(d.discarded_at) FROM dead_letter d
WHERE d.redriven_at IS NULL AND NOT EXISTS (SELECT FROM processed_events e WHERE e.event_id = d.event_id);

-- name: coverage
-- Return in seconds since 1970 from when on the ledger is complete, and from when on every event is held; 0 for since ever.
SELECT coalesce((SELECT extract(epoch FROM max(start_time))::bigint FROM ledger_coverage), 0),
    coalesce((SELECT extract(epoch FROM least(complete_since, (clock_timestamp() AT TIME ZONE 'UTC')::date))::bigint
              FROM partitioned_table WHERE name = 'processed_events' AND complete_since IS NOT NULL), 0);

-- name: event_sums
-- Return sums of the counted events by period and type. From a day in which the part ends, the minutes after the end are
-- subtracted.
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
) AS part
GROUP BY start_time, event_type HAVING sum(events) <> 0 OR bit_xor(digest) <> 0 ORDER BY 1, 2;

-- name: order_sums
-- Return sums of the orders by period of acceptance and the status that the counted events give them, in the same way.
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

-- name: dead_letter_orders
-- List the orders with dead letters that were neither redriven nor counted since.
SELECT DISTINCT d.order_id
FROM dead_letter d
WHERE d.order_id IS NOT NULL AND d.redriven_at IS NULL
    AND NOT EXISTS (SELECT FROM processed_events e WHERE e.event_id = d.event_id)
ORDER BY 1
LIMIT 10000;

-- name: order_states
-- Return the orders of a minute with the status that their counted events lead to; the steps between statuses add up.
SELECT order_id, (sum(status) - sum(previous_status))::integer, max(total_minor)
FROM processed_events
WHERE order_id >= %(first_id)s AND order_id <= %(last_id)s AND status <> 0
GROUP BY 1
ORDER BY 1;

-- name: counted_ids
-- List the ids of the events counted in one minute.
SELECT uuid_send(event_id) FROM processed_events
WHERE occur_time >= to_timestamp(%(minute)s) AND occur_time < to_timestamp(%(minute)s + 60);

-- name: dead_letter_ids
-- List the ids of the dead letters that were neither redriven nor counted since, where an id can be read.
SELECT DISTINCT uuid_send(d.event_id) FROM dead_letter d
WHERE d.event_id IS NOT NULL AND d.redriven_at IS NULL
    AND NOT EXISTS (SELECT FROM processed_events e WHERE e.event_id = d.event_id);

-- name: metric_differences
-- Compute the metrics from the ledgers and return those that differ: by minute only of days that were not compared before,
-- of products only the totals, under the dimension ''.
WITH RECURSIVE created AS MATERIALIZED (
    SELECT sum(events) AS events, sum(total_minor) AS total_minor, sum(units) AS units
    FROM current_event_ledger WHERE period = 'DAY' AND event_type = 1
), expected AS (
    SELECT 'orders_total' AS metric_name, '' AS dimension, events AS value FROM created
    UNION ALL SELECT 'revenue_total', '', total_minor FROM created
    UNION ALL SELECT 'top_products_units', '', units FROM created
    UNION ALL SELECT 'top_products_revenue', '', total_minor FROM created
    UNION ALL SELECT 'cancelled_revenue', '', sum(total_minor) FROM current_event_ledger WHERE period = 'DAY' AND event_type = 5
    UNION ALL SELECT 'restock_requests', '', sum(events) FROM current_event_ledger WHERE period = 'DAY' AND event_type = 16
    UNION ALL SELECT 'orders_by_status', n.name, sum(l.orders)
    FROM current_order_ledger l
    JOIN (VALUES (1, 'CREATED'), (2, 'PENDING_RESTOCK'), (3, 'PAID'), (4, 'SHIPPED'), (5, 'CANCELLED')) AS n (status, name)
        USING (status)
    WHERE l.period = 'DAY' GROUP BY 2
), actual AS (
    SELECT
        metric_name, CASE WHEN metric_name IN ('top_products_units', 'top_products_revenue') THEN '' ELSE dimension END AS dimension,
        sum(value) AS value
    FROM sales_metrics
    WHERE metric_name IN ('orders_total', 'revenue_total', 'cancelled_revenue', 'restock_requests', 'orders_by_status',
        'top_products_units', 'top_products_revenue')
    GROUP BY 1, 2
), name AS (
    -- Each name from the index: most rows are those of minutes.
    (SELECT metric_name FROM sales_metrics ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT s.metric_name FROM sales_metrics s WHERE s.metric_name > n.metric_name ORDER BY 1 LIMIT 1)
    FROM name n WHERE n.metric_name IS NOT NULL
), unknown AS (
    SELECT n.metric_name, s.dimension, s.value
    FROM name n CROSS JOIN LATERAL (SELECT dimension, value FROM sales_metrics m WHERE m.metric_name = n.metric_name OFFSET 0) AS s
    WHERE n.metric_name NOT IN ('orders_total', 'revenue_total', 'cancelled_revenue', 'restock_requests', 'orders_by_status',
        'top_products_units', 'top_products_revenue', 'orders_per_minute', 'revenue_per_minute')
), difference AS (
    SELECT metric_name, dimension, coalesce(e.value, 0) AS expected, coalesce(a.value, 0) AS actual
    FROM expected e FULL JOIN actual a USING (metric_name, dimension)
    WHERE coalesce(e.value, 0) <> coalesce(a.value, 0)
    UNION ALL SELECT metric_name, dimension, 0, value FROM unknown
    UNION ALL
    SELECT m.* FROM unsettled_metric_day u CROSS JOIN LATERAL minute_differences(u.day, u.start_time) AS m
)
SELECT metric_name, dimension, expected::bigint, actual::bigint FROM difference ORDER BY metric_name, dimension LIMIT 1000;

-- name: product_metrics
-- List units and revenue by product, from the metrics.
SELECT dimension, coalesce(u.value, 0), coalesce(r.value, 0)
FROM (SELECT dimension, value FROM sales_metrics WHERE metric_name = 'top_products_units') AS u
FULL JOIN (SELECT dimension, value FROM sales_metrics WHERE metric_name = 'top_products_revenue') AS r USING (dimension)
ORDER BY dimension;

-- name: progress
-- Return the progress of counting, with the latencies of the partitions that advanced within the last ten seconds.
SELECT
    coalesce(sum(counted), 0)::bigint, coalesce(sum(dead_letters), 0)::bigint,
    coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_p50_ms) FILTER (WHERE recent), 0),
    coalesce(max(latency_p99_ms) FILTER (WHERE recent), 0)
FROM (SELECT *, updated_at > now() - interval '10 seconds' AS recent FROM partition_progress) AS p;

-- name: positions
-- Return the position of each partition; of a recreated topic only those of its latest id.
SELECT topic, partition, next_offset, topic_id
FROM (
    SELECT *, first_value(topic_id) OVER (PARTITION BY topic ORDER BY opened_at DESC, topic_id) AS last_id
    FROM partition_progress
) AS p
WHERE topic_id = last_id
ORDER BY topic, partition;

-- name: recent_crashes
-- Count the crashes of workers within the last ten minutes.
SELECT count(DISTINCT (worker_id, crashed_at)) FROM worker_crash WHERE crashed_at > now() - interval '10 minutes';

-- name: paused_partitions
-- List the partitions that are paused.
SELECT topic, partition, paused_at, records, bad FROM paused_partition WHERE released_at IS NULL
ORDER BY topic, partition;

-- name: workers
-- Return the time of the latest heartbeat, and the numbers of workers alive (within 10 s) and silent (10 s to 10 min).
SELECT
    max(seen_at), count(*) FILTER (WHERE seen_at > now() - interval '10 seconds'),
    count(*) FILTER (WHERE seen_at <= now() - interval '10 seconds' AND seen_at > now() - interval '10 minutes')
FROM worker_heartbeat;
