-- name: plain
-- Creates one table for all days.
CREATE TABLE request_plain (LIKE request, PRIMARY KEY (customer_id, request_id));

-- name: fill
-- Fills a day with rows.
INSERT INTO {table} SELECT 'cust-' || (random() * 5000)::integer, gen_random_uuid()::text, '\x00112233445566778899aabbccddeeff',
    gen_random_uuid(), 'CREATED', now(), {day} FROM generate_series(1, {rows});

-- name: request
-- Creates the template of all tables.
CREATE TABLE request (customer_id text COLLATE "C" NOT NULL, request_id text COLLATE "C" NOT NULL, fingerprint bytea NOT NULL,
    order_id uuid NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL, day integer NOT NULL);

-- name: partitioned
-- Creates a partitioned table.
CREATE TABLE {table} (LIKE request, PRIMARY KEY (customer_id, request_id, day)) PARTITION BY RANGE (day);

-- name: partition
-- Creates a partition.
CREATE TABLE {part} PARTITION OF {table} FOR VALUES FROM ({day}) TO ({end_day});

-- name: claim
-- Claims requests in one table.
WITH claimed AS (
    INSERT INTO {table} SELECT i.*, 'CREATED', now(), 0
    FROM unnest(%(customer_ids)s::text[], %(request_ids)s::text[], %(fingerprints)s::bytea[], %(order_ids)s::uuid[]) AS i
    ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING 1
) SELECT count(*) FROM claimed;

-- name: look_and_claim
-- Looks up requests in the other partitions and claims them in the current one, as the orders service does.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(%(customer_ids)s::text[], %(request_ids)s::text[], %(fingerprints)s::bytea[], %(order_ids)s::uuid[])
        AS i (customer_id, request_id, fingerprint, order_id)
), present AS MATERIALIZED (
    SELECT {day} + (extract(epoch FROM clock_timestamp()) * 0)::integer AS day
), unknown AS MATERIALIZED (
    SELECT i.* FROM input i LEFT JOIN LATERAL (
        SELECT true AS earlier FROM {table} r
        WHERE r.customer_id = i.customer_id AND r.request_id = i.request_id AND r.day <> (SELECT day FROM present) LIMIT 1
    ) AS known ON true WHERE earlier IS NULL
), claimed AS (
    INSERT INTO {table} SELECT *, 'CREATED', now(), (SELECT day FROM present) FROM unknown
    ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING 1
) SELECT count(*) FROM claimed;

-- name: forget
-- Deletes some rows, for comparison.
DELETE FROM request_plain WHERE ctid = ANY(ARRAY(SELECT ctid FROM request_plain LIMIT 10000));
