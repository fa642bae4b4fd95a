-- Dead events as dead letters: what a discarded event was, and the rights of the orders service to retry and discard.

ALTER TABLE discarded_event
    ADD COLUMN outbox_id bigint,
    ADD COLUMN cause text,
    ADD COLUMN discarded_at timestamptz;
ALTER TABLE discarded_event ALTER COLUMN discarded_at SET DEFAULT clock_timestamp();
COMMENT ON COLUMN discarded_event.outbox_id IS 'event_outbox.id; null if the outbox had dropped the event before this column';

-- The few that there are, each by its time, which has an index.
UPDATE discarded_event d SET outbox_id = o.id, cause = o.cause
FROM event_outbox o WHERE o.occur_time = d.occur_time AND o.event_id = d.event_id;

-- Events that Kafka rejected: those that are DEAD, and those that were discarded, also without their payload. The reason is
-- the cause without what differs between events, such as their size.
CREATE VIEW dead_event AS
    SELECT id, state, CASE WHEN event_type < 16 THEN 'order-events' ELSE 'stock' END AS topic,
        split_part(coalesce(cause, ''), ' (', 1) AS reason, coalesce(cause, '') AS cause, event_type, key, event_id, occur_time,
        discarded_at
    FROM (
        SELECT id, 'OPEN' AS state, event_type, key, event_id, occur_time, cause, NULL::timestamptz AS discarded_at
        FROM event_outbox WHERE status = 'DEAD'
        UNION ALL
        SELECT outbox_id, 'DISCARDED', event_type, key, event_id, occur_time, cause, discarded_at
        FROM discarded_event WHERE outbox_id IS NOT NULL
    ) AS dead;

-- What operators did with dead letters; nothing else of the audit log is readable for a service.
CREATE INDEX audit_log_dead_letter ON audit_log (target, at) WHERE action IN ('RedriveDeadLetters', 'DiscardDeadLetters');
CREATE VIEW dead_letter_change AS
    SELECT at, action, target, subject, client_address FROM audit_log
    WHERE action IN ('RedriveDeadLetters', 'DiscardDeadLetters');

DO $$
BEGIN
    IF to_regrole('orders_app') IS NOT NULL THEN
        GRANT SELECT ON dead_event, dead_letter_change TO orders_app;
        GRANT UPDATE ON outbox_shard TO orders_app;
        GRANT INSERT ON discarded_event TO orders_app;
    END IF;
    IF to_regrole('orders_publisher') IS NOT NULL THEN
        -- Only the command that discarded events needed it.
        REVOKE INSERT ON discarded_event FROM orders_publisher;
    END IF;
END $$;
