"""Three Kafka brokers on this machine; clients come by TLS and say who they are by SCRAM-SHA-512 or PLAIN."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from runtime import kafka
from runtime.settings import Settings
from stack import kafka_jars, ports
from stack.kafka import SETTINGS, java_argv, new_cluster_id
from stack.logfile import LogFile
from stack.process import Command, Process, inherited_env
from stack.runners import await_ready

NODES = (1, 2, 3)
USER, PASSWORD = "ordermesh", "a-word-for-tests"
MODULES = "org.apache.kafka.common.security"
READY_SECONDS = 60.0
OWN: dict[str, str] = {
    "listener.security.protocol.map": "INNER:PLAINTEXT,OUTER:SASL_SSL,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "INNER",
    "default.replication.factor": "3",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
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
        self._ports = ports.allocate(3 * len(NODES))
        self._certify()
        self.brokers = {node: self._broker(node) for node in NODES}

    def start(self) -> None:
        """Format and start all three; blocks until each is registered."""
        cluster_id, jars = new_cluster_id(), kafka_jars.ensure()
        credential = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        for node in NODES:
            words = ["format", "-t", cluster_id, "-S", credential, "-c", str(self._properties(node))]
            subprocess.run([*java_argv(jars), "kafka.tools.StorageTool", *words], check=True, capture_output=True)
        for broker in self.brokers.values():
            broker.start()
        client = kafka.admin(Settings(kafka_bootstrap=self.bootstrap, kafka_properties=self.client("PLAIN")), "test")
        first = self.brokers[NODES[0]]
        await_ready(first, lambda: len(client.list_topics(timeout=10).brokers) == len(NODES), READY_SECONDS)

    def stop(self) -> None:
        """End all three at once: one alone would wait for the others."""
        for broker in self.brokers.values():
            broker.kill()

    @property
    def bootstrap(self) -> str:
        """The addresses for clients."""
        return ",".join(f"{ports.LOOPBACK}:{self._port(node, 1)}" for node in NODES)

    def client(self, mechanism: str) -> dict[str, str]:
        """Return what a client needs to know."""
        return {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self._folder / "certificate.pem"),
            "sasl.mechanism": mechanism,
            "sasl.username": USER,
            "sasl.password": PASSWORD,
        }

    def _port(self, node: int, which: int) -> int:
        return self._ports[3 * (node - 1) + which]

    def _certify(self) -> None:
        key, certificate = self._folder / "key.pem", self._folder / "certificate.pem"
        words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        words += ["-subj", "/CN=kafka", "-addext", f"subjectAltName=IP:{ports.LOOPBACK}"]
        subprocess.run(
            ["openssl", "req", *words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
        )
        (self._folder / "store.pem").write_text(key.read_text() + certificate.read_text())

    def _broker(self, node: int) -> Process:
        home = self._folder / f"broker-{node}"
        home.mkdir()
        inner, outer, controller = (self._port(node, which) for which in range(3))
        own = {
            "node.id": str(node),
            "listeners": f"INNER://127.0.0.1:{inner},OUTER://127.0.0.1:{outer},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"INNER://127.0.0.1:{inner},OUTER://127.0.0.1:{outer}",
            "controller.quorum.voters": ",".join(f"{one}@127.0.0.1:{self._port(one, 2)}" for one in NODES),
            "log.dirs": str(home / "data"),
            "ssl.keystore.location": str(self._folder / "store.pem"),
        }
        lines = {**SETTINGS, **OWN, **own}
        self._properties(node).write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        argv = [*java_argv(kafka_jars.ensure()), "kafka.Kafka", str(self._properties(node))]
        clean = frozenset({0, 128 + signal.SIGTERM})
        return Process(
            Command(f"broker {node}", argv, inherited_env(), cwd=home, stop_seconds=10, clean_codes=clean),
            LogFile(self._folder / f"broker-{node}.log"),
        )

    def _properties(self, node: int) -> Path:
        return self._folder / f"broker-{node}" / "server.properties"
