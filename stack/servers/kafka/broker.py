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
from runtime.kafka.settings import KafkaSettings
from stack.downloads.jar_sets import KAFKA_JARS
from stack.errors import ServerFailed, SettingInvalid
from stack.machine import ports
from stack.machine.files import PRIVATE, copy_into_place
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes import confinement, proc
from stack.processes.confinement import Confinement
from stack.processes.logfile import LogFile
from stack.processes.privileges import privileges
from stack.processes.process import Command, Process
from stack.processes.runners import Server, await_ready, running
from stack.processes.server_account import KAFKA, give, own_account, owner_of, take_over
from stack.servers.credentials import KAFKA_BROKER, KAFKA_CONTROLLER, Credentials, load_or_create
from stack.servers.java import NATIVE_MEMORY_FLAGS, java
from stack.servers.kafka.agent import Agent
from stack.servers.kafka.cluster_id import cluster_id, stored_cluster_id
from stack.servers.kafka.config import Membership, broker_properties, listener_ports, rendered, single_broker
from stack.servers.kafka.controller import ControllerError, set_password

FORMAT_SECONDS = 60.0
STOP_SECONDS = 15.0
# The AOT cache is written after the broker has stopped.
AOT_CACHE_STOP_SECONDS = 120.0
LEFTOVER_SECONDS = 10.0
AOT_CACHE_FILE = "kafka.aot"
TEMPORARY = "tmp"
LOGGING = Path(__file__).with_name("log4j2.xml")
# The configuration contains passwords, and the broker shows files that it can read to its clients: a pipe is read once.
CONFIGURATION = "/dev/stdin"
ENVIRONMENT = ("LANG", "TZ", "LD_LIBRARY_PATH")
JVM_FLAGS = (
    # Enough for an idle broker; the heap grows under load.
    "-Xms32m",
    "-Xmx256m",
    *NATIVE_MEMORY_FLAGS,
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


class Kafka(Server):
    """Runs the broker, and formats its folder before the first start."""

    def __init__(
        self,
        folder: Path,
        port: int,
        controller_port: int,
        log: LogFile,
        credentials: Credentials,
        cache: Path | None = None,
        *,
        membership: Membership | None = None,
        aot_cache_output: Path | None = None,
        agent: Agent | None = None,
    ) -> None:
        self.folder = folder
        self._agent = agent
        self._membership = membership
        self._aot_cache_output = aot_cache_output
        self.port = port
        self.controller_port = controller_port
        self.log = log
        self.credentials = credentials
        self._cache = cache
        self._user_known = False

    @classmethod
    def alone(cls, state: StateFolder) -> Kafka:
        """Return the broker of a state folder on free ports, for use without a stack."""
        port, controller_port = ports.allocate(2)
        log = LogFile(state.logs / "kafka.log")
        return cls(state.kafka, port, controller_port, log, load_or_create(state.credentials))

    @property
    def data(self) -> Path:
        """The folder of the broker's log."""
        return self.folder / "data"

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{ports.LOOPBACK}:{self.port}"

    def client_settings(self, user: str = KAFKA_BROKER) -> KafkaSettings:
        """Return the settings with which a client is this user; the brokers' own may do everything."""
        return KafkaSettings(kafka_bootstrap=self.bootstrap, kafka_properties=self.credentials.kafka(user))

    @property
    def membership(self) -> Membership:
        """The broker's membership in its cluster."""
        return self._membership or single_broker(self.folder, self.controller_port)

    def start(self) -> None:
        """Start the broker; download its jars and format its folder when needed. Raises StackError."""
        jars = KAFKA_JARS.ensure(self._cache)
        proc.end_all(lambda: proc.working_in(self.folder, "java"), signal.SIGTERM, LEFTOVER_SECONDS)
        ports.require_free({"Kafka": self.port, "Kafka's controller": self.controller_port})
        self._prepare_folders()
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

    def _prepare_folders(self) -> None:
        account, owner = own_account(KAFKA), owner_of(self.data)
        # Rules of Landlock are for paths that exist.
        for folder in (self.folder, self.data, self.folder / TEMPORARY):
            give(folder, account, PRIVATE)
        if account is not None and owner is not None and owner.uid != account.uid:
            take_over(self.folder, account)

    @property
    def properties(self) -> dict[str, str]:
        """The broker's configuration; it contains passwords."""
        return broker_properties(self.data, self.port, self.controller_port, self.membership, self.credentials)

    def _format(self, jars: Path, wanted: str) -> None:
        arguments = ("format", "--ignore-formatted", "-t", wanted, *self.membership.format_arguments)
        argv = [*java_argv(jars, self.folder), "kafka.tools.StorageTool", *arguments, "-c", CONFIGURATION]
        tool = Process(self._command("Kafka's format", argv, jars), self.log)
        tool.start()
        if not tool.wait(FORMAT_SECONDS) or tool.returncode != 0:
            tool.kill()
            cause = known_cause(tool.recent_log())
            raise tool.failure("failed" if cause is None else f"failed: {cause}")

    def _broker(self, jars: Path) -> Command:
        aot_flags = [] if self._aot_cache_output is None else [f"-XX:AOTCacheOutput={self._aot_cache_output}"]
        program, *arguments = java_argv(jars, self.folder, aot_flags)
        agent = () if self._agent is None else self._agent.flags
        return self._command("Kafka", [program, *agent, *arguments, "kafka.Kafka", CONFIGURATION], jars)

    def _command(self, name: str, argv: list[str], jars: Path) -> Command:
        confined = self._confinement(jars)
        needed = [*map(Path, (*confined.readable, *confined.executable)), self.folder]
        return Command(
            name,
            argv,
            {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            privileges(own_account(KAFKA), confined, needed).account,
            confined,
            stdin=rendered(self.properties).encode(),
            cwd=self.folder,
            stop_seconds=STOP_SECONDS if self._aot_cache_output is None else AOT_CACHE_STOP_SECONDS,
            clean_codes=frozenset({0, 128 + signal.SIGTERM}),
        )

    def _confinement(self, jars: Path) -> Confinement:
        runtime = Path(java()).resolve().parents[1]
        own = listener_ports(self.properties)
        membership, agent = self.membership, self._agent
        return Confinement(
            readable=confinement.paths(jars, LOGGING, *(agent.readable if agent else ())),
            executable=confinement.paths(runtime),
            writable=confinement.paths(self.data, self.folder / TEMPORARY),
            bind_ports=confinement.unique([*own, *([agent.port] if agent else [])]),
            connect_ports=confinement.unique([*own, *membership.voters.values(), *membership.broker_ports]),
        )

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until the broker is registered in its cluster and knows its own user. Raises ServerFailed."""
        client = clients.probe(self.client_settings())
        membership = self.membership
        wanted = cluster_id(membership.cluster_id_file)

        def registered() -> bool:
            return answers(client, wanted, membership.node_id)

        def ready() -> bool:
            # Nodes that are not the active controller would log each request to set the password with a stack trace.
            cluster = len(membership.voters) > 1
            return (cluster and registered()) or (self._user_is_known() and registered())

        self._user_known = False
        try:
            await_ready(self._process, ready, timeout_seconds)
        except ServerFailed as error:
            raise self._with_cause(error) from error

    def _user_is_known(self) -> bool:
        """Set the password of the broker's own user once per start: a folder may have none, or another one."""
        if self._user_known or self.pid is None:
            return self._user_known
        # The password for the controller is sent as it is: only to our process, not to one that took its port.
        if not proc.listens(self.pid, self.controller_port):
            return False
        login = (KAFKA_CONTROLLER, self.credentials.password(KAFKA_CONTROLLER))
        try:
            own = KAFKA_BROKER, self.credentials.password(KAFKA_BROKER)
            self._user_known = set_password(self.controller_port, self.membership.authority, login, *own)
        except (OSError, ControllerError):
            return False
        # Elsewhere the active controller is another node, and that one's is set.
        return True

    def _with_cause(self, error: ServerFailed) -> ServerFailed:
        cause = None if self._process is None else known_cause(self._process.recent_log())
        return error if cause is None else ServerFailed(f"{cause}: {error}")


def java_argv(jars: Path, folder: Path, aot_flags: Sequence[str] = ()) -> list[str]:
    """Return the command line of Java with flags and class path, and with the AOT cache where it exists.

    Native libraries are unpacked into a folder for temporary files in `folder`.
    """
    temporary = folder / TEMPORARY
    files = (f"-Djava.io.tmpdir={temporary}", f"-XX:ErrorFile={temporary}/hs_err_pid%p.log")
    cache = jars / AOT_CACHE_FILE
    # Java ignores a cache that does not fit; its warnings about that would fill the log.
    flags = aot_flags or ((f"-XX:AOTCache={cache}", "-Xlog:aot*=off") if cache.exists() else ())
    return [java(), *JVM_FLAGS, *files, *flags, "-cp", f"{jars}/*"]


def create_aot_cache(jars: Path, cache: Path | None = None) -> bool:
    """Create the AOT cache by a run of a temporary broker, in about 10 s; return whether the cache exists."""
    if not (jars / AOT_CACHE_FILE).exists() and os.access(jars, os.W_OK):
        with temporary_home() as home:
            fresh = home / "kafka" / TEMPORARY / AOT_CACHE_FILE
            (home / "kafka").mkdir()
            log, credentials = LogFile(home / "kafka.log"), load_or_create(home / "credentials.json")
            port, controller_port = ports.allocate(2)
            broker = Kafka(home / "kafka", port, controller_port, log, credentials, cache, aot_cache_output=fresh)
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
