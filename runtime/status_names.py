"""The names of order statuses, by their numbers."""

from ordermesh.orders.v1.orders_pb2 import Order

STATUS_NAMES = dict(zip(Order.Status.values(), Order.Status.keys(), strict=True))
