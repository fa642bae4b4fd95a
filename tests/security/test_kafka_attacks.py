"""Another account of this machine, or one of our programs that was taken over, against the local Kafka."""

from __future__ import annotations

import os
import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, OffsetSpec
from fake_kafka import Stranger, serving
from front_proxy import Platform, await_true
from kafka_broker import config
from raw_producer import Record, attempt, connected

from runtime.kafka import access, topics
from runtime.kafka.settings import KafkaSettings
from stack.processes.server_account import KAFKA, own_account
from stack.servers.credentials import KAFKA_BROKER

DENIED = KafkaError.TOPIC_AUTHORIZATION_FAILED
PROVIDERS = "org.apache.kafka.common.config.provider"
SECRET = "4711-nobody-knows-this"
TIMEOUT_SECONDS = 20
ANNOUNCED_BYTES = 99_000_000
IDLE_CONNECTIONS = 1000
USERS = (*access.USERS, KAFKA_BROKER)


def as_user(platform: Platform, user: str) -> KafkaSettings:
    return platform.stack.context.kafka_settings(user)


@pytest.fixture
def anonymous(platform: Platform) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap=platform.stack.addresses["kafka"], kafka_properties={})


def resolved(settings: KafkaSettings, provider: str, place: str) -> str:
    """Have the broker resolve a value with a provider as a number, and return what it says to it."""
    quiet = {**config(settings), "log_level": 0, "error_cb": lambda error: None}
    client = AdminClient(quiet)
    wanted = {
        "config.providers": "p",
        "config.providers.p.class": f"{PROVIDERS}.{provider}",
        "log.cleaner.threads": "${p:" + place + "}",
    }
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in wanted.items()]
    resource = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=entries)
    with pytest.raises(KafkaException) as told:
        client.incremental_alter_configs([resource], request_timeout=5)[resource].result(TIMEOUT_SECONDS)
    return str(told.value)


@pytest.fixture
def secret() -> Iterator[Path]:
    """A file that every account may read, so that only the confinement of the broker keeps it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "secret"
        path.write_text(SECRET)
        path.chmod(0o644)
        yield path


def test_nobody_without_a_user_is_answered(anonymous: KafkaSettings, platform: Platform, secret: Path) -> None:
    assert "_TIMED_OUT" in resolved(anonymous, "DirectoryConfigProvider", f"{secret.parent}:secret")
    controller = f"127.0.0.1:{platform.stack.context.settings.kafka_controller_port}"
    for bootstrap in (anonymous.kafka_bootstrap, controller):
        with pytest.raises(ConnectionError):
            attempt(KafkaSettings(kafka_bootstrap=bootstrap), topics.ORDER_EVENTS, 0, [Record(b"k", b"v")])


@pytest.mark.parametrize("user", USERS)
def test_the_broker_shows_no_file_to_a_user(platform: Platform, secret: Path, user: str) -> None:
    said = resolved(as_user(platform, user), "DirectoryConfigProvider", f"{secret.parent}:secret")
    # It is the file that cannot be read, and not the request that is refused.
    assert "Could not list directory" in said
    assert SECRET not in said
    credentials = platform.stack.context.state.credentials
    said = resolved(as_user(platform, user), "DirectoryConfigProvider", f"{credentials.parent}:{credentials.name}")
    assert platform.stack.context.credentials.password(KAFKA_BROKER) not in said


@pytest.mark.parametrize("user", [access.GATEWAY, KAFKA_BROKER])
@pytest.mark.parametrize("path", ["/dev/stdin", "/proc/self/fd/0", "{folder}/server.properties"])
def test_the_broker_shows_no_password_of_its_configuration(platform: Platform, user: str, path: str) -> None:
    file = path.format(folder=platform.stack.context.state.kafka)
    for name in ("clients.scram-sha-512", "controller.plain"):
        said = resolved(as_user(platform, user), "FileConfigProvider", f"{file}:listener.name.{name}.sasl.jaas.config")
        assert "password=" not in said


def test_the_environment_of_the_broker_holds_no_secret(platform: Platform) -> None:
    pid = platform.stack.pid("kafka")
    names = {line.split("=")[0] for line in Path(f"/proc/{pid}/environ").read_text().split("\0") if line}
    assert names <= {"LANG", "TZ", "LD_LIBRARY_PATH"}
    assert "password" not in Path(f"/proc/{pid}/cmdline").read_text()
    said = resolved(as_user(platform, access.GATEWAY), "EnvVarConfigProvider", "HOME")
    assert str(Path.home()) not in said


def test_the_broker_and_its_log_belong_to_an_account_of_its_own(platform: Platform) -> None:
    """Where root starts the stack; a person's servers run as that person."""
    account = own_account(KAFKA)
    expected = os.geteuid() if account is None else account.uid
    assert os.stat(f"/proc/{platform.stack.pid('kafka')}").st_uid == expected
    folder = platform.stack.context.state.kafka / "data"
    assert {path.lstat().st_uid for path in (folder, *folder.rglob("*"))} == {expected}


def ends(settings: KafkaSettings, topic: str) -> int:
    """Return the number of records that were ever written to a topic."""
    client = AdminClient(config(settings))
    places = [TopicPartition(topic, number) for number in range(12)]
    asked = client.list_offsets({place: OffsetSpec.latest() for place in places})
    return sum(answer.result(TIMEOUT_SECONDS).offset for answer in asked.values())


WRITERS = {(grant.user, topic) for grant in access.GRANTS if "Write" in grant.operations for topic in grant.topics}


@pytest.mark.parametrize("topic", topics.EVENT_TOPICS)
@pytest.mark.parametrize("user", [user for user in access.USERS if (user, topics.STOCK) not in WRITERS])
def test_who_may_not_write_forges_no_event(platform: Platform, user: str, topic: str) -> None:
    everything = as_user(platform, KAFKA_BROKER)
    before = ends(everything, topic)
    error, _ = attempt(as_user(platform, user), topic, 0, [Record(b"key", b"forged")])
    assert error == DENIED
    assert ends(everything, topic) == before


def test_a_publisher_writes_no_dead_letters_and_reads_nothing(platform: Platform) -> None:
    publisher = as_user(platform, access.PUBLISHER)
    assert attempt(publisher, topics.ORDER_EVENTS_DLQ, 0, [Record(b"key", b"value")])[0] == DENIED
    client = AdminClient(config(publisher))
    with pytest.raises(KafkaException, match="authorization failed"):
        client.delete_topics([topics.STOCK])[topics.STOCK].result(TIMEOUT_SECONDS)


def test_twenty_thousand_bad_records_are_refused(platform: Platform) -> None:
    everything = as_user(platform, KAFKA_BROKER)
    before = ends(everything, topics.ORDER_EVENTS)
    refused: list[int] = []

    def note(error: KafkaError | None, _: Message) -> None:
        refused.append(0 if error is None else error.code())

    producer = Producer({**config(as_user(platform, access.GATEWAY)), "queue.buffering.max.messages": 100_000})
    for _ in range(20_000):
        # Once the client knows that the topic is refused, it refuses a record itself.
        try:
            producer.produce(topics.ORDER_EVENTS, b"\xff", b"key", on_delivery=note)
        except KafkaException as error:
            refused.append(error.args[0].code())
    assert producer.flush(60) == 0
    assert set(refused) == {DENIED}
    assert len(refused) == 20_000
    assert ends(everything, topics.ORDER_EVENTS) == before
    assert platform.reconcile() == "AGREES []"


@contextmanager
def held(*addresses: tuple[str, int], send: bytes = b"") -> Iterator[list[socket.socket]]:
    """Hold connections, each with some bytes."""
    with ExitStack() as stack:
        found = []
        for address in addresses:
            found.append(stack.enter_context(socket.create_connection(address, TIMEOUT_SECONDS)))
            found[-1].sendall(send)
        yield found


def both_ports(platform: Platform) -> list[tuple[str, int]]:
    settings = platform.stack.context.settings
    return [("127.0.0.1", settings.kafka_port), ("127.0.0.1", settings.kafka_controller_port)]


def assert_others_work(platform: Platform, pid: int) -> None:
    """Check that a new client is served, that an order is counted, and that the broker is the same process."""
    client = AdminClient(config(as_user(platform, access.OPERATOR)))
    assert topics.STOCK in client.list_topics(timeout=TIMEOUT_SECONDS).topics
    order = platform.order("cust-attack")["orderId"]
    query = "SELECT 1 FROM processed_events WHERE order_id = %s"
    await_true(lambda: platform.one("analytics", query, order), "the order was counted")
    assert platform.stack.pid("kafka") == pid


def test_connections_that_announce_99_mb_without_a_user_end_nothing(platform: Platform) -> None:
    pid = platform.stack.pid("kafka")
    announced = struct.pack(">i", ANNOUNCED_BYTES) + bytes(1000)
    with held(*both_ports(platform) * 6, send=announced):
        assert_others_work(platform, pid)


def test_users_that_announce_99_mb_end_nothing(platform: Platform) -> None:
    pid = platform.stack.pid("kafka")
    with ExitStack() as stack:
        for _ in range(6):
            stream: Any = stack.enter_context(connected(as_user(platform, access.GATEWAY)))
            stream.write(struct.pack(">i", ANNOUNCED_BYTES) + bytes(100_000))
            stream.flush()
        assert_others_work(platform, pid)


def test_a_thousand_idle_connections_lock_nobody_out(platform: Platform) -> None:
    pid = platform.stack.pid("kafka")
    with held(*both_ports(platform) * IDLE_CONNECTIONS):
        assert_others_work(platform, pid)


@pytest.mark.parametrize("offered", [b"PLAIN", b"SCRAM-SHA-512"])
def test_who_takes_the_port_of_a_broker_learns_no_password(platform: Platform, offered: bytes) -> None:
    known = as_user(platform, access.PUBLISHER)
    with serving(Stranger(offered)) as stranger:
        away = {**config(known), "bootstrap.servers": f"127.0.0.1:{stranger.port}", "log_level": 0}
        client = AdminClient({**away, "error_cb": lambda error: None})
        with pytest.raises(KafkaException):
            client.list_topics(timeout=3)
    heard = bytes(stranger.heard)
    assert b"SCRAM-SHA-512" in heard
    assert known.kafka_properties["sasl.password"].encode() not in heard
