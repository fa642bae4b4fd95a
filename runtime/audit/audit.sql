-- name: insert_entry
-- Append an entry; its id and time are the database's.
INSERT INTO audit_log (role, subject, client_address, request_id, trace_id, action, target, before, after)
VALUES (%(role)s, %(subject)s, %(client_address)s, %(request_id)s, %(trace_id)s, %(action)s, %(target)s,
    %(before)s::jsonb, %(after)s::jsonb);

-- name: insert_spooled_entry
-- Append an entry with the time of its command, unless it is there.
INSERT INTO audit_log (at, role, subject, client_address, request_id, trace_id, action, target, before, after)
SELECT %(at)s::timestamptz, %(role)s, %(subject)s, %(client_address)s, %(request_id)s, %(trace_id)s, %(action)s, %(target)s,
    %(before)s::jsonb, %(after)s::jsonb
WHERE NOT EXISTS (SELECT FROM audit_log WHERE at = %(at)s::timestamptz AND request_id = %(request_id)s);

-- name: read_entries
-- Return the latest entries that match, the latest first.
SELECT id, at, role, subject, client_address, request_id, trace_id, action, target, before, after
FROM audit_log
WHERE at >= %(since)s AND (%(subject)s::text IS NULL OR subject = %(subject)s)
    AND (%(action)s::text IS NULL OR action = %(action)s)
ORDER BY at DESC, id DESC LIMIT %(limit)s;
