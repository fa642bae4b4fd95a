-- name: create_tables
-- Creates the tables of all peers: orders, items, an outbox, counted events and metrics.
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
-- Number of orders.
SELECT count(*) FROM peer_order;

-- name: counted
-- Number of counted events.
SELECT count(*) FROM peer_counted;

-- name: insert_order
-- Stores an order.
INSERT INTO peer_order (order_id, customer_id, status, total_minor) VALUES (%s, %s, 'CREATED', %s);

-- name: insert_item
-- Stores an item of an order.
INSERT INTO peer_item VALUES (%s, %s, %s, %s, %s);

-- name: insert_event
-- Inserts an event into the outbox.
INSERT INTO peer_outbox (key, payload) VALUES (%s, %s);

-- name: claim_events
-- Claims the next events of the outbox.
SELECT id, key, payload FROM peer_outbox WHERE sent_at IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED;

-- name: mark_sent
-- Marks events as sent.
UPDATE peer_outbox SET sent_at = now() WHERE id = ANY(%s);

-- name: insert_counted
-- Records an event; returns no row when it was recorded before.
INSERT INTO peer_counted VALUES (%s) ON CONFLICT DO NOTHING RETURNING order_id;

-- name: insert_counted_batch
-- Records events; returns the new ones.
INSERT INTO peer_counted SELECT unnest(%s::uuid[]) ON CONFLICT DO NOTHING RETURNING order_id;

-- name: add_metrics
-- Adds orders and their revenue to the metrics.
INSERT INTO peer_metric VALUES ('orders_total', %s), ('revenue_total', %s)
ON CONFLICT (name) DO UPDATE SET value = peer_metric.value + excluded.value;

-- name: fill_outbox
-- Inserts a number of events into the outbox.
INSERT INTO peer_outbox (key, payload)
SELECT id, convert_to(json_build_object('orderId', id, 'totalMinor', 2500)::text, 'UTF8')
FROM (SELECT gen_random_uuid()::text AS id FROM generate_series(1, %s)) AS orders;

-- name: fill_queue
-- Inserts a number of jobs into the queue of procrastinate, as its function does.
INSERT INTO procrastinate_jobs (queue_name, task_name, args)
SELECT 'default', 'send', jsonb_build_object('order_id', gen_random_uuid(), 'total_minor', 2500)
FROM generate_series(1, %s);

-- name: empty_queue
-- Empties the queue, keeping the planner statistics.
ANALYZE procrastinate_jobs;
TRUNCATE procrastinate_jobs RESTART IDENTITY CASCADE;

-- name: sent_from_outbox
-- Number of events marked by a single publisher, in order; cheap to query often.
SELECT coalesce((SELECT min(id) FROM peer_outbox WHERE sent_at IS NULL), last_value + 1) - 1 FROM peer_outbox_id_seq;

-- name: sent_from_queue
-- Number of jobs done and deleted by a single publisher, up to the first that is not; cheap to query often.
SELECT coalesce((SELECT min(id) FROM procrastinate_jobs), last_value + 1) - 1 FROM procrastinate_jobs_id_seq;

-- name: forget_counted
-- Resets the counts for the next worker.
TRUNCATE peer_counted, peer_metric;

-- name: counted_alone
-- Number of events counted by a single worker; cheap to query often.
SELECT coalesce(sum(value), 0)::bigint FROM peer_metric WHERE name = 'orders_total';
