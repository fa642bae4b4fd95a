"""The Python client against a running stack, and its examples with the wheels installed."""

from __future__ import annotations

import subprocess
import sys
import uuid
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import pytest
from ordermesh_client import (
    AsyncClient,
    Client,
    ErrorReason,
    FailedPrecondition,
    InvalidRequest,
    NewOrder,
    NotFound,
    Order,
    OrderItem,
    OrdermeshError,
    ReconcileResponse,
)
from seed import seeded_stack
from waiting import await_true

from stack.running_stack import RunningStack

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples" / "python").glob("*.py"))
BOOK = [OrderItem(product_id="p1", quantity=2, price=10)]
# Installed in the versions of this environment.
PINNED = ("grpcio", "protobuf", "googleapis-common-protos", "typing-extensions")


@pytest.fixture(scope="session")
def client(client_stack: RunningStack):
    with Client(client_stack.grpc) as client:
        yield client


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheels = folder / "wheels"
    build = [*pip, "wheel", "./gen", "./clients/python", "--no-deps", "--no-build-isolation", "-w", str(wheels)]
    subprocess.run(build, cwd=ROOT, check=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version(name)}\n" for name in PINNED))
    subprocess.run(
        [str(python), *pip[1:], "install", "-c", str(constraints), *map(str, wheels.glob("*.whl"))], check=True
    )
    return python


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_where_only_the_wheels_are_installed(
    installed: Path, client_stack: RunningStack, tmp_path: Path, example: Path
):
    run = subprocess.run(
        [str(installed), str(example), client_stack.grpc], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout


def test_all_orders_are_found_page_by_page(client: Client):
    customer = f"cust-{uuid.uuid4()}"
    results = client.create_orders(NewOrder(customer, BOOK) for _ in range(7))
    listed = [order.order_id for order in client.orders(customer_id=customer, page_size=3)]
    streamed = [order.order_id for order in client.stream_orders(customer_id=customer)]
    assert listed == streamed
    assert sorted(listed) == sorted(result.order.order_id for result in results if result.order)
    assert len(listed) == 7


def test_a_refused_order_does_not_fail_its_batch(client: Client):
    unknown = OrderItem(product_id="nothing", quantity=1, price=1)
    bad, good = client.create_orders([NewOrder("cust-1", [unknown]), NewOrder("cust-1", BOOK)])
    assert isinstance(bad.error, InvalidRequest)
    assert bad.error.reason == ErrorReason.UNKNOWN_PRODUCT
    assert bad.order is None
    assert good.order is not None


def test_an_error_carries_violations_reason_and_trace_id(client: Client):
    with pytest.raises(InvalidRequest) as raised:
        client.create_order("", [OrderItem(product_id="p1", quantity=0, price=1)])
    assert [violation.field for violation in raised.value.violations] == ["customer_id", "items[0].quantity"]
    assert raised.value.reason == ErrorReason.INVALID_FIELD
    assert len(raised.value.trace_id) == 32


def test_a_shipped_order_cannot_be_cancelled(client: Client):
    order = client.create_order("cust-1", BOOK)
    client.complete_payment(order.order_id)
    assert client.ship_order(order.order_id).status == Order.SHIPPED
    with pytest.raises(FailedPrecondition) as raised:
        client.cancel_order(order.order_id)
    assert raised.value.metadata == {"status": "SHIPPED", "wanted": "CANCELLED"}
    with pytest.raises(NotFound):
        client.get_order(str(uuid.uuid4()))


def test_a_restock_releases_the_backorder(client: Client):
    product = client.create_product(f"t-{uuid.uuid4()}", "Tracked", 5.0, stock=1)
    order = client.create_order("cust-1", [OrderItem(product_id=product.product_id, quantity=3, price=5)])
    assert order.status == Order.PENDING_RESTOCK
    assert client.restock_product(product.product_id, 10).released_orders == 1
    assert client.get_order(order.order_id).status == Order.CREATED
    assert client.get_product(product.product_id).stock == 8


def test_pages_of_products_and_metrics_have_no_duplicates(client: Client):
    products = [product.product_id for product in client.products(page_size=400)]
    assert len(products) == len(set(products)) >= 1000
    client.create_order("cust-1", BOOK)
    await_true(lambda: client.reconcile().verdict == ReconcileResponse.AGREES, "both ends agree")
    metrics = [(metric.metric_name, metric.dimension) for metric in client.metrics(page_size=5)]
    assert len(metrics) == len(set(metrics)) > 5


def test_the_pipeline_can_be_watched(client: Client):
    assert [update.revision for update in islice(client.watch_status(interval_ms=200), 2)] == [1, 2]
    assert {component.name for component in client.status().components} >= {"orders", "kafka"}


async def test_a_key_is_sent_with_every_call_and_one_without_is_refused_by_reason():
    with seeded_stack(auth="keys") as stack:
        with Client(stack.grpc, api_key=stack.credential) as known:
            order = known.create_order("cust-key", BOOK)
            assert [one.order_id for one in known.stream_orders(customer_id="cust-key")] == [order.order_id]
        async with AsyncClient(stack.grpc, api_key=stack.credential) as known:
            assert await known.get_order(order.order_id) == order
        for wrong in (None, f"om_{'A' * 43}"):
            with Client(stack.grpc, api_key=wrong) as stranger, pytest.raises(OrdermeshError) as raised:
                stranger.get_order(order.order_id)
            assert (raised.value.reason, raised.value.attempts) == (ErrorReason.UNAUTHENTICATED, 1)


def test_an_order_can_be_watched(client: Client):
    updates = client.watch_orders(customer_id="cust-watched")
    assert next(updates).HasField("heartbeat")
    order = client.create_order("cust-watched", BOOK)
    change = next(update.change for update in updates if update.HasField("change"))
    assert (change.order_id, change.sequence) == (order.order_id, 1)
    assert next(client.watch_metrics()).summary.orders_total >= 0
