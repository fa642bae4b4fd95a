"""Zipkin, which stores the last spans in memory."""

from __future__ import annotations

import os
from pathlib import Path

from stack.downloads.jar_sets import ZIPKIN_JARS
from stack.machine.ports import LOOPBACK
from stack.observe.certificates import CLIENTS_STORE, SERVER_STORE
from stack.observe.observation import Observation
from stack.processes import confinement
from stack.processes.confinement import Confinement
from stack.processes.privileges import privileges
from stack.processes.process import Command
from stack.servers.java import NATIVE_MEMORY_FLAGS, java

# About 1 KB each.
SPANS = 25_000
JVM_FLAGS = (
    "-Xms32m",
    "-Xmx80m",
    "-Xss512k",
    "-XX:MaxDirectMemorySize=24m",
    "-XX:ReservedCodeCacheSize=32m",
    *NATIVE_MEMORY_FLAGS,
)
ENVIRONMENT = ("LANG", "TZ", "LD_LIBRARY_PATH")
OVERRIDES = "zipkin.properties"


def zipkin(observation: Observation) -> Command:
    """Write the configuration of Zipkin and return its command. Raises StackError when its jars cannot be had."""
    jars, port = ZIPKIN_JARS.ensure(), observation.ports["zipkin"]
    folder, temporary = observation.folder("zipkin"), observation.subfolder("zipkin", "tmp")
    observation.certificates.let_java_answer("zipkin", folder, observation.account)
    observation.write(folder / OVERRIDES, overrides(observation, folder, port))
    (server,) = jars.glob("*.jar")
    properties = {"java.io.tmpdir": temporary, "spring.config.additional-location": folder / OVERRIDES}
    argv = [java(), *JVM_FLAGS, f"-XX:ErrorFile={temporary}/hs_err_pid%p.log"]
    argv += [f"-D{name}={value}" for name, value in properties.items()]
    allowed = Confinement(
        readable=confinement.paths(folder, jars),
        executable=confinement.paths(Path(java()).resolve().parents[1]),
        writable=confinement.paths(temporary),
        bind_ports=(port,),
        connect_ports=(),
    )
    needed = [*map(Path, (*allowed.readable, *allowed.executable))]
    return Command(
        "zipkin",
        [*argv, "-jar", str(server)],
        {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        privileges(observation.account, allowed, needed).account,
        allowed,
        cwd=temporary,
        clean_codes=frozenset({0, 143}),
    )


def overrides(observation: Observation, folder: Path, port: int) -> str:
    """Return the properties that differ from Zipkin's own; they contain the password of the key stores."""
    password = observation.certificates.store_password
    known = {
        "armeria.ports[0].ip": LOOPBACK,
        "armeria.ports[0].port": port,
        "armeria.ports[0].protocols[0]": "https",
        "armeria.ssl.enabled": "true",
        "armeria.ssl.key-store": f"file:{folder / SERVER_STORE}",
        "armeria.ssl.key-store-type": "PKCS12",
        "armeria.ssl.key-store-password": password,
        "armeria.ssl.trust-store": f"file:{folder / CLIENTS_STORE}",
        "armeria.ssl.trust-store-type": "PKCS12",
        "armeria.ssl.trust-store-password": password,
        "armeria.ssl.client-auth": "REQUIRE",
        "zipkin.storage.type": "mem",
        "zipkin.storage.mem.max-spans": SPANS,
        "zipkin.query.allowed-origins": observation.address,
        "zipkin.ui.default-lookback": 3_600_000,
        "logging.pattern.console": "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z',UTC} %p %logger{0}: %m%n",
    }
    return "".join(f"{name}={value}\n" for name, value in known.items())
