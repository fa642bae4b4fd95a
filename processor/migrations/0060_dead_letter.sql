-- Tables, columns and constraints are named by the terms of docs/glossary.md: dead letter, position, in flight.
ALTER TABLE parked_event RENAME TO dead_letter;
ALTER TABLE dead_letter RENAME COLUMN letter_topic TO dlq_topic;
ALTER TABLE dead_letter RENAME COLUMN letter_partition TO dlq_partition;
ALTER TABLE dead_letter RENAME COLUMN letter_offset TO dlq_offset;
ALTER TABLE dead_letter RENAME COLUMN parked_at TO created_at;
ALTER TABLE dead_letter RENAME CONSTRAINT parked_event_is_somewhere TO dead_letter_in_topic_or_table;
ALTER INDEX parked_event_event_id RENAME TO dead_letter_event_id;
ALTER INDEX parked_event_redriven RENAME TO dead_letter_redriven;
ALTER TABLE partition_progress RENAME COLUMN parked TO dead_letters;
ALTER TABLE worker_heartbeat RENAME COLUMN held TO assigned;
ALTER TABLE worker_heartbeat RENAME COLUMN in_hand TO in_flight;
COMMENT ON COLUMN worker_crash.records IS 'at most so many of them, in all partitions, were in flight';

-- The primary key, and from PostgreSQL 18 on the NOT NULL constraints, which have names there.
DO $$
DECLARE
    own record;
BEGIN
    FOR own IN
        SELECT conrelid::regclass AS relation, conname AS name,
            replace(replace(replace(conname, 'parked_event', 'dead_letter'), 'parked_at', 'created_at'), 'parked', 'dead_letters')
                AS new_name
        FROM pg_constraint
        WHERE conrelid IN ('dead_letter'::regclass, 'partition_progress'::regclass) AND conname LIKE '%parked%'
    LOOP
        EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', own.relation, own.name, own.new_name);
    END LOOP;
END $$;

DROP FUNCTION add_progress;

-- Moves partition positions. Fails as a serialization failure unless every position is of the topic and at least at the
-- offset where the worker began: else it was restored, or the topic was created again, and what lies between would never
-- be counted. A worker that lost a partition meanwhile does not move its position back. Replays keep the last latencies.
CREATE FUNCTION add_progress(
    topics text[], partitions integer[], topic_ids uuid[], first_offsets bigint[], next_offsets bigint[],
    counts bigint[], dead_letter_counts bigint[], p50_occur_us bigint, p99_occur_us bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moved integer;
BEGIN
    WITH batch AS (
        SELECT * FROM unnest(topics, partitions, topic_ids, first_offsets, next_offsets, counts, dead_letter_counts)
            AS t (topic, partition, topic_id, first_offset, next_offset, counted, dead_letters)
    ), locked AS MATERIALIZED (
        SELECT b.* FROM partition_progress p JOIN batch b USING (topic, partition)
        ORDER BY p.topic, p.partition FOR UPDATE OF p
    )
    UPDATE partition_progress p SET
        next_offset = greatest(p.next_offset, b.next_offset),
        counted = p.counted + b.counted,
        dead_letters = p.dead_letters + b.dead_letters,
        latency_p50_ms = CASE WHEN b.counted > 0 THEN latency_ms(p50_occur_us) ELSE p.latency_p50_ms END,
        latency_p99_ms = CASE WHEN b.counted > 0 THEN latency_ms(p99_occur_us) ELSE p.latency_p99_ms END,
        updated_at = clock_timestamp()
    FROM locked b
    WHERE p.topic = b.topic AND p.partition = b.partition AND p.topic_id = b.topic_id AND p.next_offset >= b.first_offset;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(topics) THEN
        RAISE EXCEPTION 'the partition positions are not where this worker began' USING ERRCODE = 'serialization_failure';
    END IF;
END $$;
