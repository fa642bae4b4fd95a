-- name: extend_statement_timeout
-- Give the statements of this transaction more time than interactive requests have.
SET LOCAL statement_timeout = '60s';

-- name: count_dead_letters
-- Count the dead letters that were neither redriven nor counted since.
SELECT count(*) FROM dead_letter d
WHERE d.redriven_at IS NULL AND NOT EXISTS (SELECT FROM processed_events e WHERE e.event_id = d.event_id);

-- name: complete_since
-- Return the first minute of which nothing was dropped; null if nothing ever was.
SELECT CASE WHEN complete_since IS NOT NULL
    THEN least(complete_since, (clock_timestamp() AT TIME ZONE 'UTC')::date)::timestamp AT TIME ZONE 'UTC' END
FROM partitioned_table WHERE name = 'processed_events';

-- name: minute_sums
-- Sum the counted events by minute and type.
SELECT
    extract(epoch FROM date_trunc('minute', occur_time, 'UTC'))::bigint, type, count(*), sum(total_minor)::bigint,
    sum(units)::bigint, bit_xor(hashtextextended(event_id::text, 0))
FROM processed_events
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: counted_ids
-- List the ids of the events counted in one minute.
SELECT uuid_send(event_id) FROM processed_events
WHERE occur_time >= to_timestamp(%(minute)s) AND occur_time < to_timestamp(%(minute)s + 60);

-- name: dead_letter_ids
-- List the ids of the dead letters that were neither redriven nor counted since, where an id can be read.
SELECT DISTINCT uuid_send(d.event_id) FROM dead_letter d
WHERE d.event_id IS NOT NULL AND d.redriven_at IS NULL
    AND NOT EXISTS (SELECT FROM processed_events e WHERE e.event_id = d.event_id);

-- name: metric_differences
-- Recompute the metrics from the events, including those of dropped partitions, and return the metrics that differ.
WITH expected AS (
    SELECT metric_name, dimension, sum(value)::bigint AS value
    FROM (SELECT * FROM event_metrics(NULL) UNION ALL SELECT * FROM dropped_metric) AS part
    GROUP BY 1, 2
), actual AS (
    SELECT
        metric_name,
        CASE WHEN metric_name IN ('top_products_units', 'top_products_revenue') THEN '' ELSE dimension END AS dimension,
        sum(value)::bigint AS value
    FROM sales_metrics
    GROUP BY 1, 2
)
SELECT metric_name, dimension, coalesce(e.value, 0), coalesce(a.value, 0)
FROM expected e FULL JOIN actual a USING (metric_name, dimension)
WHERE coalesce(e.value, 0) <> coalesce(a.value, 0)
ORDER BY metric_name, dimension
LIMIT 1000;

-- name: product_metrics
-- List units and revenue by product, from the metrics.
SELECT dimension, coalesce(u.value, 0), coalesce(r.value, 0)
FROM (SELECT dimension, value FROM sales_metrics WHERE metric_name = 'top_products_units') AS u
FULL JOIN (SELECT dimension, value FROM sales_metrics WHERE metric_name = 'top_products_revenue') AS r USING (dimension)
ORDER BY dimension;

-- name: progress
-- Return the progress of counting, with the latencies of the partitions that advanced within the last ten seconds.
SELECT
    coalesce(sum(counted), 0)::bigint, coalesce(sum(dead_letters), 0)::bigint,
    coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_p50_ms) FILTER (WHERE recent), 0),
    coalesce(max(latency_p99_ms) FILTER (WHERE recent), 0)
FROM (SELECT *, updated_at > now() - interval '10 seconds' AS recent FROM partition_progress) AS p;

-- name: positions
-- Return the position of each partition; of a recreated topic only those of its latest id.
SELECT topic, partition, next_offset, topic_id
FROM (
    SELECT *, first_value(topic_id) OVER (PARTITION BY topic ORDER BY opened_at DESC, topic_id) AS last_id
    FROM partition_progress
) AS p
WHERE topic_id = last_id
ORDER BY topic, partition;

-- name: recent_crashes
-- Count the crashes of workers within the last ten minutes.
SELECT count(DISTINCT (worker_id, crashed_at)) FROM worker_crash WHERE crashed_at > now() - interval '10 minutes';

-- name: paused_partitions
-- List the partitions that are paused.
SELECT topic, partition, paused_at, records, bad FROM paused_partition WHERE released_at IS NULL
ORDER BY topic, partition;

-- name: workers
-- Return the time of the latest heartbeat, and the numbers of workers alive (within 10 s) and silent (10 s to 10 min).
SELECT
    max(seen_at), count(*) FILTER (WHERE seen_at > now() - interval '10 seconds'),
    count(*) FILTER (WHERE seen_at <= now() - interval '10 seconds' AND seen_at > now() - interval '10 minutes')
FROM worker_heartbeat;
