"""A Kafka that is reached by TLS: SASL_SSL by settings, the right certificate only."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from certificates import certificate
from front_proxy import Platform, await_true
from seed import seeded_home, seeded_stack
from waiting import await_true as await_condition

from runtime.kafka import access
from stack.machine import ports
from stack.machine.ports import LOOPBACK
from stack.processes.runners import running
from stack.servers.credentials import KAFKA_BROKER
from stack.servers.kafka.broker import Kafka
from stack.servers.kafka.users import give_access

pytestmark = pytest.mark.timeout(240)
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
MAP = "CLIENTS:SASL_PLAINTEXT,OUTER:SASL_SSL,CONTROLLER:SASL_PLAINTEXT"
REFUSED = "broker certificate could not be verified, verify that ssl.ca.location is correctly"
PROGRAMS = {
    ("orders", "publish"): ("ORDERS_DSN", "orders_publisher", access.PUBLISHER),
    ("processor", "work"): ("ANALYTICS_DSN", "analytics_worker", access.PROCESSOR),
}


@dataclass(frozen=True)
class TlsKafka:
    """A broker with a listener for TLS, and the authorities of its certificate and of others."""

    broker: Kafka
    port: int
    folder: Path

    def client(self, user: str, authority: str = "authority") -> dict[str, str]:
        """Return the properties of a user's client that trusts an authority."""
        own = {"security.protocol": "SASL_SSL", "ssl.ca.location": str(self.folder / f"{authority}.pem")}
        return {**self.broker.credentials.kafka(user), **own}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsKafka]:
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("authority", "other"):
        certificate(folder, name)
    key, chain = certificate(folder, "broker", signer="authority")
    (port,) = ports.allocate(1)
    with seeded_home() as state:
        inner = Kafka.alone(state)
        clients = f"CLIENTS://{inner.bootstrap},OUTER://{LOOPBACK}:{port}"
        own = {
            "listener.security.protocol.map": MAP,
            "listeners": f"{clients},CONTROLLER://{LOOPBACK}:{inner.controller_port}",
            "advertised.listeners": clients,
            "listener.name.outer.sasl.enabled.mechanisms": access.MECHANISM,
            "listener.name.outer.scram-sha-512.sasl.jaas.config": SCRAM,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": key,
            "ssl.keystore.certificate.chain": chain,
        }
        membership = dataclasses.replace(inner.membership, properties=own)
        at = inner.port, inner.controller_port
        with running(Kafka(inner.folder, *at, inner.log, inner.credentials, membership=membership)) as broker:
            give_access(broker.client_settings(), broker.credentials, "ordermesh-metrics")
            yield TlsKafka(broker, port, folder)


@pytest.fixture(scope="module")
def platform(kafka: TlsKafka) -> Iterator[Platform]:
    properties = kafka.client(KAFKA_BROKER)
    with seeded_stack(kafka_bootstrap=f"{LOOPBACK}:{kafka.port}", kafka_properties=properties) as stack:
        yield Platform(stack)


def test_an_order_is_published_and_counted_by_tls(platform: Platform) -> None:
    order = platform.order("cust-tls")["orderId"]
    query = "SELECT 1 FROM processed_events WHERE order_id = %s"
    await_true(lambda: platform.one("analytics", query, order), "the order was counted")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(("host", "authority"), [(LOOPBACK, "other"), ("localhost", "authority")])
def test_another_authority_or_host_name_is_refused_with_the_reason(
    platform: Platform, kafka: TlsKafka, program: tuple[str, str], host: str, authority: str
) -> None:
    setting, role, user = PROGRAMS[program]
    variables = {
        f"ORDERMESH_{setting}": platform.stack.context.dsn(role),
        "ORDERMESH_KAFKA_BOOTSTRAP": f"{host}:{kafka.port}",
        "ORDERMESH_KAFKA_PROPERTIES": json.dumps(kafka.client(user, authority)),
        "ORDERMESH_METRICS_ADDRESS": f"{LOOPBACK}:{ports.allocate(1)[0]}",
    }
    command = [sys.executable, "-m", *program]
    process = subprocess.Popen(
        command, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    reader.start()
    # A publisher connects once it has an event, which the stack's own would publish.
    pid = platform.stack.pid("publisher")
    os.kill(pid, signal.SIGSTOP)
    try:
        platform.order("cust-refused")
        await_condition(lambda: any(REFUSED in line for line in lines), lambda: "".join(lines))
    finally:
        os.kill(pid, signal.SIGCONT)
        process.terminate()
        process.wait(30)
        reader.join(30)
        if process.stdout is not None:
            process.stdout.close()
    assert kafka.broker.credentials.password(user) not in "".join(lines)
