from __future__ import annotations

import pytest

from runtime.grpc import rest_field_names


@pytest.mark.parametrize(
    ("told", "over_rest"),
    [
        ("customer_id: must have 1 to 128 characters", "customerId: must have 1 to 128 characters"),
        ("items[3].product_id", "items[3].productId"),
        ("ask again with the same request_id", "ask again with the same requestId"),
        # What a client sent, and what is no field of a request, stays as it is.
        ('items[0].product_id: no product "order_id"', 'items[0].productId: no product "order_id"'),
        (r'no product "a\"order_id"', r'no product "a\"order_id"'),
        ("metric_name: must be orders_total or revenue_total", "metricName: must be orders_total or revenue_total"),
        ("topic order_events, table event_outbox", "topic order_events, table event_outbox"),
        ("quantity: must be 1 or more", "quantity: must be 1 or more"),
    ],
)
def test_only_fields_of_requests_are_told_by_their_json_names(told: str, over_rest: str) -> None:
    assert rest_field_names.in_json(told) == over_rest


def test_envoy_marks_what_came_over_rest() -> None:
    assert rest_field_names.over_rest([("x-request-id", "1"), ("x-envoy-original-path", "/orders")])
    assert not rest_field_names.over_rest([("x-request-id", "1")])
    assert not rest_field_names.over_rest(None)
