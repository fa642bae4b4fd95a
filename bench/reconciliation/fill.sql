-- name: create_bulk_orders
-- Creates a function of the n-th orders, the same in both databases: one line each, every fourth one paid. Their events
-- have ids that are made from those of the orders.
CREATE FUNCTION bulk_orders(first_n bigint, last_n bigint, start_ms bigint, step_ms float8)
RETURNS TABLE (
    n bigint, order_id uuid, payment_id uuid, accept_time timestamptz, paid boolean, product_id text, quantity integer, price_minor bigint
) LANGUAGE sql STABLE AS $$
    SELECT o.n, (o.head || '70008' || o.tail)::uuid, (o.head || '70018' || o.tail)::uuid,
        'epoch'::timestamptz + o.ms * interval '1 millisecond', o.n % 4 = 0, 'p' || 1 + o.n % 1000, 1 + (o.n % 3)::integer,
        1000 + 100 * (o.n % 7)
    FROM (
        SELECT s.n, s.ms, lpad(to_hex(s.ms), 12, '0') AS head, lpad(to_hex(s.n), 15, '0') AS tail
        FROM (SELECT g AS n, start_ms + (g * step_ms)::bigint AS ms FROM generate_series(first_n, last_n) AS g) AS s
    ) AS o
$$;

-- name: fill_without_triggers
-- Lets this session add rows without their sums.
SET session_replication_role = replica;

-- name: commit_without_waiting
-- Lets the transactions of this session return before they are on the disk.
SET synchronous_commit = off;

-- name: more_memory
-- Lets the sums of this session stay in memory.
SET work_mem = '256MB';

-- name: no_autovacuum
-- Keeps the machine quiet while something is measured.
ALTER SYSTEM SET autovacuum = off;

-- name: reload
-- Reads the configuration again.
SELECT pg_reload_conf();

-- name: make_partition
-- Creates the partition of a day.
SELECT make_partition(%(table)s, %(day)s::date);

-- name: fill_orders
-- Adds orders.
INSERT INTO orders (order_id, customer_id, status, sequence, total_minor, created_at, updated_at, trace_id, lines)
SELECT order_id, 'c' || n / 1000, CASE WHEN paid THEN 'PAID' ELSE 'CREATED' END::order_status, 1 + paid::integer,
    quantity * price_minor, accept_time, accept_time, '', ARRAY[(product_id, quantity, price_minor)::order_line]
FROM bulk_orders(%(first)s, %(last)s, %(start_ms)s, %(step_ms)s);

-- name: fill_outbox
-- Adds the events of orders as published.
INSERT INTO event_outbox (shard, status, event_type, units, total_minor, occur_time, sent_at, event_id, key, traceparent, payload)
SELECT n %% 64, 'SENT', e.type, CASE WHEN e.type = 1 THEN quantity ELSE 0 END, quantity * price_minor, accept_time, accept_time,
    e.event_id, order_id::text, '', ''
FROM bulk_orders(%(first)s, %(last)s, %(start_ms)s, %(step_ms)s)
CROSS JOIN LATERAL (VALUES (1, order_id), (3, payment_id)) AS e (type, event_id)
WHERE e.type = 1 OR paid;

-- name: fill_processed
-- Adds the events of orders as counted.
INSERT INTO processed_events (event_id, order_id, occur_time, "offset", total_minor, units, partition, type, previous_status, status)
SELECT e.event_id, order_id, accept_time, n, quantity * price_minor, CASE WHEN e.type = 1 THEN quantity ELSE 0 END, 0, e.type,
    CASE WHEN e.type = 1 THEN 0 ELSE 1 END, CASE WHEN e.type = 1 THEN 1 ELSE 3 END
FROM bulk_orders(%(first)s, %(last)s, %(start_ms)s, %(step_ms)s)
CROSS JOIN LATERAL (VALUES (1, order_id), (3, payment_id)) AS e (type, event_id)
WHERE e.type = 1 OR paid;

-- name: create_minutes
-- Creates a table of sums by minute.
CREATE UNLOGGED TABLE bulk_minute (
    start_time timestamptz, paid boolean, orders bigint, total_minor numeric, units bigint, digest bigint, payment_digest bigint
);

-- name: sum_minutes
-- Sums up orders and their events, with the functions of the migration that begins the ledgers.
INSERT INTO bulk_minute
SELECT minute_start(accept_time), paid, count(*), sum(quantity * price_minor), sum(quantity), bit_xor(id_digest(order_id)),
    bit_xor(id_digest(payment_id))
FROM bulk_orders(%(first)s, %(last)s, %(start_ms)s, %(step_ms)s) GROUP BY 1, 2;

-- name: invent_minutes
-- Adds as many orders to the minutes before a time, of which there are no rows: nothing but their sums is read.
INSERT INTO bulk_minute
SELECT m, paid, orders, orders * 2800, orders * 2, hashint8extended(extract(epoch FROM m)::bigint, paid::integer),
    hashint8extended(extract(epoch FROM m)::bigint, 2)
FROM generate_series(minute_start('epoch'::timestamptz + %(start_ms)s * interval '1 millisecond'),
        'epoch'::timestamptz + %(end_ms)s * interval '1 millisecond' - interval '1 second', interval '1 minute') AS m,
    LATERAL (VALUES (false, round(45000 / %(step_ms)s::numeric)::bigint), (true, round(15000 / %(step_ms)s::numeric)::bigint)) AS v (paid, orders);

-- name: begin_order_ledger
-- Adds the sums of orders.
INSERT INTO order_ledger_change SELECT start_time, CASE WHEN paid THEN 3 ELSE 1 END, orders, total_minor, digest FROM bulk_minute;

-- name: begin_event_ledger
-- Adds the sums of events; the first event of an order has the order's id.
INSERT INTO event_ledger_change
SELECT start_time, 1, orders, total_minor, units, digest FROM bulk_minute
UNION ALL SELECT start_time, 3, orders, total_minor, 0, payment_digest FROM bulk_minute WHERE paid;

-- name: sum_products
-- Adds the sums of products.
INSERT INTO product_ledger AS l
SELECT product_id, sum(quantity), sum(quantity * price_minor)
FROM bulk_orders(%(first)s, %(last)s, %(start_ms)s, %(step_ms)s) GROUP BY 1 ORDER BY 1
ON CONFLICT (product_id) DO UPDATE SET units = l.units + excluded.units, revenue_minor = l.revenue_minor + excluded.revenue_minor;

-- name: invent_products
-- Gives the units and the revenue of orders without rows to one product.
INSERT INTO product_ledger AS l
SELECT 'p1', e.units - p.units, e.total_minor - p.revenue_minor
FROM (SELECT sum(units) AS units, sum(total_minor) AS total_minor FROM bulk_minute) AS e,
    (SELECT sum(units) AS units, sum(revenue_minor) AS revenue_minor FROM product_ledger) AS p
ON CONFLICT (product_id) DO UPDATE SET units = l.units + excluded.units, revenue_minor = l.revenue_minor + excluded.revenue_minor;

-- name: ledger_orders
-- Counts the orders of the ledger.
SELECT sum(orders)::bigint FROM order_ledger WHERE period = 'DAY';

-- name: migrate_orders
-- Sums up orders as the migration does, from their rows, and returns how many there are.
SELECT sum(orders)::bigint FROM (
    SELECT id_minute(order_id), status_number(status), count(*) AS orders, sum(total_minor), bit_xor(id_digest(order_id))
    FROM orders WHERE order_id >= %(first_id)s GROUP BY 1, 2
) AS sums;

-- name: migrate_products
-- Sums up products as the migration does.
SELECT count(*) FROM (
    SELECT l.product_id, sum(l.quantity), sum(l.quantity * l.price_minor)
    FROM orders o CROSS JOIN LATERAL unnest(o.lines) AS l WHERE o.order_id >= %(first_id)s GROUP BY 1
) AS sums;

-- name: sum_events
-- Sums up the events of orders, also of those that the outbox does not hold.
INSERT INTO event_ledger_change
SELECT minute_start(accept_time), e.type, count(*), sum(quantity * price_minor), sum(CASE WHEN e.type = 1 THEN quantity ELSE 0 END),
    bit_xor(id_digest(e.event_id))
FROM bulk_orders(%(first)s, %(last)s, %(start_ms)s, %(step_ms)s)
CROSS JOIN LATERAL (VALUES (1, order_id), (3, payment_id)) AS e (type, event_id)
WHERE e.type = 1 OR paid
GROUP BY 1, 2;

-- name: fold
-- Adds up what the sums appended.
SELECT fold_ledgers();

-- name: copy_events_out
-- Reads the ledger of events.
COPY event_ledger TO STDOUT;

-- name: copy_events_in
-- Writes it.
COPY event_ledger FROM STDIN;

-- name: copy_orders_out
-- Reads the ledger of orders.
COPY order_ledger TO STDOUT;

-- name: copy_orders_in
-- Writes it.
COPY order_ledger FROM STDIN;

-- name: copy_products_out
-- Reads the ledger of products.
COPY product_ledger TO STDOUT;

-- name: products
-- Creates a table for it.
CREATE TABLE bulk_product (product_id text, units bigint, revenue_minor bigint);

-- name: copy_products_in
-- Writes it.
COPY bulk_product FROM STDIN;

-- name: fill_metrics
-- Adds the metrics that the ledgers give.
INSERT INTO sales_metrics (metric_name, dimension, value, updated_at)
SELECT m.*, now() FROM (
    SELECT 'orders_total', '', sum(events) FROM event_ledger WHERE period = 'DAY' AND event_type = 1
    UNION ALL SELECT 'revenue_total', '', sum(total_minor) FROM event_ledger WHERE period = 'DAY' AND event_type = 1
    UNION ALL SELECT 'orders_per_minute', to_char(start_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'), events
    FROM event_ledger WHERE period = 'MINUTE' AND event_type = 1
    UNION ALL SELECT 'revenue_per_minute', to_char(start_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'), total_minor
    FROM event_ledger WHERE period = 'MINUTE' AND event_type = 1
    UNION ALL SELECT 'orders_by_status', CASE status WHEN 1 THEN 'CREATED' ELSE 'PAID' END, sum(orders)
    FROM order_ledger WHERE period = 'DAY' GROUP BY status
    UNION ALL SELECT 'top_products_units', product_id, units FROM bulk_product
    UNION ALL SELECT 'top_products_revenue', product_id, revenue_minor FROM bulk_product
) AS m (metric_name, dimension, value);

-- name: drop_earlier
-- Notes that a table holds nothing from before a day, as the upkeep of partitions does when it drops one.
UPDATE partitioned_table SET complete_since = %(day)s WHERE name = %(table)s;

-- name: compare_days
-- Compares the days that are over, as the upkeep does within some minutes.
SELECT compare_metric_days(100000);

-- name: analyze
-- Collects statistics, and summarises the block ranges of indexes by time, as autovacuum does.
VACUUM (ANALYZE);

-- name: checkpoint
-- Writes what is dirty.
CHECKPOINT;

-- name: database_bytes
-- Returns the size of both databases.
SELECT sum(pg_database_size(datname))::bigint FROM pg_database WHERE datname IN ('orders', 'analytics');

-- name: lose_event
-- Removes a counted event of a minute, and returns its id.
DELETE FROM processed_events WHERE event_id = (SELECT payment_id FROM bulk_orders(%(n)s, %(n)s, %(start_ms)s, %(step_ms)s))
RETURNING event_id::text;

-- name: change_status
-- Changes the status of an order without an event, and returns its id.
UPDATE orders SET status = 'SHIPPED' WHERE order_id = (SELECT order_id FROM bulk_orders(%(n)s, %(n)s, %(start_ms)s, %(step_ms)s))
RETURNING order_id::text;

-- name: move_units
-- Moves units from one product to another, and returns these.
UPDATE sales_metrics SET value = value + CASE dimension WHEN 'p1' THEN 1 ELSE -1 END
WHERE metric_name = 'top_products_units' AND dimension IN ('p1', 'p2') RETURNING dimension;

-- name: change_minute
-- Changes a metric of a minute long ago, and returns the minute.
UPDATE sales_metrics SET value = value + 1
WHERE metric_name = 'orders_per_minute' AND dimension = (SELECT min(dimension) FROM sales_metrics WHERE metric_name = 'orders_per_minute')
RETURNING dimension;
