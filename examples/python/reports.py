"""Reads the catalogue and the metrics: `python reports.py [host:port]`."""

import sys
from itertools import islice

from ordermesh_client import Client, TopProductsRequest

with Client(*sys.argv[1:2]) as client:
    for product in islice(client.products(), 3):
        print(product.product_id, product.name, product.price)
    summary = client.sales_summary()
    print(f"{summary.orders_total} orders, {summary.net_revenue:.2f} net, {summary.average_order_value:.2f} on average")
    for sales in client.top_products(3, ranking=TopProductsRequest.REVENUE):
        print(sales.product_id, sales.units, f"{sales.revenue:.2f}")
    for minute in client.orders_per_minute():
        print(minute.start_time.ToDatetime().strftime("%H:%M"), minute.orders, f"{minute.revenue:.2f}")
    for metric in client.metrics(metric_name="orders_by_status"):
        print(metric.dimension, int(metric.value))
