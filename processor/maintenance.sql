-- name: fold_ledgers
-- Add up the changes of the ledgers.
SELECT fold_ledgers();

-- name: compare_metric_days
-- Compare the metrics by minute of days that are over, and remember those that are right.
SELECT compare_metric_days();

-- name: delete_redriven_dead_letters
-- Delete up to 10,000 dead letters that were redriven before the retention; those not redriven are kept.
DELETE FROM dead_letter WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM dead_letter WHERE redriven_at < now() - make_interval(days => %(retention_days)s) LIMIT 10000));

-- name: delete_old_heartbeats
-- Delete the heartbeats of workers that were last seen before the retention.
DELETE FROM worker_heartbeat WHERE seen_at < now() - make_interval(days => %(retention_days)s);
