"""The product's three brokers, with a door more: TLS, and who comes says who it is by SCRAM-SHA-512 or PLAIN."""

from __future__ import annotations

import dataclasses
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka.admin import ConfigResource

from runtime.kafka import clients
from runtime.kafka.settings import KafkaSettings
from stack.machine import ports
from stack.machine.ports import LOOPBACK
from stack.processes.logfile import LogFile
from stack.servers.credentials import load_or_create
from stack.servers.kafka.broker import Kafka
from stack.servers.kafka.brokers import brokers
from stack.servers.kafka.config import SETTINGS

NODES = (1, 2, 3)
USER, PASSWORD = "ordermesh", "a-word-for-tests"
MODULES = "org.apache.kafka.common.security"
READY_SECONDS = 60.0
DOOR: dict[str, str] = {
    "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,OUTER:SASL_SSL,CONTROLLER:SASL_SSL",
    "listener.name.outer.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
    "super.users": f"{SETTINGS['super.users']};User:{USER}",
    "listener.name.outer.scram-sha-512.sasl.jaas.config": f"{MODULES}.scram.ScramLoginModule required;",
    "listener.name.outer.plain.sasl.jaas.config": (
        f'{MODULES}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    ),
    "ssl.keystore.type": "PEM",
}


class ThreeBrokers:
    """Runs the brokers, each of them a controller too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._certify()
        free = ports.allocate(3 * len(NODES))
        self._doors = dict(zip(NODES, free[::3], strict=True))
        inner = {node: (free[3 * at + 1], free[3 * at + 2]) for at, node in enumerate(NODES)}
        plain = brokers(
            folder, inner, lambda name: LogFile(folder / f"{name}.log"), load_or_create(folder / "credentials.json")
        )
        self.brokers = {node: self._with_door(broker) for node, broker in zip(NODES, plain.values(), strict=True)}

    def start(self) -> None:
        """Format and start all three; blocks until each is registered."""
        with ThreadPoolExecutor(len(NODES)) as pool:
            list(pool.map(Kafka.start, self.brokers.values()))
            # At once, as a stack does: which of them sets the password of their user shows only then.
            list(pool.map(lambda broker: broker.wait_ready(READY_SECONDS), self.brokers.values()))

    def stop(self) -> None:
        """Stop all three at once: a single one would wait for the others."""
        with ThreadPoolExecutor(len(NODES)) as pool:
            list(pool.map(Kafka.stop, self.brokers.values()))

    def kill(self, node: int) -> None:
        """Kill one."""
        process = self.brokers[node].process
        assert process is not None
        process.kill()

    @property
    def bootstrap(self) -> str:
        """The addresses for clients."""
        return ",".join(f"{LOOPBACK}:{port}" for port in self._doors.values())

    def client(self, mechanism: str) -> dict[str, str]:
        """Return what a client needs to know."""
        return {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self._folder / "certificate.pem"),
            "sasl.mechanism": mechanism,
            "sasl.username": USER,
            "sasl.password": PASSWORD,
        }

    def _certify(self) -> None:
        key, certificate = self._folder / "key.pem", self._folder / "certificate.pem"
        words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        words += ["-subj", "/CN=kafka", "-addext", f"subjectAltName=IP:{LOOPBACK}"]
        subprocess.run(
            ["openssl", "req", *words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
        )

    def _with_door(self, broker: Kafka) -> Kafka:
        membership = broker.membership
        inner, outer = f"CLIENTS://{broker.bootstrap}", f"OUTER://{LOOPBACK}:{self._doors[membership.node_id]}"
        own = {
            "listeners": f"{inner},{outer},CONTROLLER://{LOOPBACK}:{broker.controller_port}",
            "advertised.listeners": f"{inner},{outer}",
            "ssl.keystore.key": (self._folder / "key.pem").read_text(),
            "ssl.keystore.certificate.chain": (self._folder / "certificate.pem").read_text(),
        }
        words = ("-S", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
        more = dataclasses.replace(
            membership, properties={**membership.properties, **DOOR, **own}, format_arguments=words
        )
        return Kafka(
            broker.folder, broker.port, broker.controller_port, broker.log, broker.credentials, membership=more
        )


def assert_copies(settings: KafkaSettings) -> None:
    """Check that the topics are on every broker and are written to two at least."""
    client = clients.admin(settings, "test")
    topics = client.list_topics(timeout=10).topics
    assert {len(part.replicas) for part in topics["order-events"].partitions.values()} == {3}
    resource = ConfigResource("topic", "order-events")
    assert client.describe_configs([resource])[resource].result(10)["min.insync.replicas"].value == "2"
