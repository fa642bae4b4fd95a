-- Tables partitioned by time, in every database the same way: partitions are made ahead, those past a retention dropped.

CREATE TABLE partitioned_table (
    name text COLLATE "C" PRIMARY KEY,
    -- The type of the partition key; a UUIDv7 begins with its time.
    key_type text NOT NULL CONSTRAINT partitioned_table_key_type CHECK (key_type IN ('timestamptz', 'date', 'uuid')),
    -- How many days a partition holds, counted from 1970-01-01.
    width_days integer NOT NULL CONSTRAINT partitioned_table_width CHECK (width_days > 0),
    -- The function that is asked before a partition is dropped: (partition, end of its days) -> boolean. NULL: none is.
    may_drop text,
    -- Rows of days before this one may have been dropped; NULL while nothing was.
    complete_since date
);

-- The least value of a partition key that a day has.
CREATE FUNCTION partition_bound(key_type text, day date) RETURNS text LANGUAGE sql STABLE STRICT AS $$
    SELECT CASE key_type
        WHEN 'date' THEN day::text
        WHEN 'timestamptz' THEN (day::timestamp AT TIME ZONE 'UTC')::text
        ELSE rpad(lpad(to_hex(extract(epoch FROM day)::bigint * 1000), 12, '0'), 32, '0')::uuid::text
    END
$$;

-- The day that a value of a partition key is of.
CREATE FUNCTION partition_day(key_type text, value text) RETURNS date LANGUAGE sql STABLE STRICT AS $$
    SELECT CASE key_type
        WHEN 'date' THEN value::date
        WHEN 'timestamptz' THEN (value::timestamptz AT TIME ZONE 'UTC')::date
        ELSE (to_timestamp(('x' || left(replace(value, '-', ''), 12))::bit(48)::bigint / 1000.0) AT TIME ZONE 'UTC')::date
    END
$$;

-- The first day of the partition that a day belongs to.
CREATE FUNCTION partition_start(day date, width_days integer) RETURNS date LANGUAGE sql IMMUTABLE STRICT
RETURN day - ((day - date '1970-01-01') % width_days + width_days) % width_days;

-- The partitions of a table with the days that they hold; the end is the first day that they do not. Without the default one.
CREATE FUNCTION time_partitions(parent text) RETURNS TABLE (name text, first_day date, end_day date) LANGUAGE sql STABLE AS $$
    SELECT c.relname, partition_day(t.key_type, b.bounds[1]), partition_day(t.key_type, b.bounds[2])
    FROM partitioned_table t
    JOIN pg_inherits i ON i.inhparent = t.name::regclass
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''(.*)''\) TO \(''(.*)''\)') AS b (bounds)
    WHERE t.name = parent AND b.bounds IS NOT NULL
$$;

-- The column that a table is partitioned by.
CREATE FUNCTION partition_key(parent text) RETURNS text LANGUAGE sql STABLE STRICT AS $$
    SELECT a.attname FROM pg_partitioned_table p
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = parent::regclass
$$;

-- Locks one table, in short attempts: whoever waits for a lock holds up everybody behind it.
CREATE FUNCTION lock_patiently(name text, mode text) RETURNS void LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
BEGIN
    FOR attempt IN 1..50 LOOP
        BEGIN
            EXECUTE format('LOCK TABLE ONLY %I IN %s MODE', name, mode);
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.2 + random() * 0.3);
        END;
    END LOOP;
    RAISE EXCEPTION 'table % is in use', name USING ERRCODE = 'lock_not_available';
END $$;

-- Makes a table of the form of a partitioned one, to become its partition, with the storage parameters of another partition.
CREATE FUNCTION make_like(parent text, example text, name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parameters text := (SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = example::regclass);
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING IDENTITY)', name, parent);
    IF parameters <> '' THEN
        EXECUTE format('ALTER TABLE %I SET (%s)', name, parameters);
    END IF;
END $$;

-- Makes the partition of some days, with those rows of them that the default partition took meanwhile.
CREATE FUNCTION move_into_partition(parent text, first_day date, end_day date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    t partitioned_table := (SELECT p FROM partitioned_table p WHERE p.name = parent);
    other text := parent || '_default';
    made text := format('%s_%s', parent, to_char(first_day, 'YYYYMMDD'));
    first_key text := partition_bound(t.key_type, first_day);
    end_key text := partition_bound(t.key_type, end_day);
BEGIN
    PERFORM make_like(parent, other, made);
    -- Not less, though attaching asks for less: a row that is on its way into the default partition would be refused there.
    PERFORM lock_patiently(parent, 'ACCESS EXCLUSIVE');
    EXECUTE format('WITH moved AS (DELETE FROM %1$I WHERE %2$I >= %3$L AND %2$I < %4$L RETURNING *) INSERT INTO %5$I SELECT * FROM moved',
                   other, partition_key(parent), first_key, end_key, made);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, made, first_key, end_key);
    RETURN made;
END $$;

-- Makes the default partition the one of some days, since it holds too many rows of them to be moved while others wait, and
-- a new default partition with those rows that are of other days. The table is locked while its rows are read once.
CREATE FUNCTION turn_into_partition(parent text, first_day date, end_day date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    t partitioned_table := (SELECT p FROM partitioned_table p WHERE p.name = parent);
    other text := parent || '_default';
    made text := format('%s_%s', parent, to_char(first_day, 'YYYYMMDD'));
    first_key text := partition_bound(t.key_type, first_day);
    end_key text := partition_bound(t.key_type, end_day);
BEGIN
    PERFORM lock_patiently(parent, 'ACCESS EXCLUSIVE');
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, other);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', other, made);
    PERFORM make_like(parent, made, other);
    EXECUTE format('WITH moved AS (DELETE FROM %1$I WHERE %2$I < %3$L OR %2$I >= %4$L RETURNING *) INSERT INTO %5$I SELECT * FROM moved',
                   made, partition_key(parent), first_key, end_key, other);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, made, first_key, end_key);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I DEFAULT', parent, other);
    RETURN made;
END $$;

-- Makes the partition of a day; returns its name, NULL where there is one. Up to `most_moved` rows are moved into it from the
-- default partition; when there are more, the default partition becomes one for all days in the gap between its neighbours.
CREATE FUNCTION make_partition(parent text, day date, most_moved integer DEFAULT 50000) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    t partitioned_table := (SELECT p FROM partitioned_table p WHERE p.name = parent);
    first_day date := partition_start(day, t.width_days);
    end_day date := partition_start(day, t.width_days) + t.width_days;
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    rows bigint;
BEGIN
    IF EXISTS (SELECT FROM time_partitions(parent) p WHERE p.first_day <= day AND p.end_day > day) THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %1$I WHERE %2$I >= %3$L AND %2$I < %4$L LIMIT %5$s) AS few',
                   parent || '_default', partition_key(parent), partition_bound(t.key_type, first_day),
                   partition_bound(t.key_type, end_day), most_moved + 1) INTO rows;
    IF rows <= most_moved THEN
        RETURN move_into_partition(parent, first_day, end_day);
    END IF;
    RETURN turn_into_partition(parent, first_day, greatest(end_day, least(
        (SELECT min(p.first_day) FROM time_partitions(parent) p WHERE p.first_day > day),
        partition_start(today, t.width_days) + t.width_days)));
END $$;

-- The oldest day of which the default partition holds rows, up to a day; NULL when it holds none.
CREATE FUNCTION day_without_partition(parent text, last_day date) RETURNS date LANGUAGE plpgsql AS $$
DECLARE
    t partitioned_table := (SELECT p FROM partitioned_table p WHERE p.name = parent);
    found text;
BEGIN
    EXECUTE format('SELECT %1$I::text FROM %2$I WHERE %1$I < %3$L ORDER BY %1$I LIMIT 1', partition_key(parent),
                   parent || '_default', partition_bound(t.key_type, last_day + 1)) INTO found;
    RETURN partition_day(t.key_type, found);
END $$;

-- Drops the oldest partition whose days are past the retention; returns its name, NULL when there is none to drop.
CREATE FUNCTION drop_partition(parent text, before date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    may_drop text := (SELECT t.may_drop FROM partitioned_table t WHERE t.name = parent);
    old record;
    free boolean := true;
BEGIN
    FOR old IN SELECT * FROM time_partitions(parent) p WHERE p.end_day <= before ORDER BY p.end_day LOOP
        IF may_drop IS NOT NULL THEN
            EXECUTE format('SELECT %I($1, $2)', may_drop) INTO free USING old.name, old.end_day;
        END IF;
        CONTINUE WHEN NOT free;
        PERFORM lock_patiently(parent, 'ACCESS EXCLUSIVE');
        EXECUTE format('DROP TABLE %I', old.name);
        UPDATE partitioned_table t SET complete_since = greatest(t.complete_since, old.end_day) WHERE t.name = parent;
        RETURN old.name;
    END LOOP;
    RETURN NULL;
END $$;

-- Does one step of the upkeep of a table and says which, NULL when nothing is left to do, or another session is at it: gives
-- rows of the default partition a partition of their own, makes partitions up to some days ahead, drops those whose days
-- are past the retention. Runs with its owner's rights, so that a service need not own the tables.
CREATE FUNCTION maintain_partition(parent text, days_ahead integer, retention_days integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    day date;
    done text;
BEGIN
    PERFORM FROM partitioned_table t WHERE t.name = parent FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    FOR day IN
        SELECT d FROM (
            SELECT day_without_partition(parent, today + days_ahead) UNION ALL SELECT today + n FROM generate_series(0, days_ahead) AS n
        ) AS wanted (d) WHERE d IS NOT NULL
    LOOP
        done := make_partition(parent, day);
        IF done IS NOT NULL THEN
            RETURN '+' || done;
        END IF;
    END LOOP;
    RETURN '-' || drop_partition(parent, today - retention_days);
END $$;

REVOKE EXECUTE ON FUNCTION lock_patiently, make_like, move_into_partition, turn_into_partition, make_partition,
    day_without_partition, drop_partition, maintain_partition FROM PUBLIC;
