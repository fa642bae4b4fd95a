"""An OpenSearch of one node on loopback, the store of logs; it authenticates nobody."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from stack.downloads import opensearch
from stack.errors import ServerFailed
from stack.machine.files import PRIVATE
from stack.machine.ports import LOOPBACK
from stack.processes.logfile import LogFile
from stack.processes.privileges import OURS, Privileges
from stack.processes.process import Command, Process, inherited_env
from stack.processes.runners import Server, await_ready
from stack.processes.server_account import give
from stack.servers.java import FLAGS, java

ANSWER_SECONDS = 30.0
# Of the distribution's flags, without a module that the packaged Java runtime does not have.
JVM_FLAGS = (
    "-Xms256m",
    "-Xmx256m",
    *FLAGS,
    "-Dfile.encoding=UTF-8",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1",
)
CONFIGURATION = """\
cluster.name: ordermesh-logs
discovery.type: single-node
network.host: {host}
http.port: {port}
transport.port: {transport_port}
path.data: {data}
path.logs: {temporary}
# Nobody has to change a limit of the kernel for it.
node.store.allow_mmap: false
# Of what is left on the disk; by default it would refuse lines on a disk that is nearly full, however large.
cluster.routing.allocation.disk.watermark.low: 1gb
cluster.routing.allocation.disk.watermark.high: 512mb
cluster.routing.allocation.disk.watermark.flood_stage: 256mb
"""
LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


class OpenSearch(Server):
    """Runs OpenSearch with its data in a folder of its own. It refuses to run as root."""

    def __init__(self, folder: Path, port: int, transport_port: int, log: LogFile, granted: Privileges = OURS) -> None:
        self.folder = folder
        self.port = port
        self.log = log
        self._transport_port = transport_port
        self._granted = granted

    @property
    def address(self) -> str:
        """The address of its HTTP interface."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start it; download it the first time. Raises StackError."""
        distribution = opensearch.ensure()
        configuration = self._write_configuration(distribution)
        runtime = Path(java()).resolve().parents[1]
        env = {
            **inherited_env(),
            "OPENSEARCH_JAVA_HOME": str(runtime),
            "OPENSEARCH_PATH_CONF": str(configuration),
            "OPENSEARCH_TMPDIR": str(self.folder / "tmp"),
        }
        command = Command(
            "OpenSearch",
            [str(distribution / opensearch.PROGRAM)],
            env,
            self._granted.account,
            self._granted.confinement,
            cwd=self.folder,
            stop_seconds=ANSWER_SECONDS,
            clean_codes=frozenset({0, 143}),
        )
        self._process = Process(command, self.log)
        self._process.start()

    def _write_configuration(self, distribution: Path) -> Path:
        """Write the configuration, and return its folder."""
        account = self._granted.account
        data, temporary, configuration = (self.folder / name for name in ("data", "tmp", "config"))
        for path in (self.folder, data, temporary, configuration):
            give(path, account, PRIVATE)
        own_flags = (
            f"-javaagent:{distribution}/agent/opensearch-agent.jar",
            f"-Djava.io.tmpdir={temporary}",
            f"-XX:ErrorFile={temporary}/hs_err_pid%p.log",
        )
        texts = {
            "opensearch.yml": CONFIGURATION.format(
                host=LOOPBACK,
                port=self.port,
                transport_port=self._transport_port,
                data=data,
                temporary=temporary,
            ),
            "jvm.options": "\n".join([*JVM_FLAGS, *own_flags]) + "\n",
            "log4j2.properties": LOGGING,
        }
        for name, text in texts.items():
            (configuration / name).write_text(text)
            # The folder is private to the account.
            (configuration / name).chmod(0o644)
        return configuration

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until it has recovered what it stores. Raises ServerFailed."""
        await_ready(self._process, self._recovered, timeout_seconds)

    def _recovered(self) -> bool:
        try:
            return self.ask("GET", "/_cluster/health")["status"] in ("green", "yellow")
        except (OSError, http.client.HTTPException, ServerFailed):
            return False

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer to a request with a body of JSON. Raises ServerFailed for an error, OSError without one."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=ANSWER_SECONDS)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"content-type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise ServerFailed(f"{method} {path}: {response.status} {answer.decode(errors='replace')[:1000]}")
        return json.loads(answer)
