-- Request ids are partitioned by time and dropped, no longer deleted; the outbox is kept in the same way as they are.

ALTER TABLE event_outbox_default SET (fillfactor = 60);

-- Says whether nothing of a partition of the outbox is still to be sent or settled.
CREATE FUNCTION outbox_is_settled(partition text, end_day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    open boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE status IN (''NEW'', ''FAILED'', ''DEAD''))', partition) INTO open;
    RETURN NOT open;
END $$;
REVOKE EXECUTE ON FUNCTION outbox_is_settled FROM PUBLIC;

INSERT INTO partitioned_table (name, key_type, width_days, may_drop, complete_since)
SELECT 'event_outbox', 'timestamptz', 1, 'outbox_is_settled',
    (SELECT min(to_date(right(c.relname, 8), 'YYYYMMDD')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'event_outbox'::regclass AND c.relname ~ '^event_outbox_[0-9]{8}$');

-- A request_id is looked for in every partition, so there are few of them: each holds seven days, which is how long a
-- request_id is kept at least. What was the table becomes the partition of these days.
CREATE FUNCTION request_period(moment timestamptz) RETURNS date LANGUAGE sql STABLE STRICT
RETURN partition_start((moment AT TIME ZONE 'UTC')::date, 7);

-- Ends a statement that claimed a request_id in one of two partitions only: somebody else has it in the other.
CREATE FUNCTION refuse_split_claim() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a request_id was claimed by another transaction meanwhile' USING ERRCODE = 'serialization_failure';
END $$;

DO $$
DECLARE
    first_day date := request_period(clock_timestamp());
    name text := 'order_request_' || to_char(request_period(clock_timestamp()), 'YYYYMMDD');
BEGIN
    EXECUTE format('ALTER TABLE order_request ADD COLUMN period date NOT NULL DEFAULT %L', first_day);
    ALTER TABLE order_request DROP CONSTRAINT order_request_pkey;
    ALTER TABLE order_request ADD PRIMARY KEY (customer_id, request_id, period);
    ALTER INDEX order_request_pkey RENAME TO order_request_first_pkey;
    DROP INDEX order_request_age;
    EXECUTE format('ALTER TABLE order_request RENAME TO %I', name);
    CREATE TABLE order_request (
        customer_id text COLLATE "C" NOT NULL,
        request_id text COLLATE "C" NOT NULL,
        fingerprint bytea NOT NULL,
        order_id uuid NOT NULL,
        status order_status NOT NULL,
        created_at timestamptz NOT NULL,
        -- The first day of the partition, by the database's clock when the request came. A program of before has none to tell.
        period date NOT NULL DEFAULT request_period(clock_timestamp()),
        PRIMARY KEY (customer_id, request_id, period)
    ) PARTITION BY RANGE (period);
    EXECUTE format('ALTER TABLE order_request ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, first_day, first_day + 7);
    EXECUTE format('ALTER TABLE %I ALTER COLUMN period DROP DEFAULT', name);
    CREATE TABLE order_request_default PARTITION OF order_request DEFAULT;
    INSERT INTO partitioned_table VALUES ('order_request', 'date', 7);
END $$;

-- Of requests of the other methods two with one id take turns by a lock: the look-up in all partitions is enough for them.
DO $$
DECLARE
    first_day date := (SELECT partition_start((coalesce(min(created_at), clock_timestamp()) AT TIME ZONE 'UTC')::date, 7) FROM idempotency_request);
    end_day date := partition_start((clock_timestamp() AT TIME ZONE 'UTC')::date, 7) + 7;
    name text;
BEGIN
    name := 'idempotency_request_' || to_char(first_day, 'YYYYMMDD');
    ALTER TABLE idempotency_request DROP CONSTRAINT idempotency_request_pkey;
    ALTER TABLE idempotency_request ADD PRIMARY KEY (method, scope, request_id, created_at);
    ALTER INDEX idempotency_request_pkey RENAME TO idempotency_request_first_pkey;
    DROP INDEX idempotency_request_age;
    EXECUTE format('ALTER TABLE idempotency_request RENAME TO %I', name);
    EXECUTE format('CREATE TABLE idempotency_request (LIKE %I INCLUDING DEFAULTS, PRIMARY KEY (method, scope, request_id, created_at))'
                   ' PARTITION BY RANGE (created_at)', name);
    EXECUTE format('ALTER TABLE idempotency_request ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
                   partition_bound('timestamptz', first_day), partition_bound('timestamptz', end_day));
    CREATE TABLE idempotency_request_default PARTITION OF idempotency_request DEFAULT;
    INSERT INTO partitioned_table VALUES ('idempotency_request', 'timestamptz', 7);
END $$;

DO $$
BEGIN
    IF to_regrole('orders_app') IS NOT NULL THEN
        GRANT SELECT, INSERT ON order_request, idempotency_request TO orders_app;
        GRANT SELECT ON partitioned_table TO orders_app;
        GRANT DELETE ON progress TO orders_app;
        GRANT EXECUTE ON FUNCTION maintain_partition TO orders_app;
    END IF;
END $$;
