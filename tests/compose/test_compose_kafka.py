"""A broker with the configuration of the compose file: its users, and what they may do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from compose_files import SERVICES, make_secrets, with_defaults
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from waiting import await_true

from runtime.kafka import topics
from stack.downloads.jar_sets import KAFKA_JARS
from stack.machine import ports
from stack.machine.ports import LOOPBACK
from stack.processes.logfile import LogFile
from stack.processes.process import Command, Process
from stack.processes.runners import READY_SECONDS
from stack.servers.kafka.broker import java_argv
from stack.servers.kafka.cluster_id import new_cluster_id

NO_PROPERTIES = ("KAFKA_OPTS", "KAFKA_HEAP_OPTS")


def configuration(folder: Path, port: int, controller_port: int) -> str:
    """Return the properties that the image makes of the environment, with ports and folders of this machine."""
    given = SERVICES["kafka"]["environment"].items()
    found = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in given
        if name.startswith("KAFKA_") and name not in NO_PROPERTIES
    }
    inner = f"INNER://{LOOPBACK}:{port}"
    found |= {
        "listeners": f"{inner},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": inner,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "log.dirs": str(folder / "data"),
    }
    return "".join(f"{name}={value}\n" for name, value in found.items())


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_secrets(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="module")
def bootstrap(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, (port, controller_port) = tmp_path_factory.mktemp("kafka"), ports.allocate(2)
    file = folder / "server.properties"
    file.write_text(configuration(folder, port, controller_port))
    # Without the agent, which the profile `observe` adds.
    options = with_defaults(SERVICES["kafka"]["environment"]["KAFKA_OPTS"]).replace("/secrets/", f"{secrets}/kafka/")
    java = [*java_argv(KAFKA_JARS.ensure(), folder), options]
    subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", str(file)],
        check=True,
        capture_output=True,
    )
    broker = Process(Command("Kafka", [*java, "kafka.Kafka", str(file)], cwd=folder), LogFile(folder / "log"))
    broker.start()
    address = f"{LOOPBACK}:{port}"
    client = AdminClient({"bootstrap.servers": address, **properties(secrets, "acls"), "log_level": 0})

    def answers() -> bool:
        try:
            return bool(client.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    try:
        await_true(answers, broker.recent_log, READY_SECONDS)
        yield address
    finally:
        broker.stop()


def properties(secrets: Path, volume: str) -> dict[str, str]:
    """Return the properties of the client of a container."""
    found: dict[str, str] = json.loads((secrets / f"kafka-{volume}/properties").read_text())
    return found


def run(bootstrap: str, secrets: Path, container: str) -> None:
    """Run what a container runs, with the secrets that it mounts."""
    service = SERVICES[container]
    (volume,) = (volume.split(":")[0] for volume in service["volumes"] if ":/kafka:" in volume)
    env = {
        "ORDERMESH_KAFKA_BOOTSTRAP": bootstrap,
        "ORDERMESH_KAFKA_PROPERTIES_FILE": str(secrets / volume.removeprefix("secrets-") / "properties"),
    }
    module, *words = service["command"]
    subprocess.run([sys.executable, "-m", module, *words], env=os.environ | env, check=True)


def test_the_containers_create_acls_and_topics_and_nobody_else_is_let_in(bootstrap: str, secrets: Path) -> None:
    run(bootstrap, secrets, "acls")
    run(bootstrap, secrets, "topics")
    for container in ("publisher", "processor", "gateway"):
        client = AdminClient({"bootstrap.servers": bootstrap, **properties(secrets, container), "log_level": 0})
        assert topics.STOCK in client.list_topics(timeout=READY_SECONDS).topics
        with pytest.raises(KafkaException, match="authorization failed"):
            client.delete_topics([topics.STOCK])[topics.STOCK].result(READY_SECONDS)
    wrong = {**properties(secrets, "gateway"), "sasl.password": "guessed"}
    for own in ({}, wrong):
        stranger = AdminClient({"bootstrap.servers": bootstrap, **own, "log_level": 0, "error_cb": lambda error: None})
        with pytest.raises(KafkaException):
            stranger.list_topics(timeout=2)
