"""Clients that lost Kafka, because a broker told them that there is none, are replaced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from fake_kafka import ForgetfulBroker, serving

from runtime.kafka import clients, renewed
from runtime.kafka.renewed import Renewed
from runtime.kafka.settings import KafkaSettings

ASK_SECONDS = 0.2
CLIENTS = 20
# Of the clients that are told so, about one in twenty is lost.
TIMES = 100


@pytest.fixture
def broker() -> Iterator[ForgetfulBroker]:
    with serving(ForgetfulBroker()) as made:
        yield made


def connected(broker: ForgetfulBroker) -> Renewed[AdminClient]:
    fast = {"reconnect.backoff.ms": "10", "reconnect.backoff.max.ms": "50"}
    settings = KafkaSettings(kafka_bootstrap=broker.bootstrap, kafka_properties=fast)
    return Renewed(lambda: clients.silent_admin(settings, "test"))


def finds_kafka(client: Renewed[AdminClient]) -> bool:
    try:
        with client.requests() as asked:
            asked.list_topics(timeout=ASK_SECONDS)
    except KafkaException:
        return False
    return True


def lost_ones(broker: ForgetfulBroker, made: list[Renewed[AdminClient]]) -> list[Renewed[AdminClient]]:
    """Let the broker forget itself for a moment, and return the clients that never find it afterwards."""
    for listed in (False, True):
        broker.listed = listed
        found = [finds_kafka(one) for one in made]
    missing = [one for one, there in zip(made, found, strict=True) if not there]
    return [one for one in missing if not any(finds_kafka(one) for _ in range(5))]


def test_a_client_that_was_told_that_there_are_no_brokers_is_replaced(
    broker: ForgetfulBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [connected(broker) for _ in range(CLIENTS)]
    lost = next(filter(None, (lost_ones(broker, made) for _ in range(TIMES))), [])
    assert lost, "librdkafka finds the brokers again: runtime/kafka/renewed.py has become needless"
    # Others find it.
    assert finds_kafka(connected(broker))
    monkeypatch.setattr(renewed, "LOST_AFTER_SECONDS", 0.0)
    assert [finds_kafka(lost[0]) for _ in range(2)] == [False, True]


def test_a_client_is_kept_while_requests_succeed_or_fail_for_a_short_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(renewed.time, "monotonic", lambda: now[0])
    made: list[object] = []
    client = Renewed(lambda: made.append(object()) or made[-1])

    def request(at: float, succeeds: bool) -> None:
        now[0] = at
        try:
            with client.requests():
                if not succeeds:
                    raise TimeoutError
        except TimeoutError:
            pass

    for at, succeeds in ((0, False), (9, False), (9.5, True), (11, False), (20, False)):
        request(at, succeeds)
    assert (client.get(), len(made)) == (made[0], 1)
    request(21, succeeds=False)
    assert (client.get(), len(made)) == (made[1], 2)
    # The new one has its own time.
    request(22, succeeds=False)
    request(31, succeeds=False)
    # Nothing was asked for in between.
    request(100, succeeds=False)
    assert client.get() is made[1]
