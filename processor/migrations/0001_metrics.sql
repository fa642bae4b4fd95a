-- Every event that was counted, once: the primary key is what makes a second delivery harmless.
-- A partition holds one day of event ids (UUIDv7 begins with its time).
CREATE TABLE processed_events (
    event_id uuid PRIMARY KEY,
    order_id uuid,
    occur_time timestamptz NOT NULL,
    counted_at timestamptz NOT NULL DEFAULT now(),
    "offset" bigint NOT NULL,
    total_minor bigint NOT NULL,
    units bigint NOT NULL,
    partition integer NOT NULL,
    type smallint NOT NULL,
    previous_status smallint NOT NULL,
    status smallint NOT NULL
) PARTITION BY RANGE (event_id);

COMMENT ON COLUMN processed_events.type IS 'ordermesh.events.v1.EventType; from 16 on events of the topic stock, else order-events';
COMMENT ON COLUMN processed_events.order_id IS 'null for RESTOCKED, which has no order';

CREATE INDEX processed_events_occur_time ON processed_events USING brin (occur_time) WITH (pages_per_range = 16, autosummarize = on);

CREATE TABLE processed_events_default PARTITION OF processed_events DEFAULT;

-- What the events add up to; money in minor units.
CREATE TABLE sales_metrics (
    metric_name text NOT NULL,
    dimension text NOT NULL,
    value bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (metric_name, dimension)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- What the events of dropped partitions added up to, so that an audit of the metrics stays possible.
CREATE TABLE dropped_metric (
    metric_name text NOT NULL,
    dimension text NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (metric_name, dimension)
);

-- How far each partition of the log is counted, written in the transaction that counts.
CREATE TABLE partition_progress (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    counted bigint NOT NULL,
    parked bigint NOT NULL,
    latency_p50_ms double precision NOT NULL,
    latency_p99_ms double precision NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 30);

-- Events that could not be counted, and where their bytes are among the topic's dead letters.
CREATE TABLE parked_event (
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    letter_topic text NOT NULL,
    letter_partition integer NOT NULL,
    letter_offset bigint NOT NULL,
    event_id uuid,
    reason text NOT NULL,
    detail text NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    redriven_at timestamptz,
    PRIMARY KEY (topic, partition, "offset")
);

CREATE INDEX parked_event_event_id ON parked_event (event_id);

-- When each worker last showed that it is alive; worth nothing after a crash of the server, hence unlogged.
CREATE UNLOGGED TABLE worker_heartbeat (
    worker_id text PRIMARY KEY,
    partitions integer NOT NULL,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 30);

-- The smallest event id that a time can have.
CREATE FUNCTION first_event_id(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT
RETURN rpad(lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0'), 32, '0')::uuid;

-- What the events with ids before a limit (null: all of them) add up to. Of products only the totals, under the dimension ''.
CREATE FUNCTION event_metrics(before_id uuid) RETURNS TABLE (metric_name text, dimension text, value bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH sums AS MATERIALIZED (
        SELECT
            date_trunc('minute', e.occur_time, 'UTC') AS minute, e.type, e.previous_status, e.status,
            count(*) AS events, sum(e.total_minor) AS total_minor, sum(e.units) AS units
        FROM processed_events e
        WHERE before_id IS NULL OR e.event_id < before_id
        GROUP BY 1, 2, 3, 4
    ), created AS (
        SELECT
            to_char(s.minute AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') AS minute, sum(s.events) AS events,
            sum(s.total_minor) AS total_minor, sum(s.units) AS units
        FROM sums s WHERE s.type = 1 GROUP BY 1
    ), step AS (
        SELECT s.status, s.events FROM sums s
        UNION ALL
        SELECT s.previous_status, -s.events FROM sums s
    )
    SELECT 'orders_total', '', sum(c.events)::bigint FROM created c
    UNION ALL
    SELECT 'revenue_total', '', sum(c.total_minor)::bigint FROM created c
    UNION ALL
    SELECT 'top_products_units', '', sum(c.units)::bigint FROM created c
    UNION ALL
    SELECT 'top_products_revenue', '', sum(c.total_minor)::bigint FROM created c
    UNION ALL
    SELECT 'orders_per_minute', c.minute, c.events::bigint FROM created c
    UNION ALL
    SELECT 'revenue_per_minute', c.minute, c.total_minor::bigint FROM created c
    UNION ALL
    SELECT 'cancelled_revenue', '', sum(s.total_minor)::bigint FROM sums s WHERE s.type = 5
    UNION ALL
    SELECT 'restock_requests', '', sum(s.events)::bigint FROM sums s WHERE s.type = 16
    UNION ALL
    SELECT 'orders_by_status', n.name, sum(step.events)::bigint
    FROM step
    JOIN (VALUES (1, 'CREATED'), (2, 'PENDING_RESTOCK'), (3, 'PAID'), (4, 'SHIPPED'), (5, 'CANCELLED')) AS n (status, name)
        ON n.status = step.status
    GROUP BY 2;
END;

-- Makes the partition of one day, with the rows of that day which the default partition took meanwhile.
CREATE FUNCTION make_event_partition(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    name text := 'processed_events_' || to_char(day, 'YYYYMMDD');
    first_id uuid := first_event_id(day::timestamp AT TIME ZONE 'UTC');
    limit_id uuid := first_event_id((day + 1)::timestamp AT TIME ZONE 'UTC');
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    LOCK TABLE processed_events IN SHARE UPDATE EXCLUSIVE MODE;
    LOCK TABLE processed_events_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE %I (LIKE processed_events INCLUDING ALL)', name);
    EXECUTE format(
        'WITH moved AS (DELETE FROM processed_events_default WHERE event_id >= %L AND event_id < %L RETURNING *)'
        ' INSERT INTO %I SELECT * FROM moved', first_id, limit_id, name);
    EXECUTE format('ALTER TABLE processed_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, first_id, limit_id);
    RETURN true;
END $$;

-- Drops the partitions of days before a limit and keeps what they added up to.
CREATE FUNCTION drop_event_partitions(before date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    limit_id uuid := first_event_id(before::timestamp AT TIME ZONE 'UTC');
    name text;
    dropped integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM processed_events WHERE event_id < limit_id) THEN
        RETURN 0;
    END IF;
    INSERT INTO dropped_metric AS d
    SELECT m.metric_name, m.dimension, m.value FROM event_metrics(limit_id) m WHERE m.value IS NOT NULL
    ON CONFLICT (metric_name, dimension) DO UPDATE SET value = d.value + excluded.value;
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'processed_events'::regclass AND c.relname ~ '^processed_events_\d{8}$'
            AND to_date(right(c.relname, 8), 'YYYYMMDD') < before
    LOOP
        EXECUTE format('DROP TABLE %I', name);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM processed_events_default WHERE event_id < limit_id;
    RETURN dropped;
END $$;

-- Makes the partitions of the coming days and drops those past the retention, with a day to spare over what workers refuse.
-- Runs with its owner's rights, so that a worker need not own the tables.
CREATE FUNCTION maintain_event_partitions(days_ahead integer, retention_days integer, OUT made integer, OUT dropped integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('maintain_event_partitions'));
    SELECT count(*) FILTER (WHERE make_event_partition(today + d)) INTO made FROM generate_series(-1, days_ahead) AS d;
    dropped := drop_event_partitions(today - retention_days - 1);
END $$;

REVOKE EXECUTE ON FUNCTION make_event_partition, drop_event_partitions, maintain_event_partitions FROM PUBLIC;

SELECT maintain_event_partitions(3, 30);

-- The roles are the operator's to make; those that are there get what they need and no more.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'analytics_worker') THEN
        GRANT SELECT, INSERT ON processed_events TO analytics_worker;
        GRANT SELECT, INSERT, UPDATE ON sales_metrics, partition_progress, parked_event, worker_heartbeat TO analytics_worker;
        GRANT EXECUTE ON FUNCTION maintain_event_partitions TO analytics_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'analytics_reader') THEN
        GRANT SELECT ON processed_events, sales_metrics, dropped_metric, partition_progress, parked_event, worker_heartbeat
            TO analytics_reader;
    END IF;
END $$;
