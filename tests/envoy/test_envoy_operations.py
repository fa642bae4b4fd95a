from __future__ import annotations

import json
import socket
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from envoy_backend import ANALYTICS, ORDERS, Backend, Breaking
from envoy_front import Front, await_true, reason_of
from frontdoor.values import LOOPBACK
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

Start = Callable[..., Front]


def own_address() -> str:
    """Return an address of this machine that is not loopback; skip where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # A datagram socket sends nothing when it connects.
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


def test_only_loopback_reaches_the_front_proxy_and_the_statistics(front: Front) -> None:
    for port in (front.port, front.stats_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((own_address(), port), timeout=5)


def test_the_statistics_listener_shows_nothing_else(front: Front) -> None:
    answer = front.curl("/stats/prometheus", port=front.stats_port)
    assert answer.status == 200
    assert b"envoy_cluster_upstream_rq_total" in answer.body
    for path in (
        "/",
        "/stats",
        "/config_dump",
        "/quitquitquit",
        "/stats/prometheus/../../config_dump",
        "//config_dump",
    ):
        assert front.curl(path, "--path-as-is", "-X", "POST", port=front.stats_port).status == 404


def test_the_statistics_listener_serves_the_names_of_this_machine_only(front: Front) -> None:
    for host, status in (("evil.example", 421), ("evil.example:9902", 421), ("10.0.0.1", 421), ("localhost:1", 200)):
        answer = front.curl("/stats/prometheus", "-H", f"host: {host}", port=front.stats_port)
        assert (answer.status, b"envoy_" in answer.body) == (status, status == 200), host


def test_a_service_that_is_down_is_unavailable_in_json_and_in_grpc(start_front: Start, tmp_path: Path) -> None:
    front = start_front(
        change=lambda text: text.replace("orders-0.sock", "none-0.sock").replace("orders-1.sock", "none-1.sock")
    )
    answer = front.post("/orders", "{}")
    assert (answer.status, answer.json["code"]) == (503, 14)
    assert answer.json["details"][0]["reason"] == "SERVICE_UNAVAILABLE"
    assert answer.json["message"].startswith("service unavailable, retry: ")
    with grpc.insecure_channel(front.target) as channel, pytest.raises(grpc.RpcError) as caught:
        orders_pb2_grpc.OrderServiceStub(channel).CreateOrder(orders_pb2.CreateOrderRequest())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(caught.value) == "SERVICE_UNAVAILABLE"
    assert front.curl("/healthz").status == 503


@pytest.mark.parametrize("active", [0, 1])
def test_a_write_goes_to_another_process_when_its_own_has_just_died(active: int) -> None:
    with tempfile.TemporaryDirectory(prefix="om-envoy-") as name:
        backend = Backend(Path(name))
        # So seldom that no health check sees the death.
        front = Front(Path(name), active=active, change=lambda text: text.replace("interval: 0.25s", "interval: 60s"))
        try:
            await_true(lambda: front.statistic("cluster.orders.membership_healthy") == 2, lambda: "two processes")
            backend.servers[0].stop(0).wait()
            ids = [f"died-{number}" for number in range(20)]
            assert {front.post("/orders", "{}", "-H", f"x-request-id: {each}").status for each in ids} == {200}
            assert max(front.access_line(each)["envoy.upstream_attempts"] for each in ids) > 1
        finally:
            front.stop()
            backend.stop()


def test_a_process_that_stands_by_gets_nothing_while_the_active_one_is_well(start_front: Start) -> None:
    front = start_front(active=1)
    await_true(lambda: front.statistic("cluster.orders.membership_healthy") == 2, lambda: "two healthy processes")
    for number in range(10):
        front.post("/orders", "{}", "-H", f"x-request-id: first-{number}")
        assert front.access_line(f"first-{number}")["envoy.upstream_host"].endswith("orders-0.sock")


@pytest.mark.parametrize("active", [0, 1])
def test_a_process_that_drains_gets_nothing_new(start_front: Start, backend: Backend, active: int) -> None:
    front = start_front(active=active)
    healthy = "cluster.orders.membership_healthy"
    await_true(lambda: front.statistic(healthy) == 2, lambda: "two healthy processes")
    backend.say_healthy(0, ORDERS, serving=False)
    try:
        await_true(lambda: front.statistic(healthy) == 1, lambda: "one healthy process")
        for number in range(10):
            front.post("/orders", "{}", "-H", f"x-request-id: drained-{number}")
            assert front.access_line(f"drained-{number}")["envoy.upstream_host"].endswith("orders-1.sock")
    finally:
        backend.say_healthy(0, ORDERS, serving=True)
    await_true(lambda: front.statistic(healthy) == 2, lambda: "two healthy processes again")


def test_healthz_says_whether_every_service_is_there(start_front: Start, backend: Backend) -> None:
    front = start_front()
    await_true(lambda: front.curl("/healthz").status == 200, lambda: "healthy")
    backend.say_healthy(2, ANALYTICS, serving=False)
    try:
        await_true(lambda: front.curl("/healthz").status == 503, lambda: "unhealthy")
        # The service itself says what is wrong.
        assert front.curl("/v1/analytics/sales-summary").status == 200
    finally:
        backend.say_healthy(2, ANALYTICS, serving=True)


def test_a_write_that_may_have_arrived_is_not_sent_again_but_a_read_is(start_front: Start, folder: Path) -> None:
    broken = Breaking(folder / "broken.sock")

    def change(text: str) -> str:
        return text.replace("orders-0.sock", "broken.sock").replace("analytics.sock", "broken.sock")

    front = start_front(processes=1, change=change)
    assert front.post("/orders", "{}", "-H", "x-request-id: write-1").status == 503
    assert front.curl("/v1/analytics/sales-summary", "-H", "x-request-id: read-1").status == 503
    assert front.access_line("write-1")["envoy.upstream_attempts"] == 1
    assert front.access_line("read-1")["envoy.upstream_attempts"] == 3
    broken.shutdown()
    broken.server_close()


def test_when_clients_hold_all_connections_the_statistics_still_answer(start_front: Start) -> None:
    most = "max_active_downstream_connections: "
    front = start_front(change=lambda text: text.replace(f"{most}16384", f"{most}2"))
    held = [socket.create_connection((LOOPBACK, front.port), timeout=10) for _ in range(2)]
    await_true(lambda: front.statistic("http.front.downstream_cx_active") == 2, lambda: "two connections")
    with socket.create_connection((LOOPBACK, front.port), timeout=10) as refused:
        assert ends(refused)
    assert front.curl("/stats/prometheus", port=front.stats_port).status == 200
    for connection in held:
        connection.close()


def ends(connection: socket.socket) -> bool:
    """Say whether the other side closed the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_watched_status_outlives_other_deadlines_and_ends_when_the_watcher_leaves(
    start_front: Start, backend: Backend
) -> None:
    front = start_front(change=lambda text: text.replace("max_stream_duration: 15s", "max_stream_duration: 0.3s"))
    backend.pipeline.left.clear()
    with urllib.request.urlopen(f"http://{front.target}/v1/pipeline/status:watch?intervalMs=200", timeout=10) as reply:
        events = (line for line in reply if line.startswith(b"data: "))
        revisions = [json.loads(event[6:])["revision"] for event, _ in zip(events, range(12), strict=False)]
    assert revisions == [str(number) for number in range(1, 13)]
    assert backend.pipeline.left.wait(5)
