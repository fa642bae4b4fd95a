-- TRUNCATE takes what it removes out of the ledgers, as DELETE does: triggers of rows do not see it. It reads the table once.

CREATE FUNCTION record_truncated_orders() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO order_ledger_change
    SELECT id_minute(o.order_id), status_number(o.status), -count(*), -sum(o.total_minor), bit_xor(id_digest(o.order_id))
    FROM orders o GROUP BY 1, 2;
    INSERT INTO product_ledger_change
    SELECT l.product_id, -sum(l.quantity), -sum(l.quantity * l.price_minor)
    FROM orders o CROSS JOIN LATERAL unnest(o.lines) AS l GROUP BY 1;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION record_truncated_orders FROM PUBLIC;
CREATE TRIGGER orders_ledger_truncate BEFORE TRUNCATE ON orders FOR EACH STATEMENT EXECUTE FUNCTION record_truncated_orders();
