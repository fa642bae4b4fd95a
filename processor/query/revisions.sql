-- name: is_counted
-- Return whether an event that led an order to a status is counted, or may have been dropped with those of its day since.
SELECT EXISTS (
    SELECT FROM processed_events
    WHERE order_id = %(order_id)s AND event_id >= %(first_id)s AND status = %(status)s
) OR 'epoch'::timestamptz + %(updated_at_us)s * interval '1 microsecond' < (
    SELECT complete_since::timestamp AT TIME ZONE 'UTC' FROM partitioned_table WHERE name = 'processed_events');
