"""Reads the errors of invalid calls, and repeats an order that is stored once: `python errors.py [host:port]`."""

import sys

from ordermesh_client import AlreadyExists, Client, ErrorReason, InvalidRequest, NotFound, OrderItem

with Client(*sys.argv[1:2], timeout_seconds=5) as client:
    try:
        client.create_order("", [OrderItem(product_id="p1", quantity=0, price=9.999)])
    except InvalidRequest as error:
        for violation in error.violations:
            print(violation.field, "-", violation.description)

    book = OrderItem(product_id="p7", quantity=1, price=12.5)
    first = client.create_order("cust-7", [book], request_id="invoice-4711")
    again = client.create_order("cust-7", [book], request_id="invoice-4711")
    print("one order:", first.order_id == again.order_id)
    try:
        client.create_order("cust-7", [book, book], request_id="invoice-4711")
    except AlreadyExists as error:
        print(error.reason == ErrorReason.REQUEST_ID_REUSED, error.reason_name, error.metadata)
    try:
        client.get_order("019a0000-0000-7000-8000-000000000000")
    except NotFound as error:
        print(error)
