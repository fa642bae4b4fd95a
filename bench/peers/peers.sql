-- name: create_tables
-- Makes what both peers need: orders with their items, an outbox, what was counted, and the metrics.
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

-- name: add_metrics
-- Adds an order to the metrics.
INSERT INTO peer_metric VALUES ('orders_total', 1), ('revenue_total', %s)
ON CONFLICT (name) DO UPDATE SET value = peer_metric.value + excluded.value;
