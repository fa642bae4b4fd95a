"""The local Kafka: one broker, or a cluster of three, each with a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from runtime.settings import PREFIX
from stack.errors import SettingInvalid
from stack.machine.files import PASSABLE, PRIVATE, make_folder
from stack.processes.logfile import LogFile
from stack.servers.credentials import Credentials
from stack.servers.kafka import controller_tls
from stack.servers.kafka.agent import Agent
from stack.servers.kafka.broker import Kafka
from stack.servers.kafka.cluster_id import stored_cluster_id
from stack.servers.kafka.config import CLUSTER_SETTINGS, Membership

BROKERS_SETTING = f"{PREFIX}KAFKA_BROKERS"
CLUSTER_SIZE = 3
REPLICATION_SETTINGS: Mapping[str, str] = {"KAFKA_REPLICATION": "3", "KAFKA_MIN_ISR": "2"}
Ports = tuple[int, int]


def brokers(
    home: Path,
    ports: Mapping[int, Ports],
    log: Callable[[str], LogFile],
    credentials: Credentials,
    agent: Callable[[str], Agent | None] = lambda name: None,
) -> dict[str, Kafka]:
    """Return the brokers by name; `ports` are the ports for clients and controllers by node id.

    `agent` returns the Java agent of a broker by its name, None for none.
    """
    if len(ports) == 1:
        (one,) = ports.values()
        return {"kafka": Kafka(home, *one, log("kafka"), credentials, agent=agent("kafka"))}
    voters = {node: controller for node, (_, controller) in ports.items()}
    if os.geteuid() == 0:
        # For the account of the brokers, each of which has its own folder; the file of the id is private.
        home.chmod(PASSABLE)
    # The port of a controller that is down may be somebody else's, who would learn the password of PLAIN.
    tls = controller_tls.load_or_create(home / "controllers.json")
    broker_ports = tuple(port for port, _ in ports.values())
    found = {}
    for node, own in ports.items():
        properties = {**CLUSTER_SETTINGS, **tls.properties()}
        membership = Membership(node, voters, home / "cluster.id", broker_ports, tls.authority, properties)
        name = f"kafka-{node}"
        folder = broker_folder(home, node)
        found[name] = Kafka(folder, *own, log(name), credentials, membership=membership, agent=agent(name))
    return found


def broker_folder(home: Path, node: int) -> Path:
    """Return the folder of one broker of a cluster, created when it is missing."""
    return make_folder(home / f"broker-{node}", PRIVATE, BROKERS_SETTING)


def stored_broker_count(home: Path) -> int | None:
    """Return the number of brokers that the log in a folder was created for, None without a log."""
    if stored_cluster_id(home / "data") is not None:
        return 1
    several = any(stored_cluster_id(data) is not None for data in home.glob("broker-*/data"))
    return CLUSTER_SIZE if several else None


def require_broker_count(home: Path, wanted: int) -> None:
    """Raise SettingInvalid when the stored log was created for another number of brokers."""
    stored = stored_broker_count(home)
    if stored not in (None, wanted):
        raise SettingInvalid(
            f"{BROKERS_SETTING} is {wanted}, but the log in {home} was created with {stored}: "
            f"start with `--brokers {stored}` ({BROKERS_SETTING}={stored}), or remove {home} to start an empty log"
        )


def replication_settings(number: int, env: Mapping[str, str]) -> dict[str, str]:
    """Return the replication settings of topics that a cluster adds to those in `env`."""
    names = {name.removeprefix(PREFIX).removesuffix("_FILE") for name, value in env.items() if value}
    if number != CLUSTER_SIZE or "KAFKA_REPLICATION" in names:
        return {}
    return {name: value for name, value in REPLICATION_SETTINGS.items() if name not in names}
