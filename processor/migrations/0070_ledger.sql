-- The ledgers of the analytics database, from the counted events. They take the place of dropped_metric: what the events of
-- dropped partitions added up to stays in them.

CREATE INDEX processed_events_order ON processed_events USING brin (order_id uuid_minmax_multi_ops)
    WITH (pages_per_range = 16, autosummarize = on);

-- The order of the event that a record was, by its key; null where it is none.
ALTER TABLE dead_letter ADD COLUMN order_id uuid;

CREATE FUNCTION record_counted_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO event_ledger_change
    SELECT minute_start(i.occur_time), i.type, count(*), sum(i.total_minor), sum(i.units),
        bit_xor(id_digest(i.event_id))
    FROM inserted i GROUP BY 1, 2;
    -- An event moves its order from one status to another.
    INSERT INTO order_ledger_change
    SELECT id_minute(i.order_id), s.status, sum(s.sign), sum(s.sign * i.total_minor), bit_xor(id_digest(i.order_id))
    FROM inserted i CROSS JOIN LATERAL (VALUES (i.status, 1), (i.previous_status, -1)) AS s (status, sign)
    WHERE s.status <> 0
    GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE FUNCTION record_removed_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO event_ledger_change
    SELECT minute_start(r.occur_time), r.type, -count(*), -sum(r.total_minor), -sum(r.units),
        bit_xor(id_digest(r.event_id))
    FROM removed r GROUP BY 1, 2;
    INSERT INTO order_ledger_change
    SELECT id_minute(r.order_id), s.status, sum(s.sign), sum(s.sign * r.total_minor), bit_xor(id_digest(r.order_id))
    FROM removed r CROSS JOIN LATERAL (VALUES (r.status, -1), (r.previous_status, 1)) AS s (status, sign)
    WHERE s.status <> 0
    GROUP BY 1, 2;
    RETURN NULL;
END $$;

-- Who may call them could make a trigger of a temporary table that writes ledgers.
REVOKE EXECUTE ON FUNCTION record_counted_events, record_removed_events FROM PUBLIC;

LOCK TABLE processed_events IN SHARE ROW EXCLUSIVE MODE;
CREATE TRIGGER processed_events_ledger AFTER INSERT ON processed_events
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION record_counted_events();
CREATE TRIGGER processed_events_ledger_update_before AFTER UPDATE ON processed_events
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION record_removed_events();
CREATE TRIGGER processed_events_ledger_update_after AFTER UPDATE ON processed_events
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION record_counted_events();
-- A partition is dropped without it: what its events added up to stays in the ledgers.
CREATE TRIGGER processed_events_ledger_delete AFTER DELETE ON processed_events
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION record_removed_events();

INSERT INTO event_ledger_change
SELECT minute_start(occur_time), type, count(*), sum(total_minor), sum(units),
    bit_xor(id_digest(event_id))
FROM processed_events GROUP BY 1, 2;
INSERT INTO order_ledger_change
SELECT id_minute(e.order_id), s.status, sum(s.sign), sum(s.sign * e.total_minor), bit_xor(id_digest(e.order_id))
FROM processed_events e CROSS JOIN LATERAL (VALUES (e.status, 1), (e.previous_status, -1)) AS s (status, sign)
WHERE s.status <> 0 GROUP BY 1, 2;

-- Of dropped events only sums are known: of minutes the orders, of everything else the totals, which are given to 1970.
INSERT INTO ledger_coverage
SELECT complete_since::timestamp AT TIME ZONE 'UTC' FROM partitioned_table
WHERE name = 'processed_events' AND complete_since IS NOT NULL AND EXISTS (SELECT FROM dropped_metric);
INSERT INTO event_ledger_change
SELECT o.dimension::timestamptz, 1, o.value, r.value, 0, 0
FROM dropped_metric o JOIN dropped_metric r ON r.metric_name = 'revenue_per_minute' AND r.dimension = o.dimension
WHERE o.metric_name = 'orders_per_minute';
INSERT INTO event_ledger_change SELECT 'epoch', 1, 0, 0, value, 0 FROM dropped_metric WHERE metric_name = 'top_products_units';
INSERT INTO event_ledger_change SELECT 'epoch', 5, 0, value, 0, 0 FROM dropped_metric WHERE metric_name = 'cancelled_revenue';
INSERT INTO event_ledger_change SELECT 'epoch', 16, value, 0, 0, 0 FROM dropped_metric WHERE metric_name = 'restock_requests';
INSERT INTO order_ledger_change
SELECT 'epoch', n.status, d.value, 0, 0
FROM dropped_metric d
JOIN (VALUES (1, 'CREATED'), (2, 'PENDING_RESTOCK'), (3, 'PAID'), (4, 'SHIPPED'), (5, 'CANCELLED')) AS n (status, name) ON n.name = d.dimension
WHERE d.metric_name = 'orders_by_status';

CREATE FUNCTION fold_ledgers() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF pg_try_advisory_xact_lock(hashtext('fold_ledgers')) THEN
        PERFORM fold_common_ledgers();
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION fold_ledgers FROM PUBLIC;
SELECT fold_ledgers();

-- Rows of the default partition go with the partitions of their days. The trigger is of the whole table and does not see it.
CREATE OR REPLACE FUNCTION keep_event_metrics(partition text, end_day date) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM processed_events_default WHERE event_id < partition_bound('uuid', end_day)::uuid;
    RETURN true;
END $$;
ALTER FUNCTION keep_event_metrics RENAME TO drop_default_rows;
UPDATE partitioned_table SET may_drop = 'drop_default_rows' WHERE name = 'processed_events';
DROP TABLE dropped_metric;
DROP FUNCTION event_metrics;

DO $$
BEGIN
    IF to_regrole('analytics_worker') IS NOT NULL THEN
        GRANT EXECUTE ON FUNCTION fold_ledgers TO analytics_worker;
    END IF;
    IF to_regrole('analytics_reader') IS NOT NULL THEN
        GRANT SELECT ON event_ledger, event_ledger_change, order_ledger, order_ledger_change, current_event_ledger,
            current_order_ledger, ledger_coverage TO analytics_reader;
    END IF;
END $$;
