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
