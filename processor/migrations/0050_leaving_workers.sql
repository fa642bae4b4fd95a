-- A worker that leaves takes its heartbeat with it, so that one that fell silent is told from one that left.
DO $$
BEGIN
    IF to_regrole('analytics_worker') IS NOT NULL THEN
        GRANT DELETE ON worker_heartbeat TO analytics_worker;
    END IF;
END $$;
