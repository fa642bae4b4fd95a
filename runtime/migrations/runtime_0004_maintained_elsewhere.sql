-- A session that finds another one at the upkeep of a table is told so: it must not report a success for it.

CREATE OR REPLACE FUNCTION maintain_partition(parent text, days_ahead integer, retention_days integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    day date;
    done text;
BEGIN
    IF days_ahead IS NULL OR days_ahead NOT BETWEEN 0 AND 31 THEN
        RAISE EXCEPTION 'days_ahead must be 0 to 31, is %', days_ahead USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- The settings allow 3650; the processor keeps a day more.
    IF retention_days IS NULL OR retention_days NOT BETWEEN 1 AND 3651 THEN
        RAISE EXCEPTION 'retention_days must be 1 to 3651, is %', retention_days USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM FROM partitioned_table t WHERE t.name = parent FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another session maintains table %', parent USING ERRCODE = 'object_in_use';
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
