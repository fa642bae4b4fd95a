"""TLS between services on host:port: who has no certificate of their authority gets no answer, also on the inside."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import grpc
import pytest
from envoy_admin import from_admin
from frontdoor.check import envoy_binary
from frontdoor.policies import tls
from frontdoor.policies.tls import Tls
from frontdoor.render import render
from frontdoor.values import Address, EnvoyValues
from ordermesh.analytics.v1 import analytics_pb2_grpc
from waiting import await_true

from gateway.backends.grpc_backend import Backend
from gateway.web import pages
from runtime.grpc import server
from runtime.grpc.service_tls import ServiceTls
from stack.certificates.certificate_folder import CertificateFolder
from stack.machine import ports
from stack.machine.grpc_probe import target_serves
from stack.machine.http_probe import http_answers
from stack.machine.state_folder import temporary_home

CURLE_PEER_FAILED_VERIFICATION = 60
ANALYTICS = "ordermesh.analytics.v1.AnalyticsService"


@pytest.fixture
def folder(tmp_path: Path) -> CertificateFolder:
    made = CertificateFolder(tmp_path / "services")
    made.create("analytics", ["localhost"])
    made.create("other", ["other"])
    made.create("expired", ["localhost"], days=-1)
    return made


def tls_of(folder: CertificateFolder, name: str) -> ServiceTls:
    return ServiceTls(folder.certificate_file(name), folder.key_file(name), folder.authority_file)


@contextlib.contextmanager
def serving(settings: ServiceTls | None) -> Iterator[int]:
    """Serve health over gRPC as the analytics service does; give the port."""
    (port,) = ports.allocate(1)
    stop = threading.Event()

    def register(_: grpc.Server) -> None:
        """Add nothing: the server has a health service of its own."""

    arguments = (f"127.0.0.1:{port}", (ANALYTICS,), register, stop, 2, "off", settings)
    thread = threading.Thread(target=server.serve_sync, args=arguments)
    thread.start()
    try:
        await_true(lambda: not ports.is_free(port))
        yield port
    finally:
        stop.set()
        thread.join()


def serves(port: int, client: ServiceTls) -> bool:
    return target_serves(f"127.0.0.1:{port}", 5, client.channel_credentials(), "localhost")


def test_only_certificates_of_the_authority_are_answered(folder: CertificateFolder, tmp_path: Path) -> None:
    foreign = CertificateFolder(tmp_path / "foreign")
    foreign.create("analytics", ["localhost"])
    mixed = replace(tls_of(foreign, "analytics"), authority=folder.authority_file)
    with serving(tls_of(folder, "analytics")) as port:
        assert serves(port, tls_of(folder, "other"))
        assert not serves(port, mixed)
        assert not serves(port, tls_of(folder, "expired"))
        without = grpc.ssl_channel_credentials(folder.authority_file.read_bytes())
        assert not target_serves(f"127.0.0.1:{port}", 5, without, "localhost")
        assert not target_serves(f"127.0.0.1:{port}", 5)


def test_a_server_with_another_name_is_not_trusted(folder: CertificateFolder) -> None:
    with serving(tls_of(folder, "other")) as port:
        assert not serves(port, tls_of(folder, "analytics"))


def test_a_renewed_certificate_is_shown_to_the_next_connection(folder: CertificateFolder) -> None:
    client = ssl.create_default_context(cafile=str(folder.authority_file))
    client.load_cert_chain(folder.certificate_file("other"), folder.key_file("other"))

    def shown(port: int) -> bytes | None:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            client.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            return connection.getpeercert(binary_form=True)

    with serving(tls_of(folder, "analytics")) as port:
        first = shown(port)
        folder.renew("analytics")
        assert shown(port) != first


async def test_the_gateway_calls_its_backends_with_its_certificate(folder: CertificateFolder) -> None:
    with serving(tls_of(folder, "analytics")) as port:
        for own, expected in ((tls_of(folder, "other"), True), (None, False)):
            backend = Backend([f"dns:///localhost:{port}"], analytics_pb2_grpc.AnalyticsServiceStub, own)
            assert await backend.serves(ANALYTICS, 5) is expected
            await backend.close()


async def test_the_gateway_calls_with_a_renewed_certificate(folder: CertificateFolder) -> None:
    with serving(tls_of(folder, "analytics")) as port:
        backend = Backend(
            [f"dns:///localhost:{port}"], analytics_pb2_grpc.AnalyticsServiceStub, tls_of(folder, "expired")
        )
        assert not await backend.serves(ANALYTICS, 5)
        folder.renew("expired")
        assert await backend.serves(ANALYTICS, 5)
        await backend.close()


async def test_the_pages_show_a_renewed_certificate(folder: CertificateFolder) -> None:
    async with served_pages(folder, "expired") as ask:
        before = await ask(*client_of(folder))
        folder.renew("expired")
        after = await ask(*client_of(folder))
    assert before == CURLE_PEER_FAILED_VERIFICATION
    assert after == 0


async def test_the_pages_need_a_certificate_too(folder: CertificateFolder) -> None:
    async with served_pages(folder, "analytics") as ask:
        codes = [await ask(*options) for options in (client_of(folder), ())]
    assert codes[0] == 0
    assert codes[1] != 0


def client_of(folder: CertificateFolder) -> tuple[str, ...]:
    return "--cert", str(folder.certificate_file("other")), "--key", str(folder.key_file("other"))


@contextlib.asynccontextmanager
async def served_pages(folder: CertificateFolder, name: str) -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """Serve the gateway's pages with a certificate; give what asks them with options of curl."""
    (port,) = ports.allocate(1)
    runner = await pages.serve(f"127.0.0.1:{port}", "", tls_of(folder, name))
    try:
        yield partial(curl, f"https://localhost:{port}/healthz", folder)
    finally:
        await runner.cleanup()


async def curl(url: str, folder: CertificateFolder, *options: str) -> int:
    command = ["curl", "-sS", "--cacert", str(folder.authority_file), *options, url]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return await process.wait()


@contextlib.contextmanager
def envoy_before(port: int, folder: CertificateFolder, name: str) -> Iterator[Path]:
    """Run an Envoy whose analytics service is on a port, and give its admin socket."""
    with contextlib.ExitStack() as closing:
        home = closing.enter_context(temporary_home())
        secrets = home / "tls"
        secrets.mkdir()
        pair = folder.certificate_file(name), folder.key_file(name)
        (secrets / f"{tls.CERTIFICATE}.json").write_text(tls.certificate_files(*pair))
        (secrets / f"{tls.TRUSTED}.json").write_text(tls.trusted_files(folder.authority_file))
        front, stats = ports.allocate(2)
        values = EnvoyValues.local(
            home, front_port=front, stats_port=stats, orders_sockets=[home / "none.sock"], access_log=home / "access"
        )
        values = replace(values, analytics=(Address("localhost", port),), services_tls=Tls(str(secrets), True))
        config = home / "envoy.yaml"
        config.write_text(render(values))
        flags = ["--concurrency", "1", "-l", "warning", "--disable-hot-restart"]
        command = [str(envoy_binary()), "-c", str(config), *flags]
        with (home / "log").open("w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            admin = home / "envoy-admin.sock"
            await_true(lambda: http_answers(admin, "/ready"), lambda: (home / "log").read_text()[-2000:])
            yield admin
        finally:
            process.terminate()
            process.wait(10)


def checks(admin: Path, what: str) -> int:
    text = from_admin(admin, f"/stats?filter=^cluster.analytics.health_check.{what}$")
    return int(text.rpartition(": ")[2] or 0)


@pytest.mark.parametrize(
    ("shown", "client"), [("analytics", "other"), ("other", "analytics"), ("analytics", "expired")]
)
def test_envoy_shows_its_certificate_and_checks_the_name_of_the_service(
    folder: CertificateFolder, shown: str, client: str
) -> None:
    good = (shown, client) == ("analytics", "other")
    with serving(tls_of(folder, shown)) as port, envoy_before(port, folder, client) as admin:
        await_true(lambda: checks(admin, "attempt") >= 2)
        await_true(lambda: checks(admin, "success" if good else "failure") >= 2)
        assert checks(admin, "failure" if good else "success") == 0
