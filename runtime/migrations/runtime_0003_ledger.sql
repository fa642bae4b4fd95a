-- Ledgers, in every database the same way: sums of events and of orders by minute and day, kept for ever. The orders
-- database derives them from the outbox and the orders, the analytics database from the counted events; a reconciliation
-- compares them without reading what they sum up. Triggers append the changes of each statement, in its transaction, so
-- that no two transactions wait for a row; fold_ledgers adds them up.

CREATE TYPE ledger_period AS ENUM ('MINUTE', 'DAY');

CREATE TABLE event_ledger (
    period ledger_period NOT NULL,
    start_time timestamptz NOT NULL,
    event_type smallint NOT NULL,
    events bigint NOT NULL,
    -- Sums of any number of orders, hence no bigint.
    total_minor numeric NOT NULL,
    units bigint NOT NULL,
    digest bigint NOT NULL,
    PRIMARY KEY (period, start_time, event_type)
) WITH (fillfactor = 80);
CREATE TABLE event_ledger_change (
    start_time timestamptz NOT NULL,
    event_type smallint NOT NULL,
    events bigint NOT NULL,
    total_minor numeric NOT NULL,
    units bigint NOT NULL,
    digest bigint NOT NULL
);

-- The time is that of the order's id, so that both databases assign an order to the same minute.
CREATE TABLE order_ledger (
    period ledger_period NOT NULL,
    start_time timestamptz NOT NULL,
    status smallint NOT NULL,
    orders bigint NOT NULL,
    total_minor numeric NOT NULL,
    digest bigint NOT NULL,
    PRIMARY KEY (period, start_time, status)
) WITH (fillfactor = 80);
CREATE TABLE order_ledger_change (
    start_time timestamptz NOT NULL,
    status smallint NOT NULL,
    orders bigint NOT NULL,
    total_minor numeric NOT NULL,
    digest bigint NOT NULL
);

-- From when on the ledgers are complete; no row where they have been kept from the first event on.
CREATE TABLE ledger_coverage (start_time timestamptz NOT NULL);

-- The start of the period that a time belongs to, in UTC.
CREATE FUNCTION period_start(period ledger_period, moment timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT
RETURN date_bin(CASE WHEN period = 'DAY' THEN interval '1 day' ELSE interval '1 minute' END, moment, '1970-01-01 00:00:00+00');

-- The minute that a time belongs to. PostgreSQL inlines it into the statements of triggers, unlike one with a CASE.
CREATE FUNCTION minute_start(moment timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT
RETURN date_bin(interval '1 minute', moment, '1970-01-01 00:00:00+00');

-- The minute of an id that begins with its time, as a UUIDv7 does.
CREATE FUNCTION id_minute(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT
RETURN minute_start(to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0));

-- The digest of a set of ids is the exclusive or of theirs.
CREATE FUNCTION id_digest(id uuid) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT RETURN hashtextextended(id::text, 0);

-- The ledgers with the changes that are not added up yet.
CREATE VIEW current_event_ledger AS
    SELECT period, start_time, event_type, sum(events)::bigint AS events, sum(total_minor) AS total_minor,
        sum(units)::bigint AS units, bit_xor(digest) AS digest
    FROM (
        SELECT * FROM event_ledger
        UNION ALL
        SELECT p.period, period_start(p.period, c.start_time), c.event_type, c.events, c.total_minor, c.units, c.digest
        FROM event_ledger_change c CROSS JOIN unnest(enum_range(NULL::ledger_period)) AS p (period)
    ) AS part
    GROUP BY period, start_time, event_type;
CREATE VIEW current_order_ledger AS
    SELECT period, start_time, status, sum(orders)::bigint AS orders, sum(total_minor) AS total_minor, bit_xor(digest) AS digest
    FROM (
        SELECT * FROM order_ledger
        UNION ALL
        SELECT p.period, period_start(p.period, c.start_time), c.status, c.orders, c.total_minor, c.digest
        FROM order_ledger_change c CROSS JOIN unnest(enum_range(NULL::ledger_period)) AS p (period)
    ) AS part
    GROUP BY period, start_time, status;

-- Adds up changes and removes them. Runs with its owner's rights, so that a service cannot write ledgers.
CREATE FUNCTION fold_common_ledgers() RETURNS void LANGUAGE sql AS $$
    WITH moved AS (DELETE FROM event_ledger_change RETURNING *)
    INSERT INTO event_ledger AS l
    SELECT p.period, period_start(p.period, m.start_time), m.event_type, sum(m.events), sum(m.total_minor), sum(m.units), bit_xor(m.digest)
    FROM moved m CROSS JOIN unnest(enum_range(NULL::ledger_period)) AS p (period)
    GROUP BY 1, 2, 3
    ON CONFLICT (period, start_time, event_type) DO UPDATE SET events = l.events + excluded.events,
        total_minor = l.total_minor + excluded.total_minor, units = l.units + excluded.units, digest = l.digest # excluded.digest;

    WITH moved AS (DELETE FROM order_ledger_change RETURNING *)
    INSERT INTO order_ledger AS l
    SELECT p.period, period_start(p.period, m.start_time), m.status, sum(m.orders), sum(m.total_minor), bit_xor(m.digest)
    FROM moved m CROSS JOIN unnest(enum_range(NULL::ledger_period)) AS p (period)
    GROUP BY 1, 2, 3
    ON CONFLICT (period, start_time, status) DO UPDATE SET orders = l.orders + excluded.orders,
        total_minor = l.total_minor + excluded.total_minor, digest = l.digest # excluded.digest;
$$;
REVOKE EXECUTE ON FUNCTION fold_common_ledgers FROM PUBLIC;
