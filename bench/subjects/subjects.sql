-- name: product_stored
-- Counts the orders that were stored, with the work that stored them.
SELECT coalesce(sum(orders), 0)::bigint FROM progress;

-- name: product_counted
-- Counts the events that were counted, with the work that counted them.
SELECT coalesce(sum(counted), 0)::bigint FROM partition_progress;

-- name: rows_stored
-- Counts the orders themselves.
SELECT count(*) FROM orders;

-- name: revenue
-- Returns the revenue that the metrics show, in minor units.
SELECT coalesce(sum(value), 0)::bigint FROM sales_metrics WHERE metric_name = 'revenue_total';

-- name: progress_stored
-- Counts the orders that a bare pipeline or a peer stored.
SELECT coalesce(sum(events), 0)::bigint FROM bench_progress WHERE stage = 'stored';

-- name: progress_counted
-- Counts the events that a bare pipeline or a peer counted.
SELECT coalesce(sum(events), 0)::bigint FROM bench_progress WHERE stage = 'counted';

-- name: wal_bytes
-- Tells how much the server has written to its log so far.
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint;

-- name: checkpoint
-- Makes what is dirty durable, so that a run does not pay for the one before it.
CHECKPOINT;

-- name: publish_latency
-- Percentiles of the time from an order's commit to the mark after Kafka's acknowledgement, of events after a time.
SELECT percentile_cont(ARRAY[0.5, 0.9, 0.99, 0.999]) WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - occur_time) * 1000)
FROM event_outbox WHERE status = 'SENT' AND occur_time >= to_timestamp(%(since)s);

-- name: count_latency
-- Percentiles of the time from an order's commit to the transaction that counts it, of events after a time.
SELECT percentile_cont(ARRAY[0.5, 0.9, 0.99, 0.999]) WITHIN GROUP (ORDER BY extract(epoch FROM counted_at - occur_time) * 1000)
FROM processed_events WHERE occur_time >= to_timestamp(%(since)s);

-- name: hold_snapshot
-- Takes the snapshot that a long report would hold.
SELECT count(*) FROM outbox_shard;

-- name: copy_outbox
-- Takes events into the outbox as fast as the server can.
COPY event_outbox (shard, event_type, units, total_minor, occur_time, event_id, key, traceparent, payload) FROM STDIN;

-- name: unsent
-- Says whether an event still waits to be sent.
SELECT EXISTS (SELECT FROM event_outbox WHERE status IN ('NEW', 'FAILED'));

-- name: published
-- Counts the events that were sent, with the work that sent them.
SELECT coalesce(sum(published), 0)::bigint FROM progress;

-- name: fill_orders
-- Adds old orders, a hundredth of a second apart and each of another customer than the one before.
INSERT INTO orders (order_id, customer_id, status, total_minor, created_at, updated_at, trace_id, lines)
SELECT uuidv7(age), 'bulk-' || n %% %(customers)s, 'SHIPPED', 7000, now() + age, now() + age, repeat('a', 32),
    ARRAY[('p1', 2, 1000), ('p2', 1, 5000)]::order_line[]
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n,
    make_interval(secs => (n - 20000000) * 0.01) AS age;

-- name: fill_products
-- Adds products.
INSERT INTO product (product_id, name, price_minor, tracked)
SELECT 'bulk-' || n, 'a product among many', 1000, false
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n;

-- name: orders_filled
-- Counts the orders that were added.
SELECT count(*) FROM orders WHERE customer_id LIKE 'bulk-%%' AND status = 'SHIPPED';

-- name: products_filled
-- Counts the products that were added.
SELECT count(*) FROM product WHERE product_id LIKE 'bulk-%%';

-- name: settle_orders
-- Does what the server would do sooner or later after so many rows.
VACUUM (ANALYZE) orders;

-- name: settle_products
-- Does what the server would do sooner or later after so many rows.
VACUUM (ANALYZE) product;

-- name: an_old_order
-- Returns the oldest order.
SELECT order_id::text FROM orders ORDER BY orders.order_id LIMIT 1;
