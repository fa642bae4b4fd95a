-- name: held_days
-- Lists in seconds since 1970 the days of which there are ledgers, events or orders. A day's first order leads to the next.
WITH RECURSIVE first_of_day (order_id) AS (
    (SELECT order_id FROM orders ORDER BY order_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT o.order_id FROM orders o
        WHERE o.order_id >= partition_bound('uuid', (period_start('DAY', id_minute(d.order_id)) AT TIME ZONE 'UTC')::date + 1)::uuid
        ORDER BY 1 LIMIT 1
    )
    FROM first_of_day d WHERE d.order_id < 'fff00000-0000-0000-0000-000000000000'
)
SELECT DISTINCT extract(epoch FROM day)::bigint
FROM (
    SELECT start_time FROM current_event_ledger WHERE period = 'DAY'
    UNION ALL SELECT start_time FROM current_order_ledger WHERE period = 'DAY'
    UNION ALL SELECT DISTINCT date_trunc('day', occur_time, 'UTC') FROM event_outbox
    UNION ALL SELECT period_start('DAY', id_minute(order_id)) FROM first_of_day WHERE order_id IS NOT NULL
) AS held (day)
ORDER BY 1;

-- name: now
-- Returns the time of the database in seconds since 1970.
SELECT extract(epoch FROM clock_timestamp())::bigint;

-- name: event_minutes
-- Returns the number of events by minute, by the rows and by the ledger, and whether they or other sums differ.
WITH found AS (
    SELECT minute_start(occur_time) AS start_time, event_type, count(*) AS events, sum(total_minor) AS total_minor,
        sum(units) AS units, bit_xor(id_digest(event_id)) AS digest
    FROM event_outbox WHERE occur_time >= to_timestamp(%(start)s) AND occur_time < to_timestamp(%(end)s) GROUP BY 1, 2
), kept AS (
    SELECT start_time, event_type, events, total_minor, units, digest FROM current_event_ledger
    WHERE period = 'MINUTE' AND start_time >= to_timestamp(%(start)s) AND start_time < to_timestamp(%(end)s)
)
SELECT extract(epoch FROM start_time)::bigint, coalesce(sum(f.events), 0)::bigint, coalesce(sum(k.events), 0)::bigint,
    bool_or(coalesce(f.events, 0) <> coalesce(k.events, 0) OR coalesce(f.total_minor, 0) <> coalesce(k.total_minor, 0)
        OR coalesce(f.units, 0) <> coalesce(k.units, 0) OR coalesce(f.digest, 0) <> coalesce(k.digest, 0))
FROM found f FULL JOIN kept k USING (start_time, event_type) GROUP BY 1 ORDER BY 1;

-- name: order_minutes
-- Returns the number of orders by minute of acceptance in the same way.
WITH found AS (
    SELECT id_minute(order_id) AS start_time, status_number(status) AS status, count(*) AS orders, sum(total_minor) AS total_minor,
        bit_xor(id_digest(order_id)) AS digest
    FROM orders WHERE order_id >= %(first_id)s AND order_id <= %(last_id)s GROUP BY 1, 2
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

-- name: sold_products
-- Returns units and revenue by product, from the orders of some ids.
SELECT l.product_id, sum(l.quantity)::bigint, sum(l.quantity * l.price_minor)::bigint
FROM orders o CROSS JOIN LATERAL unnest(o.lines) AS l
WHERE o.order_id >= %(first_id)s AND o.order_id <= %(last_id)s GROUP BY 1;

-- name: product_ledger
-- Returns units and revenue by product, from the ledger.
SELECT product_id, sum(units)::bigint, sum(revenue_minor)::bigint
FROM (SELECT * FROM product_ledger UNION ALL SELECT * FROM product_ledger_change) AS part GROUP BY 1;
