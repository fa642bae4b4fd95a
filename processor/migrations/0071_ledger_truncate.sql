-- TRUNCATE takes what it removes out of the ledgers, as DELETE does: triggers of rows do not see it. It reads the table once.

CREATE FUNCTION record_truncated_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO event_ledger_change
    SELECT minute_start(e.occur_time), e.type, -count(*), -sum(e.total_minor), -sum(e.units), bit_xor(id_digest(e.event_id))
    FROM processed_events e GROUP BY 1, 2;
    INSERT INTO order_ledger_change
    SELECT id_minute(e.order_id), s.status, sum(s.sign), sum(s.sign * e.total_minor), bit_xor(id_digest(e.order_id))
    FROM processed_events e CROSS JOIN LATERAL (VALUES (e.status, -1), (e.previous_status, 1)) AS s (status, sign)
    WHERE s.status <> 0 GROUP BY 1, 2;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION record_truncated_events FROM PUBLIC;
CREATE TRIGGER processed_events_ledger_truncate BEFORE TRUNCATE ON processed_events
    FOR EACH STATEMENT EXECUTE FUNCTION record_truncated_events();
