"""The local Kafka as a whole: one broker, or three that form a cluster, each with a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from runtime.settings import PREFIX
from stack.errors import SettingInvalid
from stack.machine.paths import PRIVATE, make_folder
from stack.processes.logfile import LogFile
from stack.servers.kafka import Kafka
from stack.servers.kafka_config import CLUSTER_SETTINGS, Membership, stored_cluster_id

SETTING = f"{PREFIX}KAFKA_BROKERS"
SEVERAL = 3
COPIES: Mapping[str, str] = {"KAFKA_REPLICATION": "3", "KAFKA_MIN_ISR": "2"}
Ports = tuple[int, int]


def brokers(home: Path, ports: Mapping[int, Ports], log: Callable[[str], LogFile]) -> dict[str, Kafka]:
    """Return the brokers by name; `ports` are those for clients and for controllers by node id."""
    if len(ports) == 1:
        (one,) = ports.values()
        return {"kafka": Kafka(home, *one, log("kafka"))}
    voters = {node: controller for node, (_, controller) in ports.items()}
    found = {}
    for node, own in ports.items():
        membership = Membership(node, voters, home / "cluster.id", CLUSTER_SETTINGS)
        name = f"kafka-{node}"
        found[name] = Kafka(broker_folder(home, node), *own, log(name), membership=membership)
    return found


def broker_folder(home: Path, node: int) -> Path:
    """Return the folder of one broker of several, made when it is missing."""
    return make_folder(home / f"broker-{node}", PRIVATE, SETTING)


def stored_number(home: Path) -> int | None:
    """Return how many brokers a folder's log was made for, None while there is no log."""
    if stored_cluster_id(home / "data") is not None:
        return 1
    several = any(stored_cluster_id(data) is not None for data in home.glob("broker-*/data"))
    return SEVERAL if several else None


def require_number(home: Path, wanted: int) -> None:
    """Raise SettingInvalid when the stored log is one of another number of brokers."""
    stored = stored_number(home)
    if stored not in (None, wanted):
        raise SettingInvalid(
            f"{SETTING} is {wanted}, but the log in {home} was made with {stored}: "
            f"start with `--brokers {stored}` ({SETTING}={stored}), or remove {home} to start an empty log"
        )


def copies(number: int, env: Mapping[str, str]) -> dict[str, str]:
    """Return what a cluster of that many brokers adds to the given settings of how topics are made."""
    names = {name.removeprefix(PREFIX).removesuffix("_FILE") for name, value in env.items() if value}
    if number != SEVERAL or "KAFKA_REPLICATION" in names:
        return {}
    return {name: value for name, value in COPIES.items() if name not in names}
