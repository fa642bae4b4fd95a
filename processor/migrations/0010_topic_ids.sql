-- Offsets mean something in one topic only: a topic that is deleted and made again has another id. Rows from before have none.
ALTER TABLE partition_progress
    ADD COLUMN topic_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD COLUMN opened_at timestamptz NOT NULL DEFAULT now();

COMMENT ON COLUMN partition_progress.topic_id IS 'Kafka''s id of the topic that next_offset belongs to';
COMMENT ON COLUMN partition_progress.opened_at IS 'when counting of this topic id began';

ALTER TABLE parked_event
    ADD COLUMN topic_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    DROP CONSTRAINT parked_event_pkey,
    ADD PRIMARY KEY (topic, partition, "offset", topic_id);

COMMENT ON COLUMN parked_event.topic_id IS 'Kafka''s id of the topic that the offset belongs to';
COMMENT ON COLUMN processed_events."offset" IS 'where the event was read, in the topic that had this name then';

-- Moves partitions' marks. Fails as a serialization failure unless every mark is of the topic and at least at the offset where the
-- worker began: else it was restored, or the topic was made again, and what lies between would never be counted.
-- A worker that lost a partition meanwhile does not move its mark back. Replays keep the last latencies.
CREATE FUNCTION add_progress(
    topics text[], partitions integer[], topic_ids uuid[], first_offsets bigint[], next_offsets bigint[],
    counts bigint[], parked_counts bigint[], p50_occur_us bigint, p99_occur_us bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moved integer;
BEGIN
    WITH batch AS (
        SELECT * FROM unnest(topics, partitions, topic_ids, first_offsets, next_offsets, counts, parked_counts)
            AS t (topic, partition, topic_id, first_offset, next_offset, counted, parked)
    ), locked AS MATERIALIZED (
        SELECT b.* FROM partition_progress p JOIN batch b USING (topic, partition)
        ORDER BY p.topic, p.partition FOR UPDATE OF p
    )
    UPDATE partition_progress p SET
        next_offset = greatest(p.next_offset, b.next_offset),
        counted = p.counted + b.counted,
        parked = p.parked + b.parked,
        latency_p50_ms = CASE WHEN b.counted > 0 THEN latency_ms(p50_occur_us) ELSE p.latency_p50_ms END,
        latency_p99_ms = CASE WHEN b.counted > 0 THEN latency_ms(p99_occur_us) ELSE p.latency_p99_ms END,
        updated_at = clock_timestamp()
    FROM locked b
    WHERE p.topic = b.topic AND p.partition = b.partition AND p.topic_id = b.topic_id AND p.next_offset >= b.first_offset;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(topics) THEN
        RAISE EXCEPTION 'the marks are not where this worker began' USING ERRCODE = 'serialization_failure';
    END IF;
END $$;

-- The milliseconds since a time in microseconds since 1970.
CREATE FUNCTION latency_ms(occur_us bigint) RETURNS double precision LANGUAGE sql VOLATILE
RETURN greatest(0, extract(epoch FROM clock_timestamp() - to_timestamp(occur_us / 1000000.0::float8)) * 1000);
