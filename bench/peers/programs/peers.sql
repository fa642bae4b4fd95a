-- name: create_tables
-- Makes what all peers need: orders with their items, an outbox, what was counted, and the metrics.
CREATE TABLE peer_order (
    order_id uuid PRIMARY KEY, customer_id text NOT NULL, status text NOT NULL, total_minor bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE peer_item (
    order_id uuid NOT NULL REFERENCES peer_order, position integer NOT NULL, product_id text NOT NULL,
    quantity integer NOT NULL, price_minor bigint NOT NULL, PRIMARY KEY (order_id, position)
);
CREATE TABLE peer_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, payload bytea NOT NULL, sent_at timestamptz
);
CREATE INDEX peer_outbox_unsent ON peer_outbox (id) WHERE sent_at IS NULL;
CREATE TABLE peer_counted (order_id uuid PRIMARY KEY);
CREATE TABLE peer_metric (name text PRIMARY KEY, value bigint NOT NULL);

-- name: stored
-- Counts the orders.
SELECT count(*) FROM peer_order;

-- name: counted
-- Counts the events that were counted.
SELECT count(*) FROM peer_counted;

-- name: insert_order
-- Stores an order.
INSERT INTO peer_order (order_id, customer_id, status, total_minor) VALUES (%s, %s, 'CREATED', %s);

-- name: insert_item
-- Stores an item of an order.
INSERT INTO peer_item VALUES (%s, %s, %s, %s, %s);

-- name: insert_event
-- Puts an event into the outbox.
INSERT INTO peer_outbox (key, payload) VALUES (%s, %s);

-- name: claim_events
-- Claims the next events of the outbox.
SELECT id, key, payload FROM peer_outbox WHERE sent_at IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED;

-- name: mark_sent
-- Marks events as sent.
UPDATE peer_outbox SET sent_at = now() WHERE id = ANY(%s);

-- name: insert_counted
-- Notes an event; nothing comes back when it was there.
INSERT INTO peer_counted VALUES (%s) ON CONFLICT DO NOTHING RETURNING order_id;

-- name: insert_counted_batch
-- Notes events; those come back that were not there.
INSERT INTO peer_counted SELECT unnest(%s::uuid[]) ON CONFLICT DO NOTHING RETURNING order_id;

-- name: add_metrics
-- Adds orders and what they are worth to the metrics.
INSERT INTO peer_metric VALUES ('orders_total', %s), ('revenue_total', %s)
ON CONFLICT (name) DO UPDATE SET value = peer_metric.value + excluded.value;

-- name: fill_outbox
-- Puts a number of events into the outbox.
INSERT INTO peer_outbox (key, payload)
SELECT id, convert_to(json_build_object('orderId', id, 'totalMinor', 2500)::text, 'UTF8')
FROM (SELECT gen_random_uuid()::text AS id FROM generate_series(1, %s)) AS orders;

-- name: fill_queue
-- Puts a number of jobs into the queue of procrastinate, as its own function writes them.
INSERT INTO procrastinate_jobs (queue_name, task_name, args)
SELECT 'default', 'send', jsonb_build_object('order_id', gen_random_uuid(), 'total_minor', 2500)
FROM generate_series(1, %s);

-- name: empty_queue
-- Empties the queue and leaves what the planner has learned from it.
ANALYZE procrastinate_jobs;
TRUNCATE procrastinate_jobs RESTART IDENTITY CASCADE;

-- name: sent_from_outbox
-- Counts the events that a publisher alone has marked, which it does in their order: cheap to ask often.
SELECT coalesce((SELECT min(id) FROM peer_outbox WHERE sent_at IS NULL), last_value + 1) - 1 FROM peer_outbox_id_seq;

-- name: sent_from_queue
-- Counts the jobs that a publisher alone has done and deleted, up to the first that is not: cheap to ask often.
SELECT coalesce((SELECT min(id) FROM procrastinate_jobs), last_value + 1) - 1 FROM procrastinate_jobs_id_seq;

-- name: forget_counted
-- Lets the next worker begin at nothing.
TRUNCATE peer_counted, peer_metric;

-- name: counted_alone
-- Counts the events that a worker alone has counted: cheap to ask often.
SELECT coalesce(sum(value), 0)::bigint FROM peer_metric WHERE name = 'orders_total';
