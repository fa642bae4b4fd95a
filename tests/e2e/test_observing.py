"""One order followed through every log, and the metrics of every service."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from front_proxy import ITEM, JSON, Platform, await_true, curl
from kafka_broker import config

from runtime.telemetry.log_fields import ALL_FIELDS, COMMON_FIELDS, SERVICE_FIELDS, Kind
from stack.servers.credentials import KAFKA_BROKER

SERVICES = ("orders", "publisher", "processor", "analytics", "gateway")
# PostgreSQL's, and the output of commands.
TEXT_LOGS = {"postgres", "up", "backup", "wal-archive"}
CALLS = "ordermesh_rpc_server_call_duration_seconds"
# What moves in each service when an order goes through, as docs and dashboards name it.
MOVES = {
    "orders": ["ordermesh_orders_accepted_total", "ordermesh_group_commit_orders_count", f"{CALLS}_count"],
    "publisher": ["ordermesh_events_published_total", "ordermesh_publish_delay_seconds_count"],
    "processor": [
        "ordermesh_events_counted_total",
        "ordermesh_counting_batch_events_count",
        "ordermesh_counting_batch_duration_seconds_count",
        "ordermesh_event_delay_seconds_count",
    ],
    "analytics": [f"{CALLS}_count"],
    "gateway": [f"{CALLS}_count"],
}
GAUGES = {
    "orders": "ordermesh_outbox_pending_events",
    "publisher": "ordermesh_events_rejected_total",
    "processor": "ordermesh_assigned_partitions",
    "gateway": "ordermesh_component_up",
}


def samples(platform: Platform, name: str) -> dict[str, float]:
    """Return the metrics of a service, each summed over its labels."""
    answer = curl(platform.stack.component(name).address)
    assert answer.status == 200
    found: dict[str, float] = {}
    for metric, value in re.findall(r"^([a-z_]+)(?:\{.*\})? (\S+)$", answer.body.decode(), re.MULTILINE):
        found[metric] = found.get(metric, 0) + float(value)
    return found


def header(platform: Platform, partition: int, offset: int) -> str:
    """Return the traceparent of an event in Kafka."""
    consumer = Consumer({**config(platform.stack.context.kafka_settings(KAFKA_BROKER)), "group.id": "e2e-traces"})
    consumer.assign([TopicPartition("order-events", partition, offset)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    headers: dict[str, Any] = dict(message.headers() or [])  # type: ignore[arg-type]
    assert headers["event-type"] == b"ORDER_CREATED"
    assert headers["content-type"] == b"application/x-protobuf; type=ordermesh.events.v1.OrderEvent"
    return str(headers["traceparent"].decode())


@pytest.fixture
def followed(platform: Platform) -> tuple[str, str, str]:
    """Return trace id, request id and order id of an order whose trace is sampled."""
    trace_id = secrets.token_hex(16)
    traceparent = f"00-{trace_id}-{secrets.token_hex(8)}-01"
    answer = platform.post(
        "/orders", {"customerId": "cust-trace", "items": [ITEM]}, "-H", f"traceparent: {traceparent}"
    )
    assert answer.headers["traceparent"].split("-")[1] == trace_id
    return trace_id, answer.headers["x-request-id"], answer.json["orderId"]


def test_one_trace_id_is_in_the_access_log_the_row_the_header_and_the_log_lines(
    platform: Platform, followed: tuple[str, str, str]
) -> None:
    trace_id, request_id, order_id = followed
    await_true(lambda: platform.access_lines(request_id), "Envoy logged the request")
    assert platform.access_lines(request_id)[0]["trace.id"] == trace_id

    assert platform.one("orders", "SELECT trace_id FROM orders WHERE order_id = %s", order_id) == (trace_id,)

    query = 'SELECT partition, "offset" FROM processed_events WHERE order_id = %s'
    await_true(lambda: platform.one("analytics", query, order_id), "the order was counted")
    assert header(platform, *platform.one("analytics", query, order_id)).split("-")[1] == trace_id

    for service, event in (
        ("orders", "order accepted"),
        ("publisher", "event published"),
        ("processor", "event counted"),
    ):

        def lines(service: str = service, event: str = event) -> list[dict[str, Any]]:
            return [one for one in platform.log_lines(service) if one.get("trace.id") == trace_id]

        await_true(lines, f"{service} wrote a line")
        assert (lines()[0]["message"], lines()[0]["ordermesh.order_id"]) == (event, order_id)


def test_an_order_that_is_not_sampled_writes_no_line(platform: Platform, followed: tuple[str, str, str]) -> None:
    # Of the traces that no client began, Envoy samples one in a hundred.
    unsampled = f"traceparent: 00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
    quiet = platform.post("/orders", {"customerId": "cust-quiet", "items": [ITEM]}, "-H", unsampled).json["orderId"]
    query = "SELECT 1 FROM processed_events WHERE order_id = %s"
    await_true(lambda: platform.one("analytics", query, quiet), "the order was counted")
    assert not [
        one
        for name in ("orders", "publisher", "processor")
        for one in platform.log_lines(name)
        if one.get("ordermesh.order_id") == quiet
    ]


def test_a_request_id_of_the_client_is_kept_and_one_is_made_where_there_is_none(platform: Platform) -> None:
    answer = platform.curl("/orders", "-H", "x-request-id: my-own-id")
    assert answer.headers["x-request-id"] == "my-own-id"
    first, second = (platform.curl("/orders").headers["x-request-id"] for _ in range(2))
    assert first != second


def of_kind(kind: Kind, value: Any) -> bool:
    """Return whether a value is of the kind that the schema says."""
    if isinstance(value, list):
        return all(of_kind(kind, each) for each in value)
    if kind == "date":
        return datetime.fromisoformat(value).utcoffset() == timedelta()
    wanted = {"long": int, "double": (int, float), "object": dict}.get(kind, str)
    return isinstance(value, wanted) and not isinstance(value, bool)


def test_every_line_of_every_log_is_of_the_schema_and_has_no_password(platform: Platform, followed: object) -> None:
    platform.curl("/orders")
    logs = platform.stack.stack.state.logs
    names = {path.stem for path in logs.glob("*.log") if path.stat().st_size} - TEXT_LOGS
    assert names >= {*SERVICES, "access", "kafka", "supervisor", "migrate-orders", "topics"}
    for name in names:
        text = (logs / f"{name}.log").read_text()
        assert [line for line in text.splitlines() if not line.startswith("{")] == [], name
        for line in platform.log_lines(name):
            assert set(COMMON_FIELDS) <= set(line) <= set(ALL_FIELDS), line
            wrong = {field: value for field, value in line.items() if not of_kind(ALL_FIELDS[field].kind, value)}
            assert not wrong, name
            assert name not in SERVICES or set(SERVICE_FIELDS) <= set(line)
    for path in logs.glob("*.log"):
        text = path.read_text()
        assert not any(password in text for password in platform.stack.context.credentials.passwords.values()), path


def test_the_metrics_of_every_service_move_with_an_order(platform: Platform) -> None:
    before = {name: samples(platform, name) for name in SERVICES}
    platform.order("cust-metrics")
    platform.curl("/v1/analytics/sales-summary")
    platform.curl("/v1/pipeline/status")
    for service, metrics in MOVES.items():
        for metric in metrics:
            await_true(
                lambda service=service, metric=metric: (
                    samples(platform, service).get(metric, 0) > before[service].get(metric, 0)
                ),
                f"{metric} of {service} moved",
            )
    for service, gauge in GAUGES.items():
        # A gauge of 0 from a process that cannot know is a wrong answer.
        assert [name for name in SERVICES if gauge in samples(platform, name)] == [service]
    await_true(lambda: samples(platform, "processor")["ordermesh_assigned_partitions"] == 24, "all partitions are held")


def test_a_refused_order_shows_in_the_calls_by_code(platform: Platform) -> None:
    platform.post("/orders", {})

    def shown() -> bool:
        text = curl(platform.stack.component("orders").address).body.decode()
        labels = r'rpc_method="[^"]*/CreateOrder",rpc_response_status_code="INVALID_ARGUMENT"'
        return bool(re.search(rf"{CALLS}_count\{{{labels}\}}", text))

    await_true(shown, "the refused call is in the metrics, which are written once a second")


def test_envoy_serves_its_statistics_for_prometheus(platform: Platform) -> None:
    address = f"{platform.stack.addresses['envoy_stats']}/stats/prometheus"

    def requests() -> int:
        text = curl(address).body.decode()
        return sum(int(n) for n in re.findall(r"^envoy_cluster_upstream_rq_total\{.*orders.*\} (\d+)$", text, re.M))

    before = requests()
    assert platform.curl("/orders", "-H", JSON).status == 200
    await_true(lambda: requests() > before, "Envoy counted the request")
