"""TLS at the front port: versions, ciphers, client certificates, and certificates that change under load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc
from seed import seeded_stack

from stack.certificates.certificate_folder import CertificateFolder
from stack.machine.ports import LOOPBACK
from stack.running_stack import RunningStack
from stack.supervision.status import State

ORDER = {"customerId": "cust-tls", "items": [{"productId": "p1", "quantity": 1, "price": 1}]}
WEAK = ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "DES-CBC3-SHA", "NULL-SHA"]


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with seeded_stack(tls="on", front_hosts="shop.example") as running:
        yield running


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> CertificateFolder:
    """An authority of clients, as an organisation has one."""
    folder = CertificateFolder(tmp_path_factory.mktemp("clients"))
    folder.create("shop", [])
    folder.create("expired", [], days=-1)
    return folder


@pytest.fixture(scope="module")
def closed(clients: CertificateFolder) -> Iterator[RunningStack]:
    with seeded_stack(tls="on", tls_client_ca=clients.authority_file) as running:
        yield running


def own(stack: RunningStack) -> CertificateFolder:
    return CertificateFolder(stack.context.state.certificates)


def curl(stack: RunningStack, path: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["curl", "-sS", "-i", "--max-time", "20", "--cacert", str(own(stack).authority_file), *options]
    return subprocess.run([*command, stack.rest + path], capture_output=True, text=True, check=False)


def post(stack: RunningStack, *options: str) -> subprocess.CompletedProcess[str]:
    return curl(stack, "/orders", "-H", "content-type: application/json", "-d", json.dumps(ORDER), *options)


def credentials(
    stack: RunningStack, client: CertificateFolder | None = None, name: str = ""
) -> grpc.ChannelCredentials:
    pair = None if client is None else client.pair(name)
    root = own(stack).authority_file.read_bytes()
    return grpc.ssl_channel_credentials(root, pair and pair.key, pair and pair.certificate)


def pair_of(folder: CertificateFolder, name: str) -> list[str]:
    """Return curl's options for a certificate of a client."""
    return ["--cert", str(folder.certificate_file(name)), "--key", str(folder.key_file(name))]


def handshake(stack: RunningStack, context: ssl.SSLContext) -> ssl.SSLSocket:
    address = (LOOPBACK, stack.context.settings.front_port)
    with socket.create_connection(address, timeout=10) as plain:
        return context.wrap_socket(plain, server_hostname="localhost")


def trusting(stack: RunningStack) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(own(stack).authority_file))
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_are_spoken_and_http2_is_preferred(stack: RunningStack, version: ssl.TLSVersion) -> None:
    context = trusting(stack)
    context.minimum_version = context.maximum_version = version
    with handshake(stack, context) as connection:
        assert connection.version() == version.name.replace("_", ".")
        assert connection.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(stack: RunningStack, version: str) -> None:
    done = s_client(stack, version, "-cipher", "ALL:@SECLEVEL=0")
    assert done.returncode != 0
    assert "alert protocol version" in done.stderr


@pytest.mark.parametrize("cipher", WEAK)
def test_weak_ciphers_are_refused(stack: RunningStack, cipher: str) -> None:
    done = s_client(stack, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert done.returncode != 0, done.stdout


def s_client(stack: RunningStack, *options: str) -> subprocess.CompletedProcess[str]:
    address = f"{LOOPBACK}:{stack.context.settings.front_port}"
    command = ["openssl", "s_client", "-connect", address, *options]
    return subprocess.run(command, input="", capture_output=True, text=True, check=False, timeout=30)


def test_rest_and_grpc_are_served_and_verified(stack: RunningStack) -> None:
    assert stack.rest.startswith("https://")
    assert '"status":"CREATED"' in post(stack).stdout
    with grpc.secure_channel(stack.grpc, credentials(stack)) as channel:
        request = orders_pb2.CreateOrderRequest(
            customer_id="cust-tls", items=[{"product_id": "p1", "quantity": 1, "price": 1}]
        )
        assert orders_pb2_grpc.OrderServiceStub(channel).CreateOrder(request).order_id


def test_a_client_that_does_not_know_the_authority_refuses(stack: RunningStack) -> None:
    done = subprocess.run(["curl", "-sS", stack.rest], capture_output=True, text=True, check=False)
    assert done.returncode == 60, done


def test_plain_http_is_told_that_it_is_https(stack: RunningStack) -> None:
    url = stack.rest.replace("https:", "http:")
    done = subprocess.run(["curl", "-sS", "-i", f"{url}/orders"], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("HTTP/1.1 400")
    assert "this port speaks HTTPS only" in done.stdout
    with grpc.insecure_channel(stack.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        orders_pb2_grpc.OrderServiceStub(channel).ListOrders(orders_pb2.ListOrdersRequest(), timeout=10)
    assert "HTTPS only" in caught.value.details()


def test_browsers_are_told_to_stay_with_https_for_names_that_are_not_of_this_machine(stack: RunningStack) -> None:
    shop = curl(stack, "/orders", "-H", "host: shop.example").stdout.lower()
    assert "strict-transport-security: max-age=31536000" in shop
    assert "strict-transport-security" not in curl(stack, "/orders").stdout.lower()


@pytest.mark.parametrize("whose", ["nobody", "expired", "foreign"])
def test_without_a_valid_certificate_a_client_gets_nothing(
    closed: RunningStack, clients: CertificateFolder, tmp_path: Path, whose: str
) -> None:
    foreign = CertificateFolder(tmp_path)
    foreign.create("shop", [])
    folder, name = {"nobody": (None, ""), "expired": (clients, "expired"), "foreign": (foreign, "shop")}[whose]
    refused = post(closed, *([] if folder is None else pair_of(folder, name)))
    assert refused.returncode != 0
    assert "CREATED" not in refused.stdout
    with (
        grpc.secure_channel(closed.grpc, credentials(closed, folder, name)) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        orders_pb2_grpc.OrderServiceStub(channel).ListOrders(orders_pb2.ListOrdersRequest(), timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_with_a_certificate_of_the_authority_a_client_is_served(
    closed: RunningStack, clients: CertificateFolder
) -> None:
    assert '"status":"CREATED"' in post(closed, *pair_of(clients, "shop")).stdout
    with grpc.secure_channel(closed.grpc, credentials(closed, clients, "shop")) as channel:
        assert orders_pb2_grpc.OrderServiceStub(channel).ListOrders(orders_pb2.ListOrdersRequest()).orders


async def test_a_renewal_interrupts_no_stream_and_no_call(stack: RunningStack) -> None:
    before = served(stack)
    done = asyncio.Event()
    async with grpc.aio.secure_channel(stack.grpc, credentials(stack)) as channel:
        watching = asyncio.create_task(watch(channel, done))
        calling = [asyncio.create_task(call(channel, done)), asyncio.create_task(connect(stack, done))]
        for _ in range(3):
            own(stack).renew("front")
            await asyncio.to_thread(stack.wait_until, lambda before=before: served(stack) != before, 30, "it is served")
            before = served(stack)
        done.set()
        counts = await asyncio.gather(*calling)
        assert await watching > 0
    assert min(counts) > 0


def served(stack: RunningStack) -> bytes | None:
    """Return the certificate that the front port shows."""
    with handshake(stack, trusting(stack)) as connection:
        return connection.getpeercert(binary_form=True)


async def watch(channel: grpc.aio.Channel, done: asyncio.Event) -> int:
    """Watch until it is done, on one stream; return the number of messages."""
    count = 0
    stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
    async for _ in stub.WatchStatus(pipeline_pb2.WatchStatusRequest()):
        count += 1
        if done.is_set():
            return count
    raise AssertionError("the stream ended")


async def call(channel: grpc.aio.Channel, done: asyncio.Event) -> int:
    """Call on one connection until it is done; return the number of calls, none of which failed."""
    count = 0
    stub = orders_pb2_grpc.OrderServiceStub(channel)
    while not done.is_set():
        await stub.ListOrders(orders_pb2.ListOrdersRequest(page_size=1), timeout=10)
        count += 1
    return count


async def connect(stack: RunningStack, done: asyncio.Event) -> int:
    """Open connection after connection until it is done; each is answered."""
    count = 0
    context = trusting(stack)
    context.set_alpn_protocols(["http/1.1"])
    port = stack.context.settings.front_port
    while not done.is_set():
        reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=context, server_hostname="localhost")
        writer.write(b"GET /orders?pageSize=1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await writer.wait_closed()
        count += 1
    return count


def test_a_certificate_of_the_settings_is_served_and_a_broken_one_is_told(tmp_path: Path) -> None:
    given = CertificateFolder(tmp_path)
    given.create("shop", ["localhost", LOOPBACK])
    files = {"tls_certificate": given.certificate_file("shop"), "tls_key": given.key_file("shop")}
    with seeded_stack(**files) as running:
        first = ssl.get_server_certificate((LOOPBACK, running.context.settings.front_port))
        env = {**os.environ, "ORDERMESH_HOME": str(running.context.state.home)}
        command = [sys.executable, "-P", "-m", "cli", "verify"]
        assert subprocess.run(command, env=env, check=False).returncode != 0
        env["ORDERMESH_CA_FILE"] = str(given.authority_file)
        assert subprocess.run(command, env=env, check=False).returncode == 0
        given.key_file("shop").write_text("no key")
        running.wait_until(lambda: running.component("envoy").state == State.DEGRADED, 30, "it is told")
        assert "the certificate of the front proxy cannot be read" in running.component("envoy").detail
        assert ssl.get_server_certificate((LOOPBACK, running.context.settings.front_port)) == first
        given.renew("shop")
        running.wait_until(lambda: running.component("envoy").state == State.READY, 30, "it is over")
        assert ssl.get_server_certificate((LOOPBACK, running.context.settings.front_port)) != first


@pytest.mark.parametrize("protocol", ["rest", "grpc", "batch"])
def test_the_load_generator_and_the_commands_work_over_tls(stack: RunningStack, protocol: str) -> None:
    env = {**os.environ, "ORDERMESH_CA_FILE": str(own(stack).authority_file)}
    options = ["--rate", "100", "--duration", "2s", "--protocol", protocol]
    for command in (
        ["loadgen", "--target", stack.rest, *options],
        ["cli", "verify", "--target", stack.rest],
    ):
        done = subprocess.run([sys.executable, "-P", "-m", *command], capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_find_the_certificates_of_a_stack_that_requires_them(closed: RunningStack) -> None:
    env = {**os.environ, "ORDERMESH_HOME": str(closed.context.state.home)}
    for command in (["verify"], ["load", "--rate", "50", "--duration", "1s"], ["status"]):
        done = subprocess.run([sys.executable, "-P", "-m", "cli", *command], capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
