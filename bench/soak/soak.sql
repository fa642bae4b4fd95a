-- name: tables
-- Returns each table or partition with the table that it is part of, its bytes with indexes, and its dead rows.
SELECT coalesce(p.relname, c.relname)::text, c.relname::text, p.oid IS NOT NULL, pg_total_relation_size(c.oid),
    coalesce(pg_stat_get_dead_tuples(c.oid), 0)
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
ORDER BY 1, 2;

-- name: stored
-- Returns how many orders there are, and how many request ids stand for more than one.
SELECT (SELECT count(*) FROM orders),
    (SELECT count(*) FROM (SELECT FROM order_request GROUP BY customer_id, request_id HAVING count(DISTINCT order_id) > 1) AS d);

-- name: counted
-- Returns how many orders the metrics have.
SELECT coalesce(sum(value), 0)::bigint FROM sales_metrics WHERE metric_name = 'orders_total';
