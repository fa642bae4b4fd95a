-- Which worker counted an event. The number takes no space of a row: it fills what alignment leaves.

CREATE TABLE worker (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    worker_id text NOT NULL UNIQUE,
    started_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE processed_events ADD COLUMN worker integer;
COMMENT ON COLUMN processed_events.worker IS 'worker.number; null if an earlier version counted the event';

CREATE INDEX dead_letter_order ON dead_letter (order_id) WHERE order_id IS NOT NULL;

DO $$
BEGIN
    IF to_regrole('analytics_worker') IS NOT NULL THEN
        GRANT SELECT, INSERT ON worker TO analytics_worker;
        GRANT UPDATE (started_at) ON worker TO analytics_worker;
    END IF;
    IF to_regrole('analytics_reader') IS NOT NULL THEN
        GRANT SELECT ON worker TO analytics_reader;
    END IF;
END $$;
