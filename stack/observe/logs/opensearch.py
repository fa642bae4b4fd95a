"""OpenSearch, the store of the lines: one node on loopback that answers our certificates only."""

from __future__ import annotations

import os
from pathlib import Path

from stack.downloads import opensearch
from stack.machine.ports import LOOPBACK
from stack.observe.client_tls import CLIENTS, SERVER, SERVER_KEY
from stack.observe.observation import Observation
from stack.processes import confinement
from stack.processes.confinement import Confinement
from stack.processes.privileges import privileges
from stack.processes.process import Command
from stack.servers.java import FLAGS, java

NAME, TRANSPORT = "opensearch", "opensearch-transport"
MAIN = "org.opensearch.bootstrap.OpenSearch"
# Of the flags and properties that the distribution's script gives it, those that matter here.
JVM_FLAGS = (
    "-Xms256m",
    "-Xmx256m",
    "-Xss1m",
    "-XX:MaxDirectMemorySize=64m",
    *FLAGS,
    "-Dfile.encoding=UTF-8",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
)
PROPERTIES = {
    "org.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits": 1,
    "io.netty.allocator.type": "unpooled",
    "io.netty.allocator.numDirectArenas": 0,
    "io.netty.noUnsafe": "true",
    "jna.nosys": "true",
    "log4j.shutdownHookEnabled": "false",
    "log4j2.disable.jmx": "true",
    "opensearch.bundled_jdk": "false",
    "opensearch.distribution.type": "zip",
}
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
# Certificates are all: who has none is not answered, at neither port.
plugins.security.ssl_only: true
plugins.security.ssl.http.enabled: true
plugins.security.ssl.http.clientauth_mode: REQUIRE
plugins.security.ssl.http.pemcert_filepath: {certificate}
plugins.security.ssl.http.pemkey_filepath: {key}
plugins.security.ssl.http.pemtrustedcas_filepath: {clients}
plugins.security.ssl.transport.pemcert_filepath: {certificate}
plugins.security.ssl.transport.pemkey_filepath: {key}
plugins.security.ssl.transport.pemtrustedcas_filepath: {clients}
"""
# One line of JSON an event, with the fields of runtime/telemetry/log_fields.py; nothing of refused connections.
LOGGING = """\
status = error
property.time = %d{yyyy-MM-dd'T'HH:mm:ss.SSS}{UTC}Z
property.level = %level{TRACE=debug, DEBUG=debug, INFO=info, WARN=warning, ERROR=error, FATAL=critical}
property.head = {"@timestamp":"${time}","log.level":"${level}","service.name":"opensearch","log.logger":"%c"
property.error = %notEmpty{,"error.message":"%enc{%ex{short.message}}{JSON}"}
property.line = ${head},"message":"%enc{%m}{JSON}"${error},"ecs.version":"8.17.0"}
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = ${line}%n
appender.console.layout.alwaysWriteExceptions = false
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.netty.name = io.netty
logger.netty.level = error
logger.http.name = org.opensearch.http
logger.http.level = off
logger.transport.name = org.opensearch.transport.netty4
logger.transport.level = off
"""
# It complains every five seconds where it cannot read this.
OF_THE_DISK = ("/proc/diskstats", "/proc/loadavg")
ENVIRONMENT = ("LANG", "TZ", "LD_LIBRARY_PATH")
STOP_SECONDS = 30.0


def opensearch_command(observation: Observation) -> Command:
    """Write the configuration of OpenSearch and return its command. Raises StackError when it cannot be had."""
    distribution, folder = opensearch.ensure(), observation.folder(NAME)
    data, temporary = observation.subfolder(NAME, "data"), observation.subfolder(NAME, "tmp")
    settings = observation.subfolder(NAME, "config")
    observation.certificates.let_answer(NAME, settings, observation.account)
    observation.write(settings / "opensearch.yml", configuration(observation, data, temporary))
    observation.write(settings / "log4j2.properties", LOGGING)
    ports = (observation.ports[NAME], observation.ports[TRANSPORT])
    allowed = Confinement(
        readable=(*confinement.paths(distribution), *OF_THE_DISK),
        executable=confinement.paths(Path(java()).resolve().parents[1]),
        # It writes its empty key store beside its settings.
        writable=confinement.paths(folder),
        bind_ports=ports,
        connect_ports=(),
    )
    needed = [*map(Path, (*allowed.readable, *allowed.executable))]
    return Command(
        NAME,
        command_line(distribution, settings, temporary),
        {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        privileges(observation.account, allowed, needed).account,
        allowed,
        cwd=folder,
        stop_seconds=STOP_SECONDS,
        clean_codes=frozenset({0, 143}),
    )


def command_line(distribution: Path, settings: Path, temporary: Path) -> list[str]:
    """Return the command line: the distribution's script needs a shell and a second Java to make it."""
    own = {
        "java.io.tmpdir": temporary,
        "jna.tmpdir": temporary,
        "opensearch.path.home": distribution,
        "opensearch.path.conf": settings,
    }
    return [
        java(),
        *JVM_FLAGS,
        f"-javaagent:{distribution}/agent/opensearch-agent.jar",
        f"-XX:ErrorFile={temporary}/hs_err_pid%p.log",
        *(f"-D{name}={value}" for name, value in (PROPERTIES | own).items()),
        "-cp",
        f"{distribution}/lib/*",
        MAIN,
    ]


def configuration(observation: Observation, data: Path, temporary: Path) -> str:
    """Return opensearch.yml; paths of certificates are below its folder."""
    return CONFIGURATION.format(
        host=LOOPBACK,
        port=observation.ports[NAME],
        transport_port=observation.ports[TRANSPORT],
        data=data,
        temporary=temporary,
        certificate=SERVER,
        key=SERVER_KEY,
        clients=CLIENTS,
    )
