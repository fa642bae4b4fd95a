-- Metrics by minute are compared with the ledger by minute. A day that is over, and whose minutes were the same, is
-- remembered, so that a reconciliation does not read every minute ever. What changes afterwards is noted by triggers.

-- A remembered day holds while the sums of its day in the ledger are these, sales_metrics has this file, and
-- changed_metric_day does not have the day.
CREATE TABLE compared_metric_day (
    day text PRIMARY KEY,
    orders bigint NOT NULL,
    total_minor numeric NOT NULL,
    digest bigint NOT NULL,
    metrics_file oid NOT NULL
);
-- Days of which a metric or the time of an event was changed since they were compared. Rows are only added, so that
-- nobody waits for anybody, and those are removed that the comparison has seen.
CREATE TABLE changed_metric_day (day text NOT NULL);

-- The day that a moment or a dimension of a metric by minute belongs to, as text.
CREATE FUNCTION metric_day(moment timestamptz) RETURNS text LANGUAGE sql STABLE STRICT
RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD');
CREATE FUNCTION metric_day(dimension text) RETURNS text LANGUAGE sql IMMUTABLE STRICT RETURN left(dimension, 10);

-- Whether a metric is of a minute outside the days around now, which are compared each time.
CREATE FUNCTION is_of_other_day(metric_name text, dimension text) RETURNS boolean LANGUAGE sql STABLE
RETURN metric_name IN ('orders_per_minute', 'revenue_per_minute')
    AND (metric_day(dimension) < metric_day(now() - interval '1 day') OR metric_day(dimension) > metric_day(now() + interval '1 day'));

CREATE FUNCTION note_changed_metric() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO changed_metric_day
    SELECT DISTINCT metric_day(d.dimension) FROM (VALUES (OLD.dimension), (NEW.dimension)) AS d (dimension) WHERE d.dimension IS NOT NULL;
    RETURN NULL;
END $$;
CREATE FUNCTION note_changed_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO changed_metric_day SELECT DISTINCT metric_day(c.occur_time) FROM changed c;
    RETURN NULL;
END $$;
-- Who may call them could make a trigger of a temporary table that writes here.
REVOKE EXECUTE ON FUNCTION note_changed_metric, note_changed_events FROM PUBLIC;

-- In the order in which workers write, so that no deadlock comes of it.
-- An event that is moved within its day changes minutes, and not the sums of the day.
CREATE TRIGGER processed_events_day_update AFTER UPDATE ON processed_events
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changed_events();
CREATE TRIGGER sales_metrics_insert AFTER INSERT ON sales_metrics
    FOR EACH ROW WHEN (is_of_other_day(NEW.metric_name, NEW.dimension)) EXECUTE FUNCTION note_changed_metric();
CREATE TRIGGER sales_metrics_update AFTER UPDATE ON sales_metrics
    FOR EACH ROW WHEN (is_of_other_day(OLD.metric_name, OLD.dimension) OR is_of_other_day(NEW.metric_name, NEW.dimension))
    EXECUTE FUNCTION note_changed_metric();
CREATE TRIGGER sales_metrics_delete AFTER DELETE ON sales_metrics
    FOR EACH ROW WHEN (is_of_other_day(OLD.metric_name, OLD.dimension)) EXECUTE FUNCTION note_changed_metric();

-- Metrics that no ledger has.
INSERT INTO changed_metric_day
SELECT DISTINCT metric_day(dimension) FROM sales_metrics WHERE metric_name IN ('orders_per_minute', 'revenue_per_minute');

-- The days whose minutes have to be compared, with their start where the ledger has events of them.
CREATE VIEW unsettled_metric_day AS
    SELECT u.day, min(u.start_time) AS start_time, bool_and(u.day < metric_day(now() - interval '1 day') OR u.day > metric_day(now() + interval '1 day')) AS is_over
    FROM (
        SELECT metric_day(l.start_time) AS day, l.start_time
        FROM current_event_ledger l
        WHERE l.period = 'DAY' AND l.event_type = 1 AND NOT EXISTS (
            SELECT FROM compared_metric_day c
            WHERE c.day = metric_day(l.start_time) AND c.orders = l.events AND c.total_minor = l.total_minor AND c.digest = l.digest
                AND c.metrics_file = pg_relation_filenode(to_regclass('sales_metrics')))
        UNION ALL
        SELECT c.day, l.start_time
        FROM (
            SELECT DISTINCT day FROM changed_metric_day
            UNION SELECT metric_day(now() + n * interval '1 day') FROM generate_series(-1, 1) AS n
        ) AS c
        LEFT JOIN current_event_ledger l ON l.period = 'DAY' AND l.event_type = 1 AND metric_day(l.start_time) = c.day
    ) AS u
    GROUP BY u.day;

-- The metrics by minute of a day that differ from the ledger, which has events of it if there is a start.
CREATE FUNCTION minute_differences(of_day text, start_of_day timestamptz)
RETURNS TABLE (metric_name text, dimension text, expected numeric, actual bigint) LANGUAGE sql STABLE AS $$
    WITH created AS (
        SELECT to_char(l.start_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') AS minute, l.events, l.total_minor
        FROM current_event_ledger l
        WHERE l.period = 'MINUTE' AND l.event_type = 1
            AND l.start_time >= start_of_day AND l.start_time < start_of_day + interval '1 day'
    ), wanted AS (
        SELECT 'orders_per_minute' AS metric_name, c.minute AS dimension, c.events::numeric AS value FROM created c
        UNION ALL SELECT 'revenue_per_minute', c.minute, c.total_minor FROM created c
    ), found AS (
        -- 'z' is after every character of a time, in any collation.
        SELECT s.metric_name, s.dimension, s.value FROM sales_metrics s
        WHERE s.metric_name IN ('orders_per_minute', 'revenue_per_minute') AND s.dimension >= of_day AND s.dimension < of_day || 'z'
    )
    SELECT metric_name, dimension, coalesce(w.value, 0), coalesce(f.value, 0)
    FROM wanted w FULL JOIN found f USING (metric_name, dimension)
    WHERE coalesce(w.value, 0) <> coalesce(f.value, 0)
$$;

-- Compares up to some days that are over, and remembers those whose minutes are the same. One statement, so that it
-- removes exactly the notes of those changes that it has seen.
CREATE FUNCTION compare_metric_days(most integer DEFAULT 31) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- Without its triggers, as when another table has taken the name, changes would not be noted.
    IF (SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass('sales_metrics') AND tgfoid = 'note_changed_metric'::regproc
        AND tgenabled = 'O') < 3 OR NOT pg_try_advisory_xact_lock(hashtext('compare_metric_days'))
    THEN
        RETURN;
    END IF;
    -- After the clock went back, a day that was over is one around now, whose changes are not noted.
    DELETE FROM compared_metric_day
    WHERE day BETWEEN metric_day(now() - interval '1 day') AND metric_day(now() + interval '1 day');
    WITH compared AS MATERIALIZED (
        SELECT u.day, u.start_time FROM unsettled_metric_day u WHERE u.is_over ORDER BY u.day LIMIT most
    ), same AS MATERIALIZED (
        SELECT c.day, c.start_time FROM compared c
        WHERE NOT EXISTS (SELECT FROM minute_differences(c.day, c.start_time))
    ), settled AS (
        DELETE FROM changed_metric_day c USING same s WHERE c.day = s.day
    )
    INSERT INTO compared_metric_day
    SELECT s.day, l.events, l.total_minor, l.digest, pg_relation_filenode(to_regclass('sales_metrics'))
    FROM same s JOIN current_event_ledger l ON l.period = 'DAY' AND l.event_type = 1 AND l.start_time = s.start_time
    ON CONFLICT (day) DO UPDATE SET orders = excluded.orders, total_minor = excluded.total_minor, digest = excluded.digest,
        metrics_file = excluded.metrics_file;
END $$;
REVOKE EXECUTE ON FUNCTION compare_metric_days FROM PUBLIC;

DO $$
BEGIN
    IF to_regrole('analytics_worker') IS NOT NULL THEN
        GRANT EXECUTE ON FUNCTION compare_metric_days TO analytics_worker;
    END IF;
    IF to_regrole('analytics_reader') IS NOT NULL THEN
        GRANT SELECT ON compared_metric_day, changed_metric_day, unsettled_metric_day TO analytics_reader;
    END IF;
END $$;
