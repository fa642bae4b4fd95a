-- name: held_days
-- List in seconds since 1970 the days of which there are ledgers or counted events.
SELECT DISTINCT extract(epoch FROM day)::bigint
FROM (
    SELECT start_time FROM current_event_ledger WHERE period = 'DAY'
    UNION ALL SELECT start_time FROM current_order_ledger WHERE period = 'DAY'
    UNION ALL SELECT DISTINCT date_trunc('day', occur_time, 'UTC') FROM processed_events
) AS held (day)
ORDER BY 1;

-- name: event_minutes
-- Return the number of events by minute, by the rows and by the ledger, and whether they or other sums differ.
WITH found AS (
    SELECT minute_start(occur_time) AS start_time, type AS event_type, count(*) AS events, sum(total_minor) AS total_minor,
        sum(units) AS units, bit_xor(id_digest(event_id)) AS digest
    FROM processed_events WHERE occur_time >= to_timestamp(%(start)s) AND occur_time < to_timestamp(%(end)s) GROUP BY 1, 2
), kept AS (
    SELECT start_time, event_type, events, total_minor, units, digest FROM current_event_ledger
    WHERE period = 'MINUTE' AND start_time >= to_timestamp(%(start)s) AND start_time < to_timestamp(%(end)s)
)
SELECT extract(epoch FROM start_time)::bigint, coalesce(sum(f.events), 0)::bigint, coalesce(sum(k.events), 0)::bigint,
    bool_or(coalesce(f.events, 0) <> coalesce(k.events, 0) OR coalesce(f.total_minor, 0) <> coalesce(k.total_minor, 0)
        OR coalesce(f.units, 0) <> coalesce(k.units, 0) OR coalesce(f.digest, 0) <> coalesce(k.digest, 0))
FROM found f FULL JOIN kept k USING (start_time, event_type) GROUP BY 1 ORDER BY 1;

-- name: order_minutes
-- Return the number of orders by minute of acceptance in the same way; events move orders from one status to another.
WITH found AS (
    SELECT id_minute(e.order_id) AS start_time, s.status, sum(s.sign) AS orders, sum(s.sign * e.total_minor) AS total_minor,
        bit_xor(id_digest(e.order_id)) AS digest
    FROM processed_events e CROSS JOIN LATERAL (VALUES (e.status, 1), (e.previous_status, -1)) AS s (status, sign)
    WHERE e.order_id >= %(first_id)s AND e.order_id <= %(last_id)s AND s.status <> 0 GROUP BY 1, 2
), kept AS (
    SELECT start_time, status, orders, total_minor, digest FROM current_order_ledger
    WHERE period = 'MINUTE' AND start_time >= to_timestamp(%(start)s) AND start_time < to_timestamp(%(end)s)
)
SELECT extract(epoch FROM start_time)::bigint, coalesce(sum(f.orders), 0)::bigint, coalesce(sum(k.orders), 0)::bigint,
    bool_or(coalesce(f.orders, 0) <> coalesce(k.orders, 0) OR coalesce(f.total_minor, 0) <> coalesce(k.total_minor, 0)
        OR coalesce(f.digest, 0) <> coalesce(k.digest, 0))
FROM found f FULL JOIN kept k USING (start_time, status) GROUP BY 1 ORDER BY 1;

-- name: day_sums
-- Returns of each ledger the number of a day by its minutes and by the day itself, and whether they or other sums differ.
WITH part AS (
    SELECT 1 AS ledger, period, event_type AS kind, events AS number, total_minor, units, digest FROM current_event_ledger
    WHERE period IN ('MINUTE', 'DAY') AND start_time >= to_timestamp(%(day)s) AND start_time < to_timestamp(%(day)s + 86400)
    UNION ALL
    SELECT 2, period, status, orders, total_minor, 0, digest FROM current_order_ledger
    WHERE period IN ('MINUTE', 'DAY') AND start_time >= to_timestamp(%(day)s) AND start_time < to_timestamp(%(day)s + 86400)
), compared AS (
    SELECT ledger, coalesce(sum(number) FILTER (WHERE period = 'MINUTE'), 0) AS minutes,
        coalesce(sum(number) FILTER (WHERE period = 'DAY'), 0) AS days,
        sum(CASE period WHEN 'MINUTE' THEN total_minor ELSE -total_minor END) AS more_minor,
        sum(CASE period WHEN 'MINUTE' THEN units ELSE -units END) AS more_units, bit_xor(digest) AS digest
    FROM part GROUP BY ledger, kind
)
SELECT ledger, sum(minutes)::bigint, sum(days)::bigint,
    bool_or(minutes <> days OR more_minor <> 0 OR more_units <> 0 OR digest <> 0)
FROM compared GROUP BY 1 ORDER BY 1;

-- name: minute_differences
-- Compare the metrics by minute of all days with the ledger, and return those that differ.
WITH created AS (
    SELECT to_char(start_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') AS minute, events, total_minor
    FROM current_event_ledger WHERE period = 'MINUTE' AND event_type = 1
), expected AS (
    SELECT 'orders_per_minute' AS metric_name, minute AS dimension, events::numeric AS value FROM created
    UNION ALL SELECT 'revenue_per_minute', minute, total_minor FROM created
), actual AS (
    SELECT metric_name, dimension, value FROM sales_metrics
    WHERE metric_name IN ('orders_per_minute', 'revenue_per_minute')
)
SELECT metric_name, dimension, coalesce(e.value, 0)::bigint, coalesce(a.value, 0)::bigint
FROM expected e FULL JOIN actual a USING (metric_name, dimension)
WHERE coalesce(e.value, 0) <> coalesce(a.value, 0)
ORDER BY metric_name, dimension
LIMIT 1000;
