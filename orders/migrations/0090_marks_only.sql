-- Services change how far an order and an event are, never what was sold or said: history that a service could rewrite
-- would be published again by a replay, and the ledgers keep sums of what it was.
DO $$
BEGIN
    IF to_regrole('orders_app') IS NOT NULL THEN
        REVOKE UPDATE ON orders, event_outbox FROM orders_app;
        GRANT UPDATE (status, sequence, updated_at) ON orders TO orders_app;
        GRANT UPDATE (status) ON event_outbox TO orders_app;
    END IF;
    IF to_regrole('orders_publisher') IS NOT NULL THEN
        REVOKE UPDATE ON event_outbox FROM orders_publisher;
        GRANT UPDATE (status, sent_at, cause) ON event_outbox TO orders_publisher;
    END IF;
END $$;
