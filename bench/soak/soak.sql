-- name: tables
-- Each table or partition with its parent table, bytes including indexes, and dead rows.
SELECT coalesce(p.relname, c.relname)::text, c.relname::text, p.oid IS NOT NULL, pg_total_relation_size(c.oid),
    coalesce(pg_stat_get_dead_tuples(c.oid), 0)
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
ORDER BY 1, 2;

-- name: stored
-- Number of orders, and number of request ids with more than one order.
SELECT (SELECT count(*) FROM orders),
    (SELECT count(*) FROM (SELECT FROM order_request GROUP BY customer_id, request_id HAVING count(DISTINCT order_id) > 1) AS d);

-- name: counted
-- Number of orders in the metrics.
SELECT coalesce(sum(value), 0)::bigint FROM sales_metrics WHERE metric_name = 'orders_total';
