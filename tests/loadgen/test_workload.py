import json
import uuid
from collections import Counter
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st
from ordermesh.orders.v1 import orders_pb2

from loadgen.workload import (
    Draft,
    PlannedOrder,
    Workload,
    encode_batch_entry,
    encode_json,
    encode_message,
    join_batch,
)

seeds = st.integers(0, 2**63 - 1)


def workload(seed: int = 1, customers: int = 5000, products: int = 1000, encode=encode_json) -> Workload:
    return Workload(seed, customers, products, encode)


def drafts(source: Workload, count: int) -> list[Draft]:
    return [source.draw() for _ in range(count)]


@given(seeds)
def test_the_same_seed_gives_the_same_orders(seed: int) -> None:
    first, second = drafts(workload(seed), 5), drafts(workload(seed), 5)
    assert [(one.customer_id, one.lines) for one in first] == [(one.customer_id, one.lines) for one in second]


def test_a_repeated_run_makes_new_orders() -> None:
    ids = {one.request_id for run in (workload(), workload()) for one in drafts(run, 100)}
    assert len(ids) == 200


def test_request_ids_are_uuids() -> None:
    for draft in drafts(workload(), 20):
        assert str(uuid.UUID(draft.request_id)) == draft.request_id


@given(seeds, st.integers(1, 1000), st.integers(1, 5000))
def test_orders_stay_within_the_catalogue_and_the_contract(seed: int, products: int, customers: int) -> None:
    for draft in drafts(workload(seed, customers, products), 10):
        assert 1 <= int(draft.customer_id.removeprefix("cust-")) <= customers
        assert draft.lines
        for line in draft.lines:
            assert 1 <= int(line.product_id.removeprefix("p")) <= products
            assert line.quantity >= 1
            assert 0 < line.price_minor <= 1_000_000_000


def test_few_products_get_most_of_the_orders_and_thousands_of_customers_order() -> None:
    many = drafts(workload(), 5000)
    lines = Counter(line.product_id for draft in many for line in draft.lines)
    assert lines["p1"] > 5 * lines["p100"]
    assert len({draft.customer_id for draft in many}) > 2000


@given(seeds)
def test_json_and_message_say_the_same(seed: int) -> None:
    draft = workload(seed).draw()
    body = json.loads(encode_json(draft))
    message = orders_pb2.CreateOrderRequest.FromString(encode_message(draft))
    assert body["customerId"] == message.customer_id
    assert body["requestId"] == message.request_id
    from_json = [(item["productId"], item["quantity"], item["price"]) for item in body["items"]]
    assert from_json == [(item.product_id, item.quantity, item.price) for item in message.items]


@given(seeds)
def test_the_planned_total_is_what_the_order_costs_to_the_cent(seed: int) -> None:
    planned = workload(seed).plan()
    items = json.loads(planned.payload)["items"]
    assert planned.total_minor == sum(item["quantity"] * round(item["price"] * 100) for item in items)


def test_joined_batches_of_one_are_one_batch() -> None:
    source = workload(encode=encode_batch_entry)
    planned: list[PlannedOrder] = list(islice(iter(source.plan, None), 3))
    batch = orders_pb2.BatchCreateOrdersRequest.FromString(join_batch(planned))
    assert len(batch.requests) == 3
    assert len({request.request_id for request in batch.requests}) == 3
