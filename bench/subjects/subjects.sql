-- name: product_stored
-- Number of stored orders; the writers update it in the same transaction.
SELECT coalesce(sum(orders), 0)::bigint FROM progress;

-- name: product_counted
-- Number of counted events; the workers update it in the same transaction.
SELECT coalesce(sum(counted), 0)::bigint FROM partition_progress;

-- name: progress_stored
-- Number of orders that a bare pipeline or a peer stored.
SELECT coalesce(sum(events), 0)::bigint FROM bench_progress WHERE stage = 'stored';

-- name: progress_counted
-- Number of events that a bare pipeline or a peer counted.
SELECT coalesce(sum(events), 0)::bigint FROM bench_progress WHERE stage = 'counted';

-- name: wal_bytes
-- Bytes that the server has written to the WAL so far.
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint;

-- name: checkpoint
-- Writes dirty pages, so that a run does not pay for the previous one.
CHECKPOINT;

-- name: publish_latency
-- Percentiles of the time from the commit of an order to its mark as sent, for events after a time.
SELECT percentile_cont(ARRAY[0.5, 0.9, 0.99, 0.999]) WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - occur_time) * 1000)
FROM event_outbox WHERE status = 'SENT' AND occur_time >= to_timestamp(%(since)s);

-- name: count_latency
-- Percentiles of the time from the commit of an order to the transaction that counts it, for events after a time.
SELECT percentile_cont(ARRAY[0.5, 0.9, 0.99, 0.999]) WITHIN GROUP (ORDER BY extract(epoch FROM counted_at - occur_time) * 1000)
FROM processed_events WHERE occur_time >= to_timestamp(%(since)s);

-- name: hold_snapshot
-- Takes a snapshot, as a long report holds it.
SELECT count(*) FROM outbox_shard;

-- name: copy_outbox
-- Copies events into the outbox.
COPY event_outbox (shard, event_type, units, total_minor, occur_time, event_id, key, traceparent, payload) FROM STDIN;

-- name: published
-- Number of sent events; the publisher updates it in the same transaction.
SELECT coalesce(sum(published), 0)::bigint FROM progress;

-- name: fill_orders
-- Adds old orders at intervals of 10 ms, each of another customer than the one before.
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
-- Number of added orders.
SELECT count(*) FROM orders WHERE customer_id LIKE 'bulk-%%' AND status = 'SHIPPED';

-- name: products_filled
-- Number of added products.
SELECT count(*) FROM product WHERE product_id LIKE 'bulk-%%';

-- name: vacuum_orders
-- Runs vacuum and analyze, as autovacuum would later.
VACUUM (ANALYZE) orders;

-- name: vacuum_products
-- Runs vacuum and analyze, as autovacuum would later.
VACUUM (ANALYZE) product;

-- name: an_old_order
-- The oldest order.
SELECT order_id::text FROM orders ORDER BY orders.order_id LIMIT 1;
