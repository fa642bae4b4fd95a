-- Discarding an event can be undone: it is redriven, and its row is removed.
DO $$
BEGIN
    IF to_regrole('orders_app') IS NOT NULL THEN
        GRANT DELETE ON discarded_event TO orders_app;
    END IF;
END $$;
