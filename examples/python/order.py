"""Places an order, pays and ships it, and lists the customer's orders: `python order.py [host:port]`."""

import sys

from ordermesh_client import Client, OrderItem

with Client(*sys.argv[1:2]) as client:
    order = client.create_order("cust-123", [OrderItem(product_id="p1", quantity=2, price=10)])
    client.complete_payment(order.order_id)
    client.ship_order(order.order_id)
    for shipped in client.orders(customer_id="cust-123", page_size=10):
        print(shipped.order_id, shipped.Status.Name(shipped.status), shipped.total_price)
