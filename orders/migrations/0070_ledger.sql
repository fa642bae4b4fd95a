-- The ledgers of the orders database: events as they come into the outbox, orders with their status, and sales by product.

CREATE TABLE product_ledger (
    product_id text COLLATE "C" PRIMARY KEY,
    units bigint NOT NULL,
    revenue_minor numeric NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE product_ledger_change (
    product_id text COLLATE "C" NOT NULL,
    units bigint NOT NULL,
    revenue_minor numeric NOT NULL
);

-- Events that an operator discarded, kept for ever: no reader of Kafka has ever seen them.
CREATE TABLE discarded_event (
    event_id uuid PRIMARY KEY,
    event_type smallint NOT NULL,
    key text NOT NULL,
    occur_time timestamptz NOT NULL,
    total_minor bigint NOT NULL,
    units integer NOT NULL
);

-- The order that an event is of; null for events of stock (types from 16 on), whose key is a product.
CREATE FUNCTION order_of(event_type smallint, key text) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT
RETURN CASE WHEN event_type < 16 AND key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN key::uuid END;

-- Events that no reader of Kafka has seen: pending, rejected by Kafka, or discarded.
CREATE VIEW unpublished_event AS
    SELECT event_id, event_type, order_of(event_type, key) AS order_id, occur_time, total_minor, units, pending
    FROM (
        SELECT event_id, event_type, key, occur_time, total_minor, units, true AS pending FROM event_outbox WHERE status IN ('NEW', 'FAILED')
        UNION ALL
        SELECT event_id, event_type, key, occur_time, total_minor, units, false FROM event_outbox WHERE status = 'DEAD'
        UNION ALL
        SELECT event_id, event_type, key, occur_time, total_minor, units, false FROM discarded_event
    ) AS unpublished;

-- The number of a status in the contracts.
CREATE FUNCTION status_number(status order_status) RETURNS smallint LANGUAGE sql IMMUTABLE STRICT
RETURN CASE status WHEN 'CREATED' THEN 1 WHEN 'PENDING_RESTOCK' THEN 2 WHEN 'PAID' THEN 3 WHEN 'SHIPPED' THEN 4 ELSE 5 END;

CREATE FUNCTION record_outbox_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO event_ledger_change
    SELECT minute_start(i.occur_time), i.event_type, count(*), sum(i.total_minor),
        sum(i.units), bit_xor(id_digest(i.event_id))
    FROM inserted i GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE FUNCTION record_new_orders() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO order_ledger_change
    SELECT id_minute(i.order_id), status_number(i.status), count(*), sum(i.total_minor), bit_xor(id_digest(i.order_id))
    FROM inserted i GROUP BY 1, 2;
    INSERT INTO product_ledger_change
    SELECT l.product_id, sum(l.quantity), sum(l.quantity * l.price_minor)
    FROM inserted i CROSS JOIN LATERAL unnest(i.lines) AS l GROUP BY 1;
    RETURN NULL;
END $$;

CREATE FUNCTION record_changed_orders() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO order_ledger_change
    SELECT id_minute(c.order_id), status_number(c.status), sum(c.sign), sum(c.sign * c.total_minor),
        bit_xor(id_digest(c.order_id))
    FROM (
        SELECT order_id, status, total_minor, -1 AS sign FROM before
        UNION ALL
        SELECT order_id, status, total_minor, 1 FROM after
    ) AS c
    GROUP BY 1, 2 HAVING sum(c.sign) <> 0 OR sum(c.sign * c.total_minor) <> 0 OR bit_xor(id_digest(c.order_id)) <> 0;
    RETURN NULL;
END $$;

CREATE FUNCTION record_removed_orders() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO order_ledger_change
    SELECT id_minute(r.order_id), status_number(r.status), -count(*), -sum(r.total_minor), bit_xor(id_digest(r.order_id))
    FROM removed r GROUP BY 1, 2;
    INSERT INTO product_ledger_change
    SELECT l.product_id, -sum(l.quantity), -sum(l.quantity * l.price_minor)
    FROM removed r CROSS JOIN LATERAL unnest(r.lines) AS l GROUP BY 1;
    RETURN NULL;
END $$;

-- Who may call them could make a trigger of a temporary table that writes ledgers.
REVOKE EXECUTE ON FUNCTION record_outbox_events, record_new_orders, record_changed_orders, record_removed_orders FROM PUBLIC;

-- Readers must not miss rows of a transaction that began before the triggers were there.
LOCK TABLE orders, event_outbox IN SHARE ROW EXCLUSIVE MODE;
CREATE TRIGGER event_outbox_ledger AFTER INSERT ON event_outbox
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION record_outbox_events();
CREATE TRIGGER orders_ledger_insert AFTER INSERT ON orders
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION record_new_orders();
CREATE TRIGGER orders_ledger_update AFTER UPDATE ON orders
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION record_changed_orders();
CREATE TRIGGER orders_ledger_delete AFTER DELETE ON orders
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION record_removed_orders();

-- What was there before: every order, and the events that the outbox still holds.
INSERT INTO discarded_event
SELECT event_id, event_type, key, occur_time, total_minor, units FROM event_outbox WHERE status = 'DISCARDED';
INSERT INTO event_ledger_change
SELECT minute_start(occur_time), event_type, count(*), sum(total_minor), sum(units),
    bit_xor(id_digest(event_id))
FROM event_outbox GROUP BY 1, 2;
INSERT INTO order_ledger_change
SELECT id_minute(order_id), status_number(status), count(*), sum(total_minor), bit_xor(id_digest(order_id)) FROM orders GROUP BY 1, 2;
INSERT INTO product_ledger_change
SELECT l.product_id, sum(l.quantity), sum(l.quantity * l.price_minor) FROM orders o CROSS JOIN LATERAL unnest(o.lines) AS l GROUP BY 1;
-- A day whose partition was never dropped is complete. Rows of earlier days in the default partition are not all of theirs.
INSERT INTO ledger_coverage
SELECT complete_since::timestamp AT TIME ZONE 'UTC' FROM partitioned_table
WHERE name = 'event_outbox' AND complete_since > (SELECT min(id_minute(order_id)) FROM orders)::date;

-- Adds up the changes of all ledgers and removes them. Another session may be at it: then nothing is to be done.
CREATE FUNCTION fold_ledgers() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('fold_ledgers')) THEN
        RETURN;
    END IF;
    PERFORM fold_common_ledgers();
    WITH moved AS (DELETE FROM product_ledger_change RETURNING *)
    INSERT INTO product_ledger AS l
    SELECT product_id, sum(units), sum(revenue_minor) FROM moved GROUP BY 1
    ON CONFLICT (product_id) DO UPDATE SET units = l.units + excluded.units, revenue_minor = l.revenue_minor + excluded.revenue_minor;
END $$;
REVOKE EXECUTE ON FUNCTION fold_ledgers FROM PUBLIC;
SELECT fold_ledgers();

DO $$
BEGIN
    IF to_regrole('orders_app') IS NOT NULL THEN
        GRANT SELECT ON event_ledger, event_ledger_change, order_ledger, order_ledger_change, product_ledger, product_ledger_change,
            current_event_ledger, current_order_ledger, ledger_coverage, discarded_event, unpublished_event TO orders_app;
        GRANT EXECUTE ON FUNCTION fold_ledgers TO orders_app;
    END IF;
    IF to_regrole('orders_publisher') IS NOT NULL THEN
        GRANT INSERT ON discarded_event TO orders_publisher;
    END IF;
END $$;
