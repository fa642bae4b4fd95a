-- name: list_metrics
-- Return a page of metrics and one more row, which shows whether there is another page.
SELECT metric_name, dimension, value, updated_at
FROM sales_metrics
WHERE (%(metric_name)s = '' OR metric_name = %(metric_name)s)
    AND (metric_name, dimension) > (%(after_name)s, %(after_dimension)s)
ORDER BY metric_name, dimension
LIMIT %(limit)s;

-- name: totals
-- Return the totals and the orders by status.
SELECT metric_name, dimension, value, updated_at
FROM sales_metrics
WHERE dimension = '' OR metric_name = 'orders_by_status';

-- name: top_by_units
-- Return the best-selling products by units.
SELECT u.dimension, u.value, coalesce(r.value, 0)
FROM sales_metrics u
LEFT JOIN sales_metrics r ON r.metric_name = 'top_products_revenue' AND r.dimension = u.dimension
WHERE u.metric_name = 'top_products_units'
ORDER BY u.value DESC, u.dimension
LIMIT %(limit)s;

-- name: top_by_revenue
-- Return the best-selling products by revenue.
SELECT r.dimension, coalesce(u.value, 0), r.value
FROM sales_metrics r
LEFT JOIN sales_metrics u ON u.metric_name = 'top_products_units' AND u.dimension = r.dimension
WHERE r.metric_name = 'top_products_revenue'
ORDER BY r.value DESC, r.dimension
LIMIT %(limit)s;

-- name: orders_per_minute
-- Return orders and revenue by minute, from the first minute to before the limit.
SELECT o.dimension, o.value, coalesce(r.value, 0)
FROM sales_metrics o
LEFT JOIN sales_metrics r ON r.metric_name = 'revenue_per_minute' AND r.dimension = o.dimension
WHERE o.metric_name = 'orders_per_minute' AND o.dimension >= %(first_minute)s AND o.dimension < %(limit_minute)s
ORDER BY o.dimension;
