-- The desk of dead letters: their event types, discarding, and the rights of the analytics service to change them.

ALTER TABLE dead_letter ADD COLUMN event_type smallint, ADD COLUMN discarded_at timestamptz;
COMMENT ON COLUMN dead_letter.event_type IS 'ordermesh.events.v1.EventType; null if it could not be read';
COMMENT ON COLUMN dead_letter.discarded_at IS 'when an operator gave the event up: it is not counted, and explains why';

CREATE INDEX dead_letter_created ON dead_letter (created_at, topic, partition, "offset", topic_id);

-- What operators did with dead letters; nothing else of the audit log is readable for a service.
CREATE INDEX audit_log_dead_letter ON audit_log (target, at) WHERE action IN ('RedriveDeadLetters', 'DiscardDeadLetters');
CREATE VIEW dead_letter_change AS
    SELECT at, action, target, subject, client_address FROM audit_log
    WHERE action IN ('RedriveDeadLetters', 'DiscardDeadLetters');

DO $$
BEGIN
    IF to_regrole('analytics_reader') IS NOT NULL THEN
        GRANT SELECT ON dead_letter_change TO analytics_reader;
        GRANT UPDATE (redriven_at, discarded_at) ON dead_letter TO analytics_reader;
        GRANT UPDATE (released_at) ON paused_partition TO analytics_reader;
        GRANT INSERT (role, subject, client_address, request_id, trace_id, action, target, before, after)
            ON audit_log TO analytics_reader;
    END IF;
END $$;
