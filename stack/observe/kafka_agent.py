"""The JMX exporter as an agent of a broker: the figures of Kafka and of its JVM."""

from __future__ import annotations

import hashlib
import secrets

import yaml

from stack.downloads.jar_sets import JMX_EXPORTER_JARS
from stack.machine.files import write_private
from stack.observe.certificates import SERVER_STORE
from stack.observe.deployed import deployed
from stack.observe.observation import PROMETHEUS, Observation
from stack.processes.server_account import KAFKA, own_account
from stack.servers.kafka.agent import Agent


def kafka_agent(observation: Observation, broker: str) -> Agent | None:
    """Write the configuration of a broker's agent and return it, None when its jar was not downloaded."""
    jars = JMX_EXPORTER_JARS.cached()
    if jars is None:
        return None
    account = own_account(KAFKA)
    folder = observation.folder(f"agent-of-{broker}", account)
    observation.certificates.let_java_answer(broker, folder, account)
    store = {"filename": str(folder / SERVER_STORE), "password": observation.certificates.store_password}
    server = {"ssl": {"keyStore": store, "certificate": {"alias": broker}}, "authentication": login(observation)}
    config = {"httpServer": server, **yaml.safe_load(deployed("observe/kafka-jmx.yml").read_text())}
    path = folder / "config.yml"
    write_private(path, yaml.safe_dump(config), None if account is None else (account.uid, account.gid))
    (jar,) = jars.glob("*.jar")
    return Agent(jar, observation.ports[broker], path)


def login(observation: Observation) -> dict[str, object]:
    """Return the login of Prometheus as the agent has it; this version of it checks no certificates."""
    salt = secrets.token_hex(8)
    digest = hashlib.sha256(f"{salt}:{observation.agent_password}".encode()).hexdigest()
    return {"basic": {"username": PROMETHEUS, "algorithm": "SHA-256", "salt": salt, "passwordHash": digest}}
