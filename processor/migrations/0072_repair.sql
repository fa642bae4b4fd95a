-- What repairs need: events that workers never count again, and the metrics as the ledgers give them.

-- Events that a repair took out of the counted ones. Kafka may still have them, and a worker may read them again.
CREATE TABLE removed_event (
    event_id uuid PRIMARY KEY,
    order_id uuid,
    type smallint NOT NULL,
    occur_time timestamptz NOT NULL,
    total_minor bigint NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The metrics that the ledgers of counted events give; of products only the totals, under the dimension ''.
CREATE VIEW ledger_metric AS
    WITH created AS (
        SELECT to_char(start_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') AS minute, events, total_minor, units
        FROM current_event_ledger WHERE period = 'MINUTE' AND event_type = 1
    )
    SELECT 'orders_total' AS metric_name, '' AS dimension, sum(events) AS value FROM created
    UNION ALL SELECT 'revenue_total', '', sum(total_minor) FROM created
    UNION ALL SELECT 'top_products_units', '', sum(units) FROM created
    UNION ALL SELECT 'top_products_revenue', '', sum(total_minor) FROM created
    UNION ALL SELECT 'orders_per_minute', minute, events FROM created
    UNION ALL SELECT 'revenue_per_minute', minute, total_minor FROM created
    UNION ALL SELECT 'cancelled_revenue', '', sum(total_minor) FROM current_event_ledger WHERE period = 'DAY' AND event_type = 5
    UNION ALL SELECT 'restock_requests', '', sum(events) FROM current_event_ledger WHERE period = 'DAY' AND event_type = 16
    UNION ALL SELECT 'orders_by_status', n.name, sum(l.orders)
    FROM current_order_ledger l
    JOIN (VALUES (1, 'CREATED'), (2, 'PENDING_RESTOCK'), (3, 'PAID'), (4, 'SHIPPED'), (5, 'CANCELLED')) AS n (status, name)
        USING (status)
    WHERE l.period = 'DAY' GROUP BY 2;

COMMENT ON COLUMN processed_events."offset" IS
    'where the event was read, in the topic that had this name then; -1 where a rebuild did not know it';

-- A rebuild fills the tables of the schema rebuilt, which have the form of the live ones. A switch exchanges them, and keeps
-- those before in the schema replaced. Only the owner may: nobody else can make schemas.

-- Makes empty tables. Their partitions have constraints that spare a scan when they are attached to the live table.
CREATE FUNCTION begin_rebuild() RETURNS void LANGUAGE plpgsql SET client_min_messages = warning AS $$
DECLARE
    p record;
BEGIN
    DROP SCHEMA IF EXISTS rebuilt CASCADE;
    CREATE SCHEMA rebuilt;
    CREATE TABLE rebuilt.sales_metrics (LIKE sales_metrics INCLUDING ALL);
    CREATE TABLE rebuilt.event_ledger (LIKE event_ledger INCLUDING ALL);
    CREATE TABLE rebuilt.order_ledger (LIKE order_ledger INCLUDING ALL);
    -- The metrics that these ledgers give.
    EXECUTE 'CREATE VIEW rebuilt.ledger_metric AS ' || replace(replace(pg_get_viewdef('ledger_metric'::regclass),
        'current_event_ledger', 'rebuilt.event_ledger'), 'current_order_ledger', 'rebuilt.order_ledger');
    CREATE TABLE rebuilt.processed_events (LIKE processed_events INCLUDING ALL) PARTITION BY RANGE (event_id);
    FOR p IN SELECT t.name, partition_bound('uuid', t.first_day) AS first, partition_bound('uuid', t.end_day) AS last
             FROM time_partitions('processed_events') t LOOP
        EXECUTE format('CREATE TABLE rebuilt.%I PARTITION OF rebuilt.processed_events (CONSTRAINT rebuilt_range'
                       ' CHECK (event_id >= %L AND event_id < %L)) FOR VALUES FROM (%L) TO (%L)', p.name, p.first, p.last, p.first, p.last);
    END LOOP;
    CREATE TABLE rebuilt.processed_events_default PARTITION OF rebuilt.processed_events DEFAULT;
END $$;

-- Moves the partitions of a table to a schema, and returns their bounds.
CREATE FUNCTION detach_partitions(from_schema text, to_schema text) RETURNS TABLE (name text, bound text) LANGUAGE plpgsql AS $$
BEGIN
    FOR name, bound IN
        SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = format('%I.processed_events', from_schema)::regclass ORDER BY 1
    LOOP
        EXECUTE format('ALTER TABLE %1$I.processed_events DETACH PARTITION %1$I.%2$I', from_schema, name);
        EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', from_schema, name, to_schema);
        RETURN NEXT;
    END LOOP;
END $$;

-- Makes tables of the schema public partitions of the live table; the default one comes last.
CREATE FUNCTION attach_partitions(names text[], bounds text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p record;
BEGIN
    FOR p IN SELECT * FROM unnest(names, bounds) AS u (name, bound) ORDER BY bound = 'DEFAULT', name LOOP
        EXECUTE format('ALTER TABLE processed_events ATTACH PARTITION %I %s', p.name, p.bound);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS rebuilt_range', p.name);
    END LOOP;
END $$;

-- Puts the rebuilt tables in the place of the live ones, which are kept. The rebuilt events are complete from a day on.
CREATE FUNCTION switch_to_rebuilt(complete_from date, covered_from timestamptz) RETURNS void LANGUAGE plpgsql
SET client_min_messages = warning AS $$
DECLARE
    names text[];
    bounds text[];
BEGIN
    LOCK TABLE processed_events, sales_metrics, event_ledger, event_ledger_change, order_ledger, order_ledger_change IN ACCESS EXCLUSIVE MODE;
    PERFORM fold_common_ledgers();
    CREATE SCHEMA replaced;
    CREATE TABLE replaced.sales_metrics AS TABLE sales_metrics;
    CREATE TABLE replaced.event_ledger AS TABLE event_ledger;
    CREATE TABLE replaced.order_ledger AS TABLE order_ledger;
    CREATE TABLE replaced.ledger_coverage AS TABLE ledger_coverage;
    CREATE TABLE replaced.partition_progress AS TABLE partition_progress;
    CREATE TABLE replaced.switched AS
        SELECT clock_timestamp() AS at, (SELECT complete_since FROM partitioned_table WHERE name = 'processed_events');
    -- What the metrics are now, so that a rollback can tell what was counted since.
    CREATE TABLE replaced.rebuilt_metrics AS TABLE rebuilt.sales_metrics;
    CREATE TABLE replaced.old_partition AS SELECT * FROM detach_partitions('public', 'replaced');
    SELECT array_agg(d.name), array_agg(d.bound) INTO names, bounds FROM detach_partitions('rebuilt', 'public') d;
    PERFORM attach_partitions(names, bounds);
    DELETE FROM sales_metrics;
    INSERT INTO sales_metrics SELECT * FROM rebuilt.sales_metrics;
    DELETE FROM event_ledger;
    INSERT INTO event_ledger SELECT * FROM rebuilt.event_ledger;
    DELETE FROM order_ledger;
    INSERT INTO order_ledger SELECT * FROM rebuilt.order_ledger;
    DELETE FROM ledger_coverage;
    INSERT INTO ledger_coverage SELECT covered_from WHERE covered_from IS NOT NULL;
    UPDATE partitioned_table SET complete_since = complete_from WHERE name = 'processed_events';
    DROP SCHEMA rebuilt CASCADE;
END $$;

-- Puts the tables back that a switch replaced, and adds what was counted since. Events that workers read before the switch
-- have offsets before its positions.
CREATE FUNCTION roll_back_rebuilt() RETURNS bigint LANGUAGE plpgsql SET client_min_messages = warning AS $$
DECLARE
    added bigint;
BEGIN
    LOCK TABLE processed_events, sales_metrics, event_ledger, event_ledger_change, order_ledger, order_ledger_change IN ACCESS EXCLUSIVE MODE;
    CREATE TEMP TABLE counted_since ON COMMIT DROP AS
        SELECT e.* FROM processed_events e
        LEFT JOIN replaced.partition_progress p
            ON p.partition = e.partition AND p.topic = CASE WHEN e.type < 16 THEN 'order-events' ELSE 'stock' END
        WHERE e."offset" >= coalesce(p.next_offset, 0);
    CREATE SCHEMA rebuilt;
    CREATE TEMP TABLE dropped ON COMMIT DROP AS SELECT * FROM detach_partitions('public', 'rebuilt');
    EXECUTE (SELECT string_agg(format('ALTER TABLE replaced.%I SET SCHEMA public;', o.name), ' ') FROM replaced.old_partition o);
    -- Partitions of days that began since are kept, without their rows: those are added below.
    EXECUTE coalesce((SELECT string_agg(format('TRUNCATE rebuilt.%1$I; ALTER TABLE rebuilt.%1$I SET SCHEMA public;', d.name), ' ')
                      FROM dropped d WHERE d.name NOT IN (SELECT o.name FROM replaced.old_partition o)), '');
    PERFORM attach_partitions(array_agg(a.name), array_agg(a.bound)) FROM (
        SELECT name, bound FROM replaced.old_partition
        UNION ALL
        SELECT d.name, d.bound FROM dropped d WHERE d.name NOT IN (SELECT o.name FROM replaced.old_partition o)
    ) AS a;
    CREATE TEMP TABLE restored ON COMMIT DROP AS
        SELECT metric_name, dimension, coalesce(o.value, 0) + coalesce(n.value, 0) - coalesce(r.value, 0) AS value
        FROM replaced.sales_metrics o FULL JOIN sales_metrics n USING (metric_name, dimension)
        FULL JOIN replaced.rebuilt_metrics r USING (metric_name, dimension);
    DELETE FROM sales_metrics;
    INSERT INTO sales_metrics SELECT metric_name, dimension, value, clock_timestamp() FROM restored WHERE value <> 0;
    DELETE FROM event_ledger;
    DELETE FROM event_ledger_change;
    INSERT INTO event_ledger SELECT * FROM replaced.event_ledger;
    DELETE FROM order_ledger;
    DELETE FROM order_ledger_change;
    INSERT INTO order_ledger SELECT * FROM replaced.order_ledger;
    -- A trigger adds them to the ledgers.
    INSERT INTO processed_events SELECT * FROM counted_since ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    DELETE FROM ledger_coverage;
    INSERT INTO ledger_coverage SELECT * FROM replaced.ledger_coverage;
    UPDATE partitioned_table SET complete_since = s.complete_since FROM replaced.switched s WHERE name = 'processed_events';
    DROP SCHEMA rebuilt CASCADE;
    DROP SCHEMA replaced CASCADE;
    RETURN added;
END $$;
REVOKE EXECUTE ON FUNCTION begin_rebuild, detach_partitions, attach_partitions, switch_to_rebuilt, roll_back_rebuilt FROM PUBLIC;

DO $$
BEGIN
    IF to_regrole('analytics_worker') IS NOT NULL THEN
        GRANT SELECT ON removed_event, partitioned_table TO analytics_worker;
    END IF;
    IF to_regrole('analytics_reader') IS NOT NULL THEN
        GRANT SELECT ON removed_event, ledger_metric TO analytics_reader;
    END IF;
END $$;
