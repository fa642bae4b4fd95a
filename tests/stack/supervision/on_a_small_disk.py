"""Runs a kept Kafka on a disk of 100 MB, fills that disk until the broker ends, empties it, and waits for the broker.

Run as root in a mount namespace of its own, with which the disk goes, and with tests/support on the path.
"""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from kafka_broker import config
from waiting import await_true

from runtime.kafka import clients
from runtime.kafka.settings import KafkaSettings
from stack.machine import ports
from stack.processes import proc
from stack.processes.logfile import LogFile
from stack.servers.credentials import load_or_create
from stack.servers.kafka.broker import Kafka
from stack.supervision.component import Component
from stack.supervision.component_supervisor import ComponentSupervisor
from stack.supervision.status import ComponentStatus, StackStatus, State
from stack.supervision.status_board import StateChange, StatusBoard

SIZE = "100m"
CHUNK = bytes(64 * 1024)


def fill(path: Path) -> None:
    """Take all the room that is left."""
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(CHUNK)


def write(settings: KafkaSettings, topic: str, value: bytes) -> bool:
    """Try to write a record; say whether the broker took it."""
    told: list[bool] = []
    producer = Producer({**config(settings), "message.timeout.ms": 2000, "log_level": 0})
    producer.produce(topic, value, on_delivery=lambda error, _: told.append(error is None))
    producer.flush(3)
    return told == [True]


def main(home: Path) -> None:
    (home / "kafka").mkdir()
    credentials = load_or_create(home / "credentials.json")
    broker = Kafka(home / "kafka", *ports.allocate(2), LogFile(home / "kafka.log"), credentials)
    own = proc.identify(os.getpid())
    assert own is not None
    listened = (home / "up.log").open("w")
    status = StackStatus(own, "", {}, {"kafka": ComponentStatus()})

    def tell(event: StateChange) -> None:
        # Longer than the room that is left in the last page of a file.
        print(event, " " * 8192, file=listened, flush=True)

    board = StatusBoard(status, home / "stack.json", LogFile(home / "supervisor.log"), tell)
    supervisor = ComponentSupervisor(Component("kafka", broker, logs=(broker.log,)), board, 30)
    supervisor.start()
    await_true(lambda: board.state("kafka") == State.READY, "the broker is ready")
    admin = clients.probe(broker.client_settings())
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(10)
    assert write(broker.client_settings(), "kept", b"before")

    def failed_again() -> bool:
        fill(home / "filler")
        write(broker.client_settings(), "kept", bytes(500_000))
        return board.status.components["kafka"].restarts >= 3

    await_true(failed_again, "the broker ended, and could not be started again, on the full disk")
    (home / "filler").unlink()
    await_true(
        lambda: board.state("kafka") == State.READY and write(broker.client_settings(), "kept", b"after"), "it is back"
    )
    supervisor.stop()
    board.close()
    print("ready again")


if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp(prefix="om-disk-", dir="/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=True)
    try:
        main(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        folder.rmdir()
