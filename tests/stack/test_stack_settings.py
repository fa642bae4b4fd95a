"""Ports of a stack, and what it records of the servers it uses."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from stack.machine.ports import LOOPBACK
from stack.machine.state_folder import StateFolder
from stack.servers.credentials import load_or_create
from stack.settings import StackSettings
from stack.supervision.stack_context import StackContext


def test_an_offset_moves_every_port_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = StackSettings()
    monkeypatch.setenv("ORDERMESH_PORT_OFFSET", "1000")
    monkeypatch.setenv("ORDERMESH_KAFKA_PORT", "9092")
    moved = StackSettings()
    before, after = plain.local_ports(), moved.local_ports()
    assert after.pop("ORDERMESH_KAFKA_PORT") == 9092
    assert after == {name: before[name] + 1000 for name in after}


@pytest.mark.parametrize("offset", ["-1", "40001", "many"])
def test_an_invalid_offset_is_rejected(monkeypatch: pytest.MonkeyPatch, offset: str) -> None:
    monkeypatch.setenv("ORDERMESH_PORT_OFFSET", offset)
    with pytest.raises(ValueError, match="port_offset"):
        StackSettings()


def test_the_first_offset_with_all_ports_free_is_chosen() -> None:
    first = StackSettings.with_free_offset()
    with socket.socket() as other:
        other.bind((LOOPBACK, first.gateway_metrics_port))
        other.listen()
        second = StackSettings.with_free_offset()
    assert second.port_offset > first.port_offset
    ports = list(second.local_ports().values())
    assert len(set(ports)) == len(ports)
    assert not set(ports) & set(first.local_ports().values())


def test_the_recorded_address_of_a_database_server_is_complete_and_has_no_secret(tmp_path: Path) -> None:
    given = "postgresql://admin:s3cret@db1:5433,db2:5434/postgres?sslmode=verify-full&target_session_attrs=read-write"
    state = StateFolder(tmp_path)
    settings = StackSettings(postgres_admin_dsn=SecretStr(given))
    recorded = StackContext(settings, state, tmp_path, load_or_create(state.credentials), {}).servers.postgres
    assert conninfo_to_dict(recorded) == {
        "host": "db1,db2",
        "port": "5433,5434",
        "sslmode": "verify-full",
        "target_session_attrs": "read-write",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"FRONT_ADDRESS": "0.0.0.0"}, "ORDERMESH_FRONT_ADDRESS=0.0.0.0 requires ORDERMESH_AUTH=keys or jwt"),
        ({"TLS_KEY": "front.key"}, "ORDERMESH_TLS_CERTIFICATE and ORDERMESH_TLS_KEY are required together"),
        ({"TLS_CLIENT_CA": "ca.pem"}, "ORDERMESH_TLS_CLIENT_CA requires ORDERMESH_TLS=on"),
    ],
)
def test_settings_that_need_others_say_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: dict[str, str], said: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"ORDERMESH_{name}", value)
    with pytest.raises(SystemExit):
        StackSettings.load()
    assert said in capsys.readouterr().err


def test_a_front_port_for_other_machines_is_possible_with_authentication() -> None:
    assert StackSettings(auth="keys", front_address="0.0.0.0").front_address == "0.0.0.0"
