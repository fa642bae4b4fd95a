-- Partitions of which most of the latest records could not be counted: they are read only now and then until that is over or somebody lets them go.
CREATE TABLE paused_partition (
    topic text NOT NULL,
    partition integer NOT NULL,
    records integer NOT NULL,
    bad integer NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now(),
    released_at timestamptz,
    PRIMARY KEY (topic, partition)
);

COMMENT ON COLUMN paused_partition.bad IS 'so many of the last records became dead letters';
COMMENT ON COLUMN paused_partition.released_at IS 'when somebody had the partition read on, whatever it holds';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'analytics_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON paused_partition TO analytics_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'analytics_reader') THEN
        GRANT SELECT ON paused_partition TO analytics_reader;
    END IF;
END $$;
