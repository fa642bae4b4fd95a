import dataclasses
import fcntl
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from created_topics import make_topic
from kafka_broker import config
from waiting import await_true

from runtime.kafka import clients
from stack.downloads.jar_sets import KAFKA_JARS
from stack.errors import PortTaken, ServerFailed, SettingInvalid
from stack.machine import ports
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes import proc
from stack.processes.runners import READY_SECONDS, running
from stack.servers.credentials import KAFKA_BROKER, NAMES, Credentials
from stack.servers.kafka.broker import AOT_CACHE_FILE, Kafka, java_argv, known_cause
from stack.supervision.health_checks import kafka_answers


@pytest.fixture(scope="module")
def broker(state: StateFolder) -> Iterator[Kafka]:
    with running(Kafka.alone(state)) as made:
        yield made


def read_one(broker: Kafka, group: str) -> bytes | None:
    consumer = Consumer({**config(broker.client_settings()), "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe(["kept"])
    message = consumer.poll(20)
    consumer.close()
    return None if message is None else message.value()


@pytest.mark.more
def test_acknowledged_messages_survive_sigkill_and_other_ports(broker: Kafka) -> None:
    client = clients.probe(broker.client_settings())
    make_topic(client, "kept", 2)
    producer = Producer({**config(broker.client_settings()), "acks": "all", "log_level": 0})
    producer.produce("kept", b"answer")
    assert producer.flush(10) == 0
    assert broker.pid is not None
    assert broker.process is not None
    os.kill(broker.pid, signal.SIGKILL)
    assert broker.process.wait(10)
    broker.port, broker.controller_port = ports.allocate(2)
    broker.start()
    broker.wait_ready(READY_SECONDS)
    assert read_one(broker, "after") == b"answer"


@pytest.mark.more
def test_a_stop_is_clean(broker: Kafka) -> None:
    broker.stop()
    assert broker.process is not None
    assert broker.process.ended_cleanly()


@pytest.mark.more
def test_a_taken_port_is_reported_before_the_broker_starts(broker: Kafka) -> None:
    broker.stop()
    with socket.create_server(("127.0.0.1", broker.controller_port)), pytest.raises(PortTaken, match="controller"):
        broker.start()


@pytest.mark.more
def test_an_edited_cluster_id_is_rejected(broker: Kafka) -> None:
    broker.stop()
    path = broker.folder / "cluster.id"
    kept = path.read_text()
    path.write_text("AAAAAAAAAAAAAAAAAAAAAA\n")
    with pytest.raises(SettingInvalid, match=f"belongs to the cluster {kept.strip()}"):
        broker.start()
    path.write_text(kept)


@pytest.mark.more
def test_a_folder_of_another_node_is_explained(broker: Kafka) -> None:
    broker.stop()
    meta = broker.data / "meta.properties"
    kept = meta.read_text()
    meta.write_text(kept.replace("node.id=1", "node.id=2"))
    broker.start()
    with pytest.raises(ServerFailed, match="another node id"):
        broker.wait_ready(READY_SECONDS)
    meta.write_text(kept)


@pytest.mark.more
def test_a_folder_that_another_broker_uses_is_explained(broker: Kafka) -> None:
    broker.stop()
    # Held as Kafka holds it. A second broker would write to the metadata log of the first before it looks for the lock.
    owner = broker.data.stat()
    with (broker.data / ".lock").open("w") as lock:
        os.fchown(lock.fileno(), owner.st_uid, owner.st_gid)
        fcntl.lockf(lock, fcntl.LOCK_EX)
        broker.start()
        with pytest.raises(ServerFailed, match="another broker uses Kafka's folder"):
            broker.wait_ready(READY_SECONDS)


def test_a_damaged_aot_cache_is_ignored(tmp_path: Path) -> None:
    folder = tmp_path / "jars"
    folder.mkdir()
    for jar in KAFKA_JARS.ensure().glob("*.jar"):
        (folder / jar.name).symlink_to(jar)
    (folder / AOT_CACHE_FILE).write_bytes(b"no cache at all")
    done = subprocess.run(
        [*java_argv(folder, tmp_path), "kafka.tools.StorageTool", "random-uuid"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert len(done.stdout.strip()) == 22, done.stdout


def test_a_full_disk_is_reported_as_the_cause() -> None:
    assert known_cause("ERROR java.io.IOException: No space left on device") == "the disk is full"
    assert known_cause("all is well") is None


def listed(broker: Kafka) -> set[str]:
    """Return the topics, as a user with the passwords that the broker has now."""
    return set(clients.probe(broker.client_settings()).list_topics(timeout=READY_SECONDS).topics)


@pytest.mark.more
def test_other_passwords_replace_those_of_a_folder() -> None:
    with temporary_home() as home:
        broker = Kafka.alone(StateFolder(home))
        with running(broker):
            make_topic(clients.probe(broker.client_settings()), "stays")
        lost, broker.credentials = broker.credentials, Credentials({name: f"new-{name}" for name in NAMES})
        with running(broker):
            assert "stays" in listed(broker)
            refused = {**config(broker.client_settings()), **lost.kafka(KAFKA_BROKER), "log_level": 0}
            told: list[KafkaError] = []
            client = AdminClient({**refused, "error_cb": told.append})
            with pytest.raises(KafkaException):
                client.list_topics(timeout=2)
            client.poll(1)
            assert KafkaError._AUTHENTICATION in [error.code() for error in told]


@pytest.mark.more
def test_the_folder_of_a_version_without_users_is_taken_over() -> None:
    with temporary_home() as home:
        state = StateFolder(home)
        new = Kafka.alone(state)
        open_to_all = {
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "authorizer.class.name": "",
        }
        at = new.port, new.controller_port
        membership = dataclasses.replace(new.membership, properties=open_to_all)
        old = Kafka(new.folder, *at, new.log, new.credentials, membership=membership)
        old.start()
        anybody = AdminClient({"bootstrap.servers": old.bootstrap, "log_level": 0})
        await_true(lambda: kafka_answers(old.port), "the broker of the earlier version answers")
        make_topic(anybody, "stays")
        old.stop()
        with running(new):
            assert "stays" in listed(new)


def test_a_password_is_sent_to_a_port_of_the_broker_only() -> None:
    (port,) = ports.allocate(1)
    assert not proc.listens(os.getpid(), port)
    with socket.create_server((ports.LOOPBACK, port)):
        assert proc.listens(os.getpid(), port)
        assert not proc.listens(os.getppid(), port)
