-- name: orders
-- Every order with its lines as JSON.
SELECT order_id::text, customer_id, status::text, sequence, total_minor, to_json(lines) FROM orders;

-- name: order_requests
-- The orders of the idempotency keys.
SELECT request_id, order_id::text FROM order_request;

-- name: change_requests
-- The idempotency keys of all other calls.
SELECT method, scope, request_id FROM idempotency_request;

-- name: stock
-- The products with tracked stock, with what is held for a backorder.
SELECT product_id, stock, CASE WHEN held_until > clock_timestamp() THEN held ELSE 0 END FROM product WHERE tracked;

-- name: outbox
-- The events of the outbox by status.
SELECT status::text, count(*) FROM event_outbox GROUP BY status;

-- name: counted
-- The counted events.
SELECT event_id::text, coalesce(order_id::text, ''), type FROM processed_events;

-- name: metrics
-- The metrics that are not zero.
SELECT metric_name, dimension, value FROM sales_metrics WHERE value <> 0;

-- name: dead_letters
-- The dead letters by topic and reason.
SELECT topic, reason, count(*) FROM dead_letter WHERE redriven_at IS NULL GROUP BY topic, reason;

-- name: unsent
-- The number of events that are not published.
SELECT count(*) FROM event_outbox WHERE status IN ('NEW', 'FAILED');

-- name: counted_orders
-- The number of counted orders.
SELECT coalesce(sum(value), 0)::bigint FROM sales_metrics WHERE metric_name = 'orders_total';

-- name: counted_events
-- The number of counted events and dead letters.
SELECT (SELECT count(*) FROM processed_events) + (SELECT count(*) FROM dead_letter);
