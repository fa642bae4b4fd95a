"""One broker or three: what they are told, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from stack.errors import SettingInvalid
from stack.processes.logfile import LogFile
from stack.servers.credentials import Credentials
from stack.servers.kafka import brokers
from stack.settings import StackSettings

PASSWORDS = Credentials({})
THREE = {1: (20_001, 20_002), 2: (20_003, 20_004), 3: (20_005, 20_006)}


def formatted(data: Path) -> None:
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("cluster.id=AAAAAAAAAAAAAAAAAAAAAA\n")


@pytest.mark.parametrize(("folder", "stored", "wanted"), [("data", 1, 3), ("broker-2/data", 3, 1)])
def test_another_number_of_brokers_than_in_the_stored_log_is_rejected(
    tmp_path: Path, folder: str, stored: int, wanted: int
) -> None:
    brokers.require_broker_count(tmp_path, wanted)
    formatted(tmp_path / folder)
    brokers.require_broker_count(tmp_path, stored)
    with pytest.raises(SettingInvalid, match=rf"ORDERMESH_KAFKA_BROKERS is {wanted}, .* `--brokers {stored}`"):
        brokers.require_broker_count(tmp_path, wanted)


def test_two_brokers_are_rejected_and_three_have_six_ports() -> None:
    with pytest.raises(ValidationError, match="must be 1 or 3"):
        StackSettings(kafka_brokers=2)
    assert "ORDERMESH_KAFKA_2_PORT" not in StackSettings(kafka_brokers=1).local_ports()
    three = StackSettings(kafka_brokers=3)
    assert len([name for name in three.local_ports() if "KAFKA" in name]) == 6
    assert three.bootstrap == "127.0.0.1:19092,127.0.0.1:19094,127.0.0.1:19096"


def test_each_of_three_brokers_knows_every_voter_and_the_same_file_of_the_id(tmp_path: Path) -> None:
    made = brokers.brokers(tmp_path, THREE, lambda name: LogFile(tmp_path / f"{name}.log"), PASSWORDS)
    assert list(made) == ["kafka-1", "kafka-2", "kafka-3"]
    assert {broker.membership.cluster_id_file for broker in made.values()} == {tmp_path / "cluster.id"}
    assert {tuple(broker.membership.voters.items()) for broker in made.values()} == {
        ((1, 20_002), (2, 20_004), (3, 20_006))
    }


def test_controllers_of_a_cluster_use_tls_with_one_certificate_that_is_kept(tmp_path: Path) -> None:
    made = [brokers.brokers(tmp_path, THREE, lambda name: LogFile(tmp_path / name), PASSWORDS) for _ in range(2)]
    memberships = [broker.membership for each in made for broker in each.values()]
    assert {membership.properties["listener.security.protocol.map"] for membership in memberships} == {
        "CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_SSL"
    }
    assert len({membership.authority for membership in memberships}) == 1
    assert (tmp_path / "controllers.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("number", "env", "added"),
    [
        (1, {}, {}),
        (3, {}, {"KAFKA_REPLICATION": "3", "KAFKA_MIN_ISR": "2"}),
        (3, {"ORDERMESH_KAFKA_MIN_ISR": "1"}, {"KAFKA_REPLICATION": "3"}),
        (3, {"ORDERMESH_KAFKA_REPLICATION_FILE": "/run/replication_settings"}, {}),
        (3, {"ORDERMESH_KAFKA_REPLICATION": ""}, {"KAFKA_REPLICATION": "3", "KAFKA_MIN_ISR": "2"}),
    ],
)
def test_topics_are_replicated_to_three_brokers_unless_set_otherwise(
    number: int, env: dict[str, str], added: dict[str, str]
) -> None:
    assert brokers.replication_settings(number, env) == added
