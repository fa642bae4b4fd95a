-- What a worker holds and what it is careful with, so that its next run, wherever it is, knows what was in hand when it ended without a word.
ALTER TABLE worker_heartbeat ADD COLUMN held jsonb, ADD COLUMN in_hand jsonb;

COMMENT ON COLUMN worker_heartbeat.held IS 'the partitions, a list of [topic, partition]; null once the worker has ended in order';
COMMENT ON COLUMN worker_heartbeat.in_hand IS 'the suspect records being counted: how many, and spans of [topic, partition, first_offset, next_offset]';

-- The records that workers had in hand when they ended without a word, one row for each partition; settled once they are counted or parked.
CREATE TABLE worker_crash (
    worker_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    records integer NOT NULL,
    crashed_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz
);

COMMENT ON COLUMN worker_crash.records IS 'at most so many of them, in all partitions, were in hand';

CREATE INDEX worker_crash_open ON worker_crash (topic, partition) WHERE settled_at IS NULL;
CREATE INDEX worker_crash_crashed_at ON worker_crash (crashed_at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'analytics_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON worker_crash TO analytics_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'analytics_reader') THEN
        GRANT SELECT ON worker_crash TO analytics_reader;
    END IF;
END $$;
