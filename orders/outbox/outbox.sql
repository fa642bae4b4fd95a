-- name: claim_shards
-- Locks shards that no other publisher has locked, from a first shard on, and returns their floors.
SELECT shard, floor_id, has_dead, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM outbox_shard
ORDER BY (shard + 64 - %(first_shard)s) %% 64 LIMIT %(shards)s FOR NO KEY UPDATE SKIP LOCKED;

-- name: read_events
-- Returns unsent events of claimed shards, in the order in which each shard publishes them.
SELECT e.* FROM unnest(%(shards)s::smallint[], %(floors)s::bigint[]) AS s (shard, floor_id)
CROSS JOIN LATERAL (
    SELECT o.id, o.shard, o.event_type, o.key, o.payload, o.traceparent,
        (extract(epoch FROM o.occur_time) * 1000000)::bigint AS occur_us, o.baggage
    FROM event_outbox o
    WHERE o.shard = s.shard AND o.id > s.floor_id AND o.status IN ('NEW', 'FAILED')
        AND o.key <> ALL(%(dead_keys)s::text[])
    ORDER BY o.id LIMIT %(per_shard)s
) AS e;

-- name: dead_keys
-- Returns the orders whose later events must not be published; stock events need no order.
SELECT DISTINCT key FROM event_outbox
WHERE shard = ANY(%(shards)s::smallint[]) AND status = 'DEAD' AND event_type < %(first_stock_type)s;

-- name: mark_sent
-- Marks events as SENT. The time range limits the update to the partitions that have them.
UPDATE event_outbox SET status = 'SENT', sent_at = clock_timestamp(), cause = NULL
WHERE shard = ANY(%(shards)s::smallint[]) AND id = ANY(%(ids)s::bigint[]) AND status IN ('NEW', 'FAILED')
    AND occur_time >= 'epoch'::timestamptz + %(first_us)s * interval '1 microsecond'
    AND occur_time <= 'epoch'::timestamptz + %(last_us)s * interval '1 microsecond';

-- name: mark_failed
-- Marks events that Kafka did not acknowledge in time as FAILED, once per event and outage.
UPDATE event_outbox SET status = 'FAILED', cause = %(cause)s
WHERE shard = ANY(%(shards)s::smallint[]) AND id = ANY(%(ids)s::bigint[]) AND status = 'NEW';

-- name: mark_dead
-- Marks events that Kafka rejected as DEAD, each with its cause.
UPDATE event_outbox o SET status = 'DEAD', cause = r.cause
FROM unnest(%(shards)s::smallint[], %(ids)s::bigint[], %(causes)s::text[]) AS r (shard, id, cause)
WHERE o.shard = r.shard AND o.id = r.id AND o.status IN ('NEW', 'FAILED');

-- name: set_has_dead
-- Marks shards that have DEAD events.
UPDATE outbox_shard SET has_dead = true WHERE shard = ANY(%(shards)s::smallint[]) AND NOT has_dead;

-- name: move_floors
-- Moves the floors of claimed shards above rows that are done and that no running transaction can still precede. The newest
-- id must have been read before this transaction got its number: then each transaction with a lower id has a lower number.
UPDATE outbox_shard s SET
    floor_id = CASE WHEN s.candidate_xid <= n.oldest THEN greatest(s.floor_id, least(s.candidate_id, coalesce(n.unsent - 1, s.candidate_id)))
        ELSE s.floor_id END,
    candidate_id = CASE WHEN s.candidate_xid <= n.oldest THEN greatest(n.newest, s.candidate_id) ELSE s.candidate_id END,
    candidate_xid = CASE WHEN s.candidate_xid <= n.oldest THEN n.next ELSE s.candidate_xid END
FROM (
    SELECT c.shard, c.newest, pg_snapshot_xmin(pg_current_snapshot()) AS oldest, pg_current_xact_id() AS next,
        (SELECT o.id FROM event_outbox o
         WHERE o.shard = c.shard AND o.id > f.floor_id AND o.status IN ('NEW', 'FAILED') ORDER BY o.id LIMIT 1) AS unsent
    FROM unnest(%(shards)s::smallint[], %(newest)s::bigint[]) AS c (shard, newest) JOIN outbox_shard f USING (shard)
) AS n
WHERE s.shard = n.shard;

-- name: record_progress
-- Adds the number of published events, and records a heartbeat of the publisher.
INSERT INTO progress AS p (process, published, p50_ms, p99_ms, seen_at)
VALUES (%(process)s, %(published)s, %(p50_ms)s, %(p99_ms)s, clock_timestamp())
ON CONFLICT (process) DO UPDATE SET published = p.published + excluded.published, p50_ms = excluded.p50_ms,
    p99_ms = excluded.p99_ms, seen_at = excluded.seen_at;

-- name: notify_publishers
-- Notifies the publishers of new events.
NOTIFY event_outbox;

-- name: listen
-- Subscribes to the notifications of new events.
LISTEN event_outbox;

-- name: count_pending
-- Counts unsent events, up to a limit.
SELECT count(*) FROM (SELECT FROM event_outbox WHERE status IN ('NEW', 'FAILED') LIMIT %(limit)s) AS unsent;

-- name: oldest_unsent_age
-- Returns the age in seconds of the oldest unsent event. Within a shard the events are in the order of their ids.
SELECT greatest(coalesce(extract(epoch FROM clock_timestamp() - min(first.occur_time)), 0), 0)
FROM outbox_shard s
CROSS JOIN LATERAL (
    SELECT o.occur_time FROM event_outbox o
    WHERE o.shard = s.shard AND o.id > s.floor_id AND o.status IN ('NEW', 'FAILED') ORDER BY o.id LIMIT 1
) AS first;

-- name: count_dead
-- Counts DEAD events, up to a limit.
SELECT count(*) FROM (SELECT FROM event_outbox WHERE status = 'DEAD' LIMIT %(limit)s) AS dead;

-- name: list_pending
-- Returns events that are not published yet, oldest first.
SELECT id, status::text, event_type, key, event_id::text, occur_time, coalesce(cause, ''), octet_length(payload)
FROM event_outbox
WHERE status = ANY(%(statuses)s::outbox_status[]) AND status IN ('NEW', 'FAILED')
    AND (%(key)s::text IS NULL OR key = %(key)s) AND (%(event_type)s::smallint IS NULL OR event_type = %(event_type)s)
    AND (%(older_minutes)s::integer IS NULL OR occur_time < now() - make_interval(mins => %(older_minutes)s))
ORDER BY id LIMIT %(limit)s;

-- name: dead_event_groups
-- Returns groups of DEAD events: topic, reason, type, day, number, oldest and newest; the latest day first.
SELECT topic, reason, event_type, date_trunc('day', occur_time, 'UTC'), count(*), min(occur_time), max(occur_time)
FROM dead_event WHERE state = 'OPEN'
GROUP BY 1, 2, 3, 4 ORDER BY 4 DESC, 5 DESC, 1, 2, 3 LIMIT %(limit)s;

-- name: list_dead_events
-- Returns the number of events that Kafka rejected and that match a filter, with each of those after an id, oldest first.
WITH matching AS MATERIALIZED (
    SELECT id, state, topic, reason, cause, event_type, key, event_id::text, occur_time, discarded_at
    FROM dead_event
    WHERE state = %(state)s
        AND (%(topic)s::text IS NULL OR topic = %(topic)s) AND (%(reason)s::text IS NULL OR reason = %(reason)s)
        AND (%(text)s::text IS NULL OR strpos(lower(cause), lower(%(text)s)) > 0)
        AND (%(event_type)s::smallint IS NULL OR event_type = %(event_type)s)
        AND (%(key)s::text IS NULL OR key = %(key)s)
        AND (%(start)s::timestamptz IS NULL OR occur_time >= %(start)s)
        AND (%(end)s::timestamptz IS NULL OR occur_time < %(end)s)
)
SELECT total.number, page.*
FROM (SELECT count(*) AS number FROM matching) AS total
LEFT JOIN LATERAL (SELECT * FROM matching WHERE id > %(after)s ORDER BY id LIMIT %(limit)s) AS page ON true;

-- name: find_dead_event
-- Returns one event that Kafka rejected.
SELECT id, state, topic, reason, cause, event_type, key, event_id::text, occur_time, discarded_at
FROM dead_event WHERE id = %(id)s;

-- name: find_payload
-- Returns the payload of an event, if the outbox still has it.
SELECT payload, traceparent, baggage FROM event_outbox WHERE id = %(id)s AND occur_time = %(occur_time)s;

-- name: dead_event_ids
-- Returns which of these events are DEAD, or were discarded and are still in the outbox.
SELECT id, state FROM dead_event
WHERE id = ANY(%(ids)s::bigint[]) AND (state = 'OPEN' OR EXISTS (
    SELECT FROM event_outbox o WHERE o.id = dead_event.id AND o.occur_time = dead_event.occur_time));

-- name: dead_letter_changes
-- Returns what operators did with a dead letter, the latest first.
SELECT at, action, subject, client_address FROM dead_letter_change
WHERE target = %(target)s ORDER BY at DESC LIMIT %(limit)s;

-- name: restore_discarded
-- Makes discarded events DEAD again, if the outbox still has them, and returns them.
WITH restored AS (
    UPDATE event_outbox o SET status = 'DEAD' FROM discarded_event d
    WHERE d.outbox_id = ANY(%(ids)s::bigint[]) AND o.id = d.outbox_id AND o.occur_time = d.occur_time AND o.status = 'DISCARDED'
    RETURNING o.event_id
)
DELETE FROM discarded_event WHERE event_id IN (SELECT event_id FROM restored) RETURNING outbox_id;

-- name: lock_dead_shards
-- Locks the shards of DEAD events against publishers and other operators, in the order of their numbers, and returns them.
SELECT shard FROM outbox_shard
WHERE shard IN (SELECT shard FROM event_outbox WHERE id = ANY(%(ids)s::bigint[]) AND status = 'DEAD')
ORDER BY shard FOR UPDATE;

-- name: lower_floors
-- Lowers the floors of locked shards below DEAD events, so that publishers read them again.
UPDATE outbox_shard s SET floor_id = least(s.floor_id, d.lowest - 1), candidate_id = least(s.candidate_id, d.lowest - 1)
FROM (
    SELECT shard, min(id) AS lowest FROM event_outbox
    WHERE shard = ANY(%(shards)s::smallint[]) AND id = ANY(%(ids)s::bigint[]) AND status = 'DEAD' GROUP BY shard
) AS d
WHERE s.shard = d.shard;

-- name: change_dead_status
-- Changes the status of DEAD events of locked shards and returns what they are. Discarded ones are kept in the ledger.
WITH changed AS (
    UPDATE event_outbox SET status = %(status)s::outbox_status
    WHERE shard = ANY(%(shards)s::smallint[]) AND id = ANY(%(ids)s::bigint[]) AND status = 'DEAD'
    RETURNING id, event_id, event_type, key, occur_time, total_minor, units, cause
), discarded AS (
    INSERT INTO discarded_event (event_id, event_type, key, occur_time, total_minor, units, outbox_id, cause)
    SELECT event_id, event_type, key, occur_time, total_minor, units, id, cause FROM changed WHERE %(status)s = 'DISCARDED'
    ON CONFLICT DO NOTHING
)
SELECT id, key, event_id::text, cause FROM changed;

-- name: refresh_has_dead
-- Updates which of the locked shards have DEAD events.
UPDATE outbox_shard s SET has_dead = EXISTS (SELECT FROM event_outbox o WHERE o.shard = s.shard AND o.status = 'DEAD')
WHERE s.shard = ANY(%(shards)s::smallint[]) AND s.has_dead;

-- name: find_order
-- Returns an order without its lines.
SELECT customer_id, status::text, total_minor, trace_id, created_at, updated_at, sequence FROM orders WHERE order_id = %(order_id)s;

-- name: order_events
-- Returns events of an order: those of its acceptance and of its last change by their times, which have an index, those that
-- are not published by their shard, and those with given ids by the times of these.
WITH found AS (
    SELECT o.* FROM event_outbox o
    WHERE o.occur_time IN (%(created_at)s, %(updated_at)s) AND (o.key = %(order_id)s OR o.event_type = %(restock_requested)s)
    UNION
    SELECT o.* FROM event_outbox o WHERE o.shard = %(shard)s AND o.status IN ('NEW', 'FAILED') AND o.key = %(order_id)s
    UNION
    SELECT o.* FROM event_outbox o WHERE o.shard = %(shard)s AND o.status = 'DEAD' AND o.key = %(order_id)s
    UNION
    SELECT o.* FROM unnest(%(event_ids)s::uuid[], %(times_ms)s::bigint[]) AS w (event_id, ms)
    CROSS JOIN LATERAL (
        SELECT * FROM event_outbox e
        WHERE e.event_id = w.event_id AND e.occur_time >= 'epoch'::timestamptz + w.ms * interval '1 millisecond'
            AND e.occur_time < 'epoch'::timestamptz + (w.ms + 1) * interval '1 millisecond'
    ) AS o
)
SELECT id, event_id::text, event_type, occur_time, status::text, sent_at, coalesce(cause, ''), traceparent, payload FROM found
UNION ALL
SELECT coalesce(d.outbox_id, 0), d.event_id::text, d.event_type, d.occur_time, 'DISCARDED', NULL, coalesce(d.cause, ''), '', ''
FROM discarded_event d WHERE d.key = %(order_id)s AND NOT EXISTS (SELECT FROM found f WHERE f.event_id = d.event_id)
ORDER BY 4, 1
LIMIT %(limit)s;

-- name: outbox_retained
-- Returns from when on the outbox holds every event; no row if it has not dropped any.
SELECT least(complete_since, (clock_timestamp() AT TIME ZONE 'UTC')::date)::timestamp AT TIME ZONE 'UTC'
FROM partitioned_table WHERE name = 'event_outbox' AND complete_since IS NOT NULL;
