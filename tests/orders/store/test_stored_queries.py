"""The queries of orders read the same columns."""

import re

from orders.store.queries import QUERIES


def test_every_query_of_orders_returns_the_columns_that_stored_order_reads() -> None:
    columns = {}
    for name in QUERIES.names():
        head, *rest = re.split(r"\nFROM orders\b", getattr(QUERIES, name), maxsplit=1)
        if rest:
            columns[name] = head.partition("SELECT ")[2]
    lists = {name: found for name, found in columns.items() if name.startswith("list_orders")}
    assert (len(lists), set(lists.values())) == (4, {columns["list_orders"]})
    assert len(columns) == 8
    assert set(columns.values()) - set(lists.values()) == {columns["get_order"]}
