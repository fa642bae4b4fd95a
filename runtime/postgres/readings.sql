-- name: connections
-- Counts the connections to the database by state.
SELECT translate(coalesce(state, 'unknown'), ' ()', '_'), count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' GROUP BY 1
UNION ALL
-- States that always have a value, so that a graph of them has no gaps.
SELECT state, 0 FROM unnest(ARRAY['active', 'idle', 'idle_in_transaction']) AS state
ORDER BY 2;

-- name: max_connections
-- Returns how many connections the server accepts.
SELECT current_setting('max_connections')::integer;

-- name: oldest_transaction_age
-- Returns the age in seconds of the oldest transaction of another session; the role sees the sessions that are its own.
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();

-- name: transactions
-- Returns how many transactions were committed and rolled back.
SELECT outcome, number
FROM pg_stat_database CROSS JOIN LATERAL (VALUES ('commit', xact_commit), ('rollback', xact_rollback)) AS t (outcome, number)
WHERE datname = current_database();

-- name: deadlocks
-- Returns how many deadlocks were resolved.
SELECT deadlocks FROM pg_stat_database WHERE datname = current_database();

-- name: blocks
-- Returns how many blocks were found in the cache of the server, and read into it.
SELECT source, number
FROM pg_stat_database CROSS JOIN LATERAL (VALUES ('cache', blks_hit), ('disk', blks_read)) AS b (source, number)
WHERE datname = current_database();

-- name: database_bytes
-- Returns the size of the database.
SELECT pg_database_size(current_database());

-- name: table_bytes
-- Returns the size of each table with its indexes and partitions. A table that is dropped meanwhile has no size.
SELECT coalesce(parent.relname, c.relname), coalesce(sum(pg_total_relation_size(c.oid)), 0)
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class parent ON parent.oid = i.inhparent
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
GROUP BY 1;

-- name: oldest_partitions
-- Returns for each partitioned table in seconds since 1970 when its oldest partition begins.
SELECT t.name, extract(epoch FROM min(p.first_day)) FROM partitioned_table t CROSS JOIN LATERAL time_partitions(t.name) p
GROUP BY 1;
