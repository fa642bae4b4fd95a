-- name: replicates
-- Let the role read the write-ahead log, and nothing else.
ALTER ROLE backup REPLICATION;

-- name: identify
-- The cluster and its timeline: a recovery to a point in time begins a new one.
SELECT system_identifier::text, timeline_id FROM pg_control_system(), pg_control_checkpoint();

-- name: slot_state
-- How much of the log the server keeps for the archive; `lost` when it had to remove some of that.
SELECT wal_status, active, coalesce(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), restart_lsn), 0)::bigint
FROM pg_replication_slots WHERE slot_name = %(slot)s;

-- name: create_slot
-- Keep the log from now on until the archive has it.
SELECT pg_create_physical_replication_slot(%(slot)s, true);

-- name: drop_slot
-- Keep it no longer.
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %(slot)s AND NOT active;

-- name: progress
-- Bytes that a base backup has sent, and that it will send.
SELECT coalesce(sum(backup_streamed), 0)::bigint, coalesce(sum(backup_total), 0)::bigint
FROM pg_stat_progress_basebackup;

-- name: replayed
-- Whether recovery goes on, and the time of the last transaction that it replayed.
SELECT pg_is_in_recovery(), pg_last_xact_replay_timestamp();
