-- name: create_tables
-- Creates the tables of the bare pipeline.
CREATE TABLE bare_order (order_id uuid PRIMARY KEY, payload bytea NOT NULL);
CREATE TABLE bare_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sent boolean NOT NULL DEFAULT false,
    order_id uuid NOT NULL, payload bytea NOT NULL
) WITH (fillfactor = 60);
CREATE INDEX bare_outbox_unsent ON bare_outbox (id) WHERE NOT sent;
CREATE TABLE bare_counted (order_id uuid PRIMARY KEY);
CREATE TABLE bench_progress (
    stage text NOT NULL, process text NOT NULL, events bigint NOT NULL, total bigint NOT NULL,
    PRIMARY KEY (stage, process)
) WITH (fillfactor = 50);

-- name: insert_orders
-- Stores a batch of orders with their events.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(%(order_ids)s::uuid[], %(payloads)s::bytea[]) AS i (order_id, payload)
), stored AS (
    INSERT INTO bare_order SELECT order_id, payload FROM input
), events AS (
    INSERT INTO bare_outbox (order_id, payload) SELECT order_id, payload FROM input
)
INSERT INTO bench_progress AS p SELECT 'stored', %(process)s, count(*), 0 FROM input
ON CONFLICT (stage, process) DO UPDATE SET events = p.events + excluded.events;

-- name: read_events
-- Returns unsent events.
SELECT id, order_id::text, payload FROM bare_outbox WHERE NOT sent ORDER BY id LIMIT %(limit)s;

-- name: mark_sent
-- Marks events as sent.
UPDATE bare_outbox SET sent = true WHERE id = ANY(%(ids)s::bigint[]);

-- name: count_events
-- Counts new events and adds up their sizes.
WITH fresh AS (
    INSERT INTO bare_counted SELECT unnest(%(order_ids)s::uuid[]) ON CONFLICT DO NOTHING RETURNING order_id
)
INSERT INTO bench_progress AS p
SELECT 'counted', 'worker', count(*), coalesce(sum(i.size), 0)
FROM unnest(%(order_ids)s::uuid[], %(sizes)s::bigint[]) AS i (order_id, size) JOIN fresh USING (order_id)
ON CONFLICT (stage, process) DO UPDATE SET events = p.events + excluded.events, total = p.total + excluded.total;

-- name: copy_outbox
-- Copies events into the outbox.
COPY bare_outbox (order_id, payload) FROM STDIN;

-- name: count_sent
-- Number of sent events: all before the first unsent one.
SELECT coalesce((SELECT min(id) FROM bare_outbox WHERE NOT sent), (SELECT max(id) + 1 FROM bare_outbox)) - 1;
