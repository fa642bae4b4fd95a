-- name: fold_ledgers
-- Add up the changes of the ledgers.
SELECT fold_ledgers();

-- name: compare_metric_days
-- Compare the metrics by minute of days that are over, and remember those that are right.
SELECT compare_metric_days();

-- name: delete_done_dead_letters
-- Delete up to 10,000 dead letters that were redriven, or discarded without an event or order, before the retention. Open ones
-- are kept, and discarded ones that explain why an event is not counted.
DELETE FROM dead_letter WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM dead_letter
    WHERE redriven_at < now() - make_interval(days => %(retention_days)s) AND discarded_at IS NULL
        OR discarded_at < now() - make_interval(days => %(retention_days)s) AND event_id IS NULL AND order_id IS NULL
    LIMIT 10000));

-- name: delete_old_heartbeats
-- Delete the heartbeats of workers that were last seen before the retention.
DELETE FROM worker_heartbeat WHERE seen_at < now() - make_interval(days => %(retention_days)s);
