-- name: allow_a_minute
-- Let the statements of this transaction take longer than those of a person's question.
SET LOCAL statement_timeout = '60s';

-- name: count_parked
-- Count the events set aside and neither counted nor sent again since.
SELECT count(*) FROM parked_event p
WHERE p.redriven_at IS NULL AND NOT EXISTS (SELECT FROM processed_events e WHERE e.event_id = p.event_id);

-- name: complete_since
-- Return the first minute of which nothing was dropped; null when nothing ever was.
SELECT CASE WHEN complete_since IS NOT NULL
    THEN least(complete_since, (clock_timestamp() AT TIME ZONE 'UTC')::date)::timestamp AT TIME ZONE 'UTC' END
FROM partitioned_table WHERE name = 'processed_events';

-- name: minute_sums
-- Sum the counted events by minute and type.
SELECT
    extract(epoch FROM date_trunc('minute', occur_time, 'UTC'))::bigint, type, count(*), sum(total_minor)::bigint, sum(units)::bigint,
    bit_xor(hashtextextended(event_id::text, 0))
FROM processed_events
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: counted_ids
-- List the ids counted in one minute.
SELECT uuid_send(event_id) FROM processed_events
WHERE occur_time >= to_timestamp(%(minute)s) AND occur_time < to_timestamp(%(minute)s + 60);

-- name: parked_ids
-- List the readable ids set aside and neither counted nor sent again since.
SELECT DISTINCT uuid_send(p.event_id) FROM parked_event p
WHERE p.event_id IS NOT NULL AND p.redriven_at IS NULL
    AND NOT EXISTS (SELECT FROM processed_events e WHERE e.event_id = p.event_id);

-- name: differences
-- Recompute the metrics from the events, those of dropped partitions included, and return what differs.
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
-- List units and revenue by product, as the metrics have them.
SELECT dimension, coalesce(u.value, 0), coalesce(r.value, 0)
FROM (SELECT dimension, value FROM sales_metrics WHERE metric_name = 'top_products_units') AS u
FULL JOIN (SELECT dimension, value FROM sales_metrics WHERE metric_name = 'top_products_revenue') AS r USING (dimension)
ORDER BY dimension;

-- name: progress
-- Sum how far counting has come, with the latencies of the partitions that moved within the last ten seconds.
SELECT
    coalesce(sum(counted), 0)::bigint, coalesce(sum(parked), 0)::bigint,
    coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_p50_ms) FILTER (WHERE recent), 0),
    coalesce(max(latency_p99_ms) FILTER (WHERE recent), 0)
FROM (SELECT *, updated_at > now() - interval '10 seconds' AS recent FROM partition_progress) AS p;

-- name: marks
-- Return how far each partition of the log is counted, of the topic that counting came to last where one was made again.
SELECT topic, partition, next_offset, topic_id
FROM (
    SELECT *, first_value(topic_id) OVER (PARTITION BY topic ORDER BY opened_at DESC, topic_id) AS last_id
    FROM partition_progress
) AS p
WHERE topic_id = last_id
ORDER BY topic, partition;

-- name: recent_crashes
-- Count the ends of workers within the last ten minutes that nobody asked for.
SELECT count(DISTINCT (worker_id, crashed_at)) FROM worker_crash WHERE crashed_at > now() - interval '10 minutes';

-- name: paused_partitions
-- List the partitions that are paused.
SELECT topic, partition, paused_at, records, bad FROM paused_partition WHERE released_at IS NULL ORDER BY topic, partition;

-- name: workers
-- Return when a worker last showed itself, how many did within the last ten seconds, and how many fell silent before.
SELECT
    max(seen_at), count(*) FILTER (WHERE seen_at > now() - interval '10 seconds'),
    count(*) FILTER (WHERE seen_at <= now() - interval '10 seconds' AND seen_at > now() - interval '10 minutes')
FROM worker_heartbeat;
