-- name: insert_orders
-- Inserts orders with their idempotency keys and ORDER_CREATED events. Returns the database's time in microseconds, and
-- the ids of the orders that were not inserted because their idempotency keys exist.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(
        %(order_ids)s::uuid[], %(customer_ids)s::text[], %(statuses)s::order_status[], %(total_minors)s::bigint[],
        %(units)s::integer[], %(created_us)s::bigint[], %(lines)s::text[], %(request_ids)s::text[],
        %(fingerprints)s::bytea[], %(shards)s::smallint[], %(event_ids)s::uuid[], %(traceparents)s::text[],
        %(payloads)s::bytea[]
    ) WITH ORDINALITY AS i (order_id, customer_id, status, total_minor, units, created_us, lines, request_id,
        fingerprint, shard, event_id, traceparent, payload, position)
), period AS MATERIALIZED (
    -- Near the boundary of two periods, transactions on both sides may run: keys are claimed in both partitions then.
    SELECT request_period(clock_timestamp() - interval '15 minutes') AS first,
        request_period(clock_timestamp() + interval '15 minutes') AS last
), unknown AS MATERIALIZED (
    SELECT i.* FROM input i LEFT JOIN LATERAL (
        SELECT true AS earlier FROM order_request r
        WHERE r.customer_id = i.customer_id AND r.request_id = i.request_id AND r.period <> (SELECT first FROM period) LIMIT 1
    ) AS known ON true
    WHERE i.request_id <> '' AND earlier IS NULL
), claimed AS (
    INSERT INTO order_request (customer_id, request_id, fingerprint, order_id, status, created_at, period)
    SELECT customer_id, request_id, fingerprint, order_id, status, 'epoch'::timestamptz + created_us * interval '1 microsecond',
        (SELECT first FROM period)
    FROM unknown ORDER BY customer_id, request_id
    ON CONFLICT DO NOTHING
    RETURNING order_id
), claimed_too AS (
    INSERT INTO order_request (customer_id, request_id, fingerprint, order_id, status, created_at, period)
    SELECT customer_id, request_id, fingerprint, order_id, status, 'epoch'::timestamptz + created_us * interval '1 microsecond', last
    FROM unknown CROSS JOIN period WHERE last <> first AND order_id IN (SELECT order_id FROM claimed) ORDER BY customer_id, request_id
    ON CONFLICT DO NOTHING
    RETURNING order_id
), accepted AS MATERIALIZED (
    SELECT *, 'epoch'::timestamptz + created_us * interval '1 microsecond' AS created_at
    FROM input WHERE request_id = '' OR order_id IN (SELECT order_id FROM claimed)
), stored AS (
    INSERT INTO orders (order_id, customer_id, status, total_minor, created_at, updated_at, trace_id, lines)
    SELECT order_id, customer_id, status, total_minor, created_at, created_at, substr(traceparent, 4, 32), lines::order_line[]
    FROM accepted ORDER BY position
), events AS (
    INSERT INTO event_outbox (shard, event_type, units, total_minor, occur_time, event_id, key, traceparent, payload)
    SELECT shard, 1, units, total_minor, created_at, event_id, order_id::text, traceparent, payload
    FROM accepted ORDER BY position
), counted AS (
    INSERT INTO progress AS p (process, orders, seen_at)
    SELECT %(process)s, count(*), clock_timestamp() FROM accepted
    ON CONFLICT (process) DO UPDATE SET orders = p.orders + excluded.orders, seen_at = excluded.seen_at
)
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    ARRAY(SELECT order_id::text FROM input WHERE request_id <> '' EXCEPT SELECT order_id::text FROM claimed),
    CASE WHEN (SELECT last <> first FROM period) AND (SELECT count(*) FROM claimed) <> (SELECT count(*) FROM claimed_too)
        THEN refuse_split_claim() END;

-- name: record_orders
-- Appends an entry of the audit log for each order of an operator: a part of insert_orders.
INSERT INTO audit_log (role, subject, client_address, request_id, trace_id, action, target, after)
SELECT o.role, o.subject, o.client_address, o.request_id, o.trace_id, 'CreateOrder', order_id::text,
    jsonb_build_object('customer_id', a.customer_id, 'status', a.status, 'total_minor', a.total_minor)
FROM jsonb_to_recordset(%(recorded)s::jsonb) AS o (order_id uuid, role text, subject text, client_address text,
    request_id text, trace_id text) JOIN accepted a USING (order_id) ORDER BY position;

-- name: find_order_requests
-- Returns the first results of those idempotency keys of orders that exist.
SELECT r.customer_id, r.request_id, r.fingerprint, r.order_id::text, r.status::text,
    (extract(epoch FROM r.created_at) * 1000000)::bigint
FROM order_request r
JOIN unnest(%(customer_ids)s::text[], %(request_ids)s::text[]) AS w (customer_id, request_id) USING (customer_id, request_id);

-- name: insert_events
-- Inserts events other than ORDER_CREATED into the outbox.
INSERT INTO event_outbox (shard, event_type, total_minor, occur_time, event_id, key, traceparent, payload, baggage)
SELECT shard, event_type, total_minor, 'epoch'::timestamptz + occur_us * interval '1 microsecond', event_id, key, traceparent,
    payload, %(baggage)s
FROM unnest(
    %(shards)s::smallint[], %(event_types)s::smallint[], %(total_minors)s::bigint[], %(occur_us)s::bigint[],
    %(event_ids)s::uuid[], %(keys)s::text[], %(traceparents)s::text[], %(payloads)s::bytea[]
) WITH ORDINALITY AS e (shard, event_type, total_minor, occur_us, event_id, key, traceparent, payload, position)
ORDER BY position;

-- name: read_clock
-- Returns the database's time in microseconds.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- name: find_products
-- Returns which products exist and whether they are tracked. Neither changes once a product exists.
SELECT product_id, tracked FROM product WHERE product_id = ANY(%(product_ids)s::text[]);

-- name: first_products
-- Returns the first products by id, and whether they are tracked.
SELECT product_id, tracked FROM product ORDER BY product_id LIMIT %(limit)s;

-- name: lock_products
-- Locks products in the order of their ids, as every transaction does, and returns their stock.
SELECT product_id, stock, awaited, arrivals, (extract(epoch FROM arrived_at) * 1000000)::bigint,
    holder, held, (extract(epoch FROM held_until) * 1000000)::bigint, release_from IS NOT NULL
FROM product WHERE product_id = ANY(%(product_ids)s::text[])
ORDER BY product_id FOR UPDATE;

-- name: update_stocks
-- Applies the changes of a transaction to locked products, one row per product.
UPDATE product p SET stock = p.stock + c.stock_change, awaited = p.awaited + c.awaited_change,
    arrivals = c.arrivals, arrived_at = 'epoch'::timestamptz + c.arrived_us * interval '1 microsecond',
    holder = c.holder, held = c.held, held_until = 'epoch'::timestamptz + c.held_until_us * interval '1 microsecond'
FROM unnest(
    %(product_ids)s::text[], %(stock_changes)s::bigint[], %(awaited_changes)s::bigint[], %(arrivals)s::bigint[],
    %(arrived_us)s::bigint[], %(holders)s::bigint[], %(held)s::bigint[], %(held_until_us)s::bigint[]
) AS c (product_id, stock_change, awaited_change, arrivals, arrived_us, holder, held, held_until_us)
WHERE p.product_id = c.product_id;

-- name: insert_backorders
-- Appends backorders to the queue with what they need of each product. Their products are locked.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(%(product_ids)s::text[], %(order_ids)s::uuid[], %(quantities)s::bigint[])
        WITH ORDINALITY AS i (product_id, order_id, quantity, number)
), placed AS MATERIALIZED (
    SELECT order_id, nextval('backorder_position') AS position
    FROM (SELECT order_id FROM input GROUP BY order_id ORDER BY min(number)) AS o
)
INSERT INTO backorder (product_id, order_id, quantity, position, arrivals_before)
SELECT i.product_id, i.order_id, i.quantity, o.position, p.arrivals
FROM input i JOIN placed o USING (order_id) JOIN product p USING (product_id);

-- name: get_order
-- Returns an order, for a customer only its own: another one costs as much as none.
SELECT order_id::text, customer_id, status::text, sequence, total_minor, (extract(epoch FROM created_at) * 1000000)::bigint,
    (extract(epoch FROM updated_at) * 1000000)::bigint, lines::text
FROM orders
WHERE order_id = %(order_id)s AND (%(customer_id)s::text IS NULL OR customer_id = %(customer_id)s::text);

-- name: lock_order
-- Locks and returns an order.
SELECT order_id::text, customer_id, status::text, sequence, total_minor, (extract(epoch FROM created_at) * 1000000)::bigint,
    (extract(epoch FROM updated_at) * 1000000)::bigint, lines::text
FROM orders WHERE order_id = %(order_id)s FOR UPDATE;

-- name: lock_backorders
-- Locks and returns those of the orders that are in PENDING_RESTOCK, oldest first.
SELECT order_id::text, customer_id, status::text, sequence, total_minor, (extract(epoch FROM created_at) * 1000000)::bigint,
    (extract(epoch FROM updated_at) * 1000000)::bigint, lines::text
FROM orders WHERE order_id = ANY(%(order_ids)s::uuid[]) AND status = 'PENDING_RESTOCK' ORDER BY orders.order_id FOR UPDATE;

-- name: update_status
-- Changes the status of a locked order.
UPDATE orders SET status = %(status)s::order_status, sequence = sequence + 1,
    updated_at = 'epoch'::timestamptz + %(occur_us)s * interval '1 microsecond'
WHERE order_id = %(order_id)s;

-- name: update_status_on_record
-- Changes the status of a locked order, with its entry of the audit log.
WITH changed AS (
    UPDATE orders SET status = %(status)s::order_status, sequence = sequence + 1,
        updated_at = 'epoch'::timestamptz + %(occur_us)s * interval '1 microsecond'
    WHERE order_id = %(order_id)s
)
INSERT INTO audit_log (role, subject, client_address, request_id, trace_id, action, target, before, after)
VALUES (%(role)s, %(subject)s, %(client_address)s, %(request_id)s, %(trace_id)s, %(action)s, %(target)s,
    %(before)s::jsonb, %(after)s::jsonb);

-- name: release_orders
-- Changes the status of locked backorders to CREATED.
UPDATE orders o SET status = 'CREATED', sequence = sequence + 1,
    updated_at = 'epoch'::timestamptz + r.occur_us * interval '1 microsecond'
FROM unnest(%(order_ids)s::uuid[], %(occur_us)s::bigint[]) AS r (order_id, occur_us)
WHERE o.order_id = r.order_id;

-- name: delete_backorders
-- Removes orders from the queue of backorders and returns the positions that they had.
DELETE FROM backorder WHERE order_id = ANY(%(order_ids)s::uuid[]) RETURNING position;

-- name: find_backorders
-- Returns backorders of some products by position, with everything that they need.
SELECT p.position, w.order_id::text, w.product_id, w.quantity, w.arrivals_before
FROM (SELECT order_id, min(position) AS position
      FROM unnest(%(product_ids)s::text[]) AS g (product_id) CROSS JOIN LATERAL (
          SELECT c.order_id, c.position FROM backorder c
          WHERE c.product_id = g.product_id AND c.position > %(after)s ORDER BY c.position LIMIT %(limit)s) AS first
      GROUP BY order_id ORDER BY 2 LIMIT %(limit)s) AS p
JOIN backorder w USING (order_id)
ORDER BY p.position;

-- name: schedule_release
-- Saves that the releases of products have to continue after a position.
UPDATE product SET release_from = %(after)s WHERE product_id = ANY(%(product_ids)s::text[]);

-- name: advance_release
-- Saves where releases have to continue, NULL for finished ones. Without effect on a release that another transaction
-- restarted or advanced.
UPDATE product SET release_from = CASE WHEN product_id = ANY(%(unfinished)s::text[]) THEN %(last)s::bigint END
WHERE product_id = ANY(%(product_ids)s::text[]) AND release_from = %(after)s;

-- name: skip_backorder
-- Advances releases behind the next backorder, and returns its order id.
WITH next AS (
    SELECT c.position, c.order_id FROM backorder c
    WHERE c.product_id = ANY(%(product_ids)s::text[]) AND c.position > %(after)s ORDER BY c.position LIMIT 1
), moved AS (
    UPDATE product p SET release_from = next.position FROM next
    WHERE p.product_id = ANY(%(product_ids)s::text[]) AND p.release_from = %(after)s)
SELECT order_id::text FROM next;

-- name: expire_holds
-- Ends expired holds and schedules the release of their products. A hold for longer than an hour (HOLD_US of
-- stock/stock_levels.py) dates from before the database's clock was set back; the minute is a tolerance for fast clocks.
UPDATE product SET holder = 0, held = 0, release_from = 0
WHERE product_id IN (
    SELECT product_id FROM product
    WHERE holder <> 0
        AND (held_until < clock_timestamp() OR held_until > clock_timestamp() + interval '1 hour 1 minute')
    FOR UPDATE SKIP LOCKED);

-- name: scheduled_releases
-- Returns products whose release has to continue, except deferred ones.
SELECT product_id, release_from FROM product
WHERE release_from IS NOT NULL AND product_id <> ALL(%(deferred)s::text[]) ORDER BY random() LIMIT 100;

-- name: get_orders
-- Returns orders, newest first.
SELECT order_id::text, customer_id, status::text, sequence, total_minor, (extract(epoch FROM created_at) * 1000000)::bigint,
    (extract(epoch FROM updated_at) * 1000000)::bigint, lines::text
FROM orders WHERE order_id = ANY(%(order_ids)s::uuid[]) ORDER BY orders.order_id DESC;

-- name: list_orders
-- Returns a page of summaries of all orders, newest first, with the numbers of lines on request.
SELECT order_id::text, customer_id, status::text, total_minor, (extract(epoch FROM created_at) * 1000000)::bigint,
    CASE WHEN %(count_lines)s THEN cardinality(lines) ELSE 0 END
FROM orders WHERE order_id >= %(lowest)s AND order_id < %(before)s ORDER BY orders.order_id DESC LIMIT %(limit)s;

-- name: list_orders_of_customer
-- Returns the same for the orders of a customer.
SELECT order_id::text, customer_id, status::text, total_minor, (extract(epoch FROM created_at) * 1000000)::bigint,
    CASE WHEN %(count_lines)s THEN cardinality(lines) ELSE 0 END
FROM orders WHERE customer_id = %(customer_id)s AND order_id >= %(lowest)s AND order_id < %(before)s
ORDER BY orders.order_id DESC LIMIT %(limit)s;

-- name: list_orders_in_status
-- Returns the same for the orders in a status.
SELECT order_id::text, customer_id, status::text, total_minor, (extract(epoch FROM created_at) * 1000000)::bigint,
    CASE WHEN %(count_lines)s THEN cardinality(lines) ELSE 0 END
FROM orders WHERE status = %(status)s::order_status AND order_id >= %(lowest)s AND order_id < %(before)s
ORDER BY orders.order_id DESC LIMIT %(limit)s;

-- name: list_orders_of_customer_in_status
-- Returns the same for the orders of a customer in a status.
SELECT order_id::text, customer_id, status::text, total_minor, (extract(epoch FROM created_at) * 1000000)::bigint,
    CASE WHEN %(count_lines)s THEN cardinality(lines) ELSE 0 END
FROM orders WHERE customer_id = %(customer_id)s AND status = %(status)s::order_status
    AND order_id >= %(lowest)s AND order_id < %(before)s
ORDER BY orders.order_id DESC LIMIT %(limit)s;

-- name: get_product
-- Returns a product.
SELECT product_id, name, price_minor, tracked, stock, awaited, (extract(epoch FROM created_at) * 1000000)::bigint
FROM product WHERE product_id = %(product_id)s;

-- name: list_products
-- Returns a page of products by id.
SELECT product_id, name, price_minor, tracked, stock, awaited, (extract(epoch FROM created_at) * 1000000)::bigint
FROM product WHERE product_id > %(after)s ORDER BY product_id LIMIT %(limit)s;

-- name: insert_product
-- Inserts a product. Returns no row when its id exists.
INSERT INTO product (product_id, name, price_minor, tracked, stock)
VALUES (%(product_id)s, %(name)s, %(price_minor)s, %(tracked)s, %(stock)s)
ON CONFLICT DO NOTHING
RETURNING product_id, name, price_minor, tracked, stock, awaited, (extract(epoch FROM created_at) * 1000000)::bigint;

-- name: lock_idempotency_key
-- Locks an idempotency key until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended(%(method)s || ' ' || %(scope)s || ' ' || %(request_id)s, 0));

-- name: find_response
-- Returns the saved response of an idempotency key, and the fingerprint of its request.
SELECT fingerprint, response FROM idempotency_request
WHERE method = %(method)s AND scope = %(scope)s AND request_id = %(request_id)s;

-- name: insert_response
-- Saves the response of an idempotency key.
INSERT INTO idempotency_request (method, scope, request_id, fingerprint, response)
VALUES (%(method)s, %(scope)s, %(request_id)s, %(fingerprint)s, %(response)s);

-- name: merge_old_progress
-- Merges the counts of processes without a heartbeat for a day into one row.
WITH gone AS (
    DELETE FROM progress WHERE seen_at < clock_timestamp() - interval '1 day' AND process <> 'earlier processes'
    RETURNING orders, published, seen_at
)
INSERT INTO progress AS p (process, orders, published, seen_at)
SELECT 'earlier processes', sum(orders), sum(published), max(seen_at) FROM gone HAVING count(*) > 0
ON CONFLICT (process) DO UPDATE SET orders = p.orders + excluded.orders, published = p.published + excluded.published,
    seen_at = greatest(p.seen_at, excluded.seen_at);

-- name: fold_ledgers
-- Adds up the changes of the ledgers.
SELECT fold_ledgers();
