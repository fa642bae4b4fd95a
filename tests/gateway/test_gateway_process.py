"""The gateway as a process, in front of servers that tell a world of events."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import forked_programs
import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from ledger_servers import serving_a_world, short_folder
from ordermesh.gateway.v1 import pipeline_pb2 as pb
from ordermesh.gateway.v1 import pipeline_pb2_grpc
from signed_tokens import TOKEN_KEYS
from waiting import until_true

from gateway.web import contract_files
from runtime.exit_codes import ExitCode
from stack.downloads.jar_sets import SWAGGER_UI_JARS
from stack.machine import ports

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
START_SECONDS = 20.0


@dataclass
class Gateway:
    """A running gateway and ways to reach it."""

    process: subprocess.Popen
    channel: grpc.aio.Channel
    socket: Path
    http_socket: Path
    metrics_port: int
    log: Path

    @property
    def pipeline(self) -> pipeline_pb2_grpc.PipelineServiceStub:
        return pipeline_pb2_grpc.PipelineServiceStub(self.channel)

    @property
    def health(self) -> health_pb2_grpc.HealthStub:
        return health_pb2_grpc.HealthStub(self.channel)

    async def check(self, service: str) -> int:
        return (await self.health.Check(health_pb2.HealthCheckRequest(service=service))).status

    async def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        connector = aiohttp.UnixConnector(str(self.http_socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://gateway{path}") as reply,
        ):
            return reply.status, dict(reply.headers), await reply.read()


def settings(folder: Path, metrics_port: int, kafka_port: int) -> dict[str, str]:
    (jar,) = SWAGGER_UI_JARS.ensure().glob("*.jar")
    return {
        "ORDERMESH_GATEWAY_SWAGGER_UI_JAR": str(jar),
        "ORDERMESH_GATEWAY_LISTEN": f"unix:{folder}/gateway.sock",
        "ORDERMESH_GATEWAY_HTTP_LISTEN": f"unix:{folder}/gateway-http.sock",
        "ORDERMESH_ORDERS_TARGETS": f"unix:{folder}/nobody.sock, unix:{folder}/orders.sock",
        "ORDERMESH_ANALYTICS_TARGET": f"unix:{folder}/analytics.sock",
        "ORDERMESH_METRICS_ADDRESS": f"127.0.0.1:{metrics_port}",
        "ORDERMESH_KAFKA_BOOTSTRAP": f"127.0.0.1:{kafka_port}",
        "ORDERMESH_TOKEN_KEYS": TOKEN_KEYS,
    }


def start(folder: Path, metrics_port: int, kafka_port: int, *program: str) -> subprocess.Popen:
    with (folder / "gateway.log").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, *(program or ("-m", "gateway"))],
            env={**os.environ, **settings(folder, metrics_port, kafka_port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Gateway]:
    metrics_port, kafka_port = ports.allocate(2)
    process = start(folder, metrics_port, kafka_port)
    socket = folder / "gateway.sock"
    channel = grpc.aio.insecure_channel(f"unix:{socket}", options=[("grpc.max_reconnect_backoff_ms", 100)])
    await asyncio.wait_for(channel.channel_ready(), START_SECONDS)
    yield Gateway(process, channel, socket, folder / "gateway-http.sock", metrics_port, folder / "gateway.log")
    await channel.close()
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    """One gateway for the tests that change nothing."""
    with short_folder() as folder:
        async with serving_a_world(folder), running(folder) as started:
            yield started


@pytest.fixture
async def own_gateway(servers, run_folder: Path) -> AsyncIterator[Gateway]:
    """A gateway whose backends a test may stop."""
    async with running(run_folder) as started:
        yield started


async def until(check, wanted: int) -> None:
    """Ask again until the answer is the wanted one."""

    async def reached() -> bool:
        return await check() == wanted

    await until_true(reached, f"it became {wanted}")


async def test_health_is_reported_by_service_name_and_follows_the_backends(servers, own_gateway: Gateway) -> None:
    for service in ("", *contract_files.GATEWAY, *contract_files.ORDERS, *contract_files.ANALYTICS):
        await until(lambda service=service: own_gateway.check(service), SERVING)
    await servers.analytics.stop(None)
    await until(lambda: own_gateway.check(contract_files.ANALYTICS[0]), NOT_SERVING)
    assert await own_gateway.check(contract_files.ORDERS[0]) == SERVING
    assert await own_gateway.check("") == SERVING


async def test_health_knows_no_internal_service(gateway: Gateway) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.check("ordermesh.internal.v1.OrderLedgerService")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    watching = gateway.health.Watch(health_pb2.HealthCheckRequest(service="nothing"))
    assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watching.cancel()


async def test_the_answer_for_an_unknown_service_does_not_repeat_its_name(gateway: Gateway) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.check("a" * 60_000)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert "aaa" not in str(caught.value.details())
    assert "aaa" not in str(caught.value.trailing_metadata())


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_a_large_request_is_refused_before_it_is_answered(gateway: Gateway, version: str) -> None:
    call = gateway.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
    )
    asked = iter([reflection_pb2.ServerReflectionRequest(file_containing_symbol="a" * 70_000)])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        assert [answer async for answer in call(asked)] == []
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.check("a" * 70_000)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_reflection_request_that_cannot_be_decoded_is_refused_as_invalid(gateway: Gateway) -> None:
    call = gateway.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        assert [answer async for answer in call(iter([b"\x22\x01\xff"]))] == []
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_watching_health_reports_each_change(servers, own_gateway: Gateway) -> None:
    watching = own_gateway.health.Watch(health_pb2.HealthCheckRequest(service=contract_files.ANALYTICS[0]))
    assert (await watching.read()).status == SERVING
    await servers.analytics.stop(None)
    assert (await watching.read()).status == NOT_SERVING
    watching.cancel()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_shows_the_public_services_and_only_those(gateway: Gateway, version: str) -> None:
    call = gateway.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
    asked += [
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"ordermesh.{name}")
        for name in ("orders.v1.OrderService", "orders.v1.OrderService.CreateOrder", "internal.v1.OrderLedgerService")
    ]
    listed, service, method, internal = [answer async for answer in call(iter(asked))]
    names = {one.name for one in listed.list_services_response.service}
    assert {*contract_files.ORDERS, *contract_files.ANALYTICS, *contract_files.GATEWAY, contract_files.HEALTH} <= names
    assert not any("internal" in name for name in names)
    assert service.file_descriptor_response.file_descriptor_proto
    assert method.file_descriptor_response.file_descriptor_proto
    assert internal.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_the_status_is_served_while_kafka_is_down(gateway: Gateway) -> None:
    found: dict[str, pb.PipelineStatus.Component] = {}

    async def kafka_refused() -> bool:
        made = await gateway.pipeline.GetStatus(pb.GetStatusRequest())
        found.update({one.name: one for one in made.components})
        return "refused" in found["kafka"].message

    # On a busy machine the first samples end before the client has tried to connect.
    await until_true(kafka_refused, lambda: found["kafka"].message)
    assert found["kafka"].state == pb.PipelineStatus.Component.DOWN
    assert found["analytics"].state == pb.PipelineStatus.Component.UP
    assert found["orders"].message.startswith("1 of 2 processes: ")


async def test_watched_statuses_are_numbered(gateway: Gateway) -> None:
    watching = gateway.pipeline.WatchStatus(pb.WatchStatusRequest(interval_ms=200))
    assert [(await watching.read()).revision for _ in range(3)] == [1, 2, 3]
    watching.cancel()


async def test_streams_that_need_no_credentials_take_no_place_of_those_that_do(gateway: Gateway) -> None:
    request = health_pb2.HealthCheckRequest(service="nothing")
    addresses = [(("x-envoy-external-address", f"127.0.1.{number}"),) for number in range(100)]
    health = [gateway.health.Watch(request, metadata=address) for address in addresses]
    answers = await asyncio.gather(*(one.read() for one in health), return_exceptions=True)
    assert any(isinstance(answer, grpc.aio.AioRpcError) for answer in answers)
    watching = gateway.pipeline.WatchStatus(pb.WatchStatusRequest())
    assert (await watching.read()).revision == 1
    for one in (watching, *health):
        one.cancel()


async def test_a_reconciliation_without_kafka_reports_kafka_as_unavailable(gateway: Gateway) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.pipeline.Reconcile(pb.ReconcileRequest(wait_seconds=1))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, "kafka is unavailable")
    assert error_info(caught.value).reason == "COMPONENT_UNAVAILABLE"


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda stub: stub.Reconcile(pb.ReconcileRequest(wait_seconds=301)), "wait_seconds"),
        (lambda stub: stub.Reconcile(pb.ReconcileRequest(wait_seconds=-1)), "wait_seconds"),
        (lambda stub: stub.WatchStatus(pb.WatchStatusRequest(interval_ms=199)).read(), "interval_ms"),
    ],
)
async def test_a_number_out_of_range_is_refused_by_name(gateway: Gateway, call, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(gateway.pipeline)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert field in caught.value.details()
    assert error_info(caught.value).reason == "INVALID_FIELD"


def error_info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(details).details[0].Unpack(info)
    return info


async def test_its_sockets_are_accessible_to_its_user_only(gateway: Gateway) -> None:
    for socket in (gateway.socket, gateway.http_socket):
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600


async def test_a_drain_ends_streams_in_order_and_leaves_with_code_0(own_gateway: Gateway) -> None:
    watching = own_gateway.pipeline.WatchStatus(pb.WatchStatusRequest(interval_ms=60_000))
    assert (await watching.read()).revision == 1
    own_gateway.process.send_signal(signal.SIGTERM)
    assert await watching.read() is grpc.aio.EOF
    assert await watching.code() == grpc.StatusCode.OK
    assert await asyncio.to_thread(own_gateway.process.wait, 10) == 0
    assert "Traceback" not in own_gateway.log.read_text()


async def test_pages_allow_scripts_from_here_only(gateway: Gateway) -> None:
    for path in ("/", "/docs", "/openapi.json", "/descriptor.binpb", "/docs/swagger-ui-bundle.js", "/static/home.js"):
        code, headers, body = await gateway.get(path)
        assert (code, bool(body)) == (200, True), path
        assert "default-src 'none'; script-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_load_nothing_from_elsewhere(gateway: Gateway, path: str) -> None:
    _, headers, body = await gateway.get(path)
    assert headers["Content-Type"].startswith("text/html")
    assert b"//" not in body.replace(b"<!doctype", b"")


@pytest.mark.parametrize("path", ["/docs/../settings.py", "/docs/index.html", "/static/", "/static/home.html", "/x"])
async def test_only_named_files_are_served(gateway: Gateway, path: str) -> None:
    status, _, body = await gateway.get(path)
    assert (status, json.loads(body)["details"][0]["reason"]) == (404, "PATH_NOT_FOUND")


async def test_it_tells_over_http_that_its_event_loop_runs(gateway: Gateway) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("health", "health/live"):
            reply = await session.get(f"http://127.0.0.1:{gateway.metrics_port}/{path}")
            assert (reply.status, (await reply.json())["state"]) == (200, "up")


async def test_metrics_show_which_components_are_up(gateway: Gateway) -> None:
    await gateway.pipeline.GetStatus(pb.GetStatusRequest())
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{gateway.metrics_port}/metrics") as reply,
    ):
        lines = (await reply.text()).splitlines()
    assert 'ordermesh_component_up{component="analytics"} 1.0' in lines
    assert 'ordermesh_component_up{component="orders"} 0.0' in lines
    assert 'ordermesh_component_up{component="kafka"} 0.0' in lines


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ORDERMESH_ORDERS_TARGETS", " , ", "ORDERMESH_ORDERS_TARGETS"),
        ("ORDERMESH_GATEWAY_LISTEN", "nonsense", "ORDERMESH_GATEWAY_LISTEN"),
        ("ORDERMESH_GATEWAY_HTTP_LISTEN", "unix:/tmp/" + "x" * 120, "ORDERMESH_GATEWAY_HTTP_LISTEN"),
        ("ORDERMESH_METRICS_ADDRESS", "9105", "ORDERMESH_METRICS_ADDRESS"),
    ],
)
def test_a_setting_that_is_wrong_is_named_before_anything_starts(name: str, value: str, said: str) -> None:
    ended = forked_programs.run("gateway", env={**os.environ, name: value})
    assert ended.returncode == 78
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_second_gateway_on_the_same_socket_is_refused(gateway: Gateway) -> None:
    environment = {**os.environ, **settings(gateway.socket.parent, *ports.allocate(2))}
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "gateway"], env=environment, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 5
    assert "another process listens on" in ended.stdout
    assert await gateway.check("") == SERVING


async def test_a_sampler_that_ends_drains_the_gateway_and_gives_the_exit_code_its_name(run_folder: Path) -> None:
    program = """
import asyncio, gateway.__main__, gateway.pipeline.sampler
async def broken(self, stop):
    await asyncio.sleep(0.1)
    raise ValueError("broken")
gateway.pipeline.sampler.Sampler.run = broken
gateway.__main__.main()
"""
    process = start(run_folder, *ports.allocate(2), "-c", program)
    assert await asyncio.to_thread(process.wait, START_SECONDS) == ExitCode.BACKGROUND_ENDED
    lines = [json.loads(line) for line in (run_folder / "gateway.log").read_text().splitlines()]
    events = [line["message"] for line in lines]
    (told,) = [line for line in lines if "background task ended" in line["message"]]
    assert told["ordermesh.task"] == "sampler"
    assert events.index(told["message"]) < events.index("draining") < events.index("stopped")


async def test_a_third_reconciliation_at_a_time_is_refused_and_the_status_is_answered(own_gateway: Gateway) -> None:
    # There is no Kafka, for which a reconciliation waits as long as it is told to.
    request = pb.ReconcileRequest(wait_seconds=60)
    asked = [asyncio.ensure_future(own_gateway.pipeline.Reconcile(request)) for _ in range(3)]
    done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    [refused] = done
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await refused
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await own_gateway.pipeline.GetStatus(pb.GetStatusRequest())).components
    assert not any(one.done() for one in waiting)
    for one in waiting:
        one.cancel()
