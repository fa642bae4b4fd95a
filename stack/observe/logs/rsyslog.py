"""rsyslog, which sends the lines of all programs to the store: how it is found, configured and started."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.downloads import debian
from stack.machine.ports import LOOPBACK
from stack.observe.client_tls import CLIENT, CLIENT_KEY, SERVERS
from stack.observe.deployed import deployed
from stack.observe.logs import opensearch
from stack.observe.observation import Observation
from stack.observe.programs import Found, Wanted, on_path
from stack.processes import confinement
from stack.processes.confinement import Confinement
from stack.processes.privileges import privileges
from stack.processes.process import Command

NAME = "rsyslog"
# What a machine with rsyslog may lack.
MODULE = "omelasticsearch.so"
MODULES = ("usr/lib/*/rsyslog", "usr/lib64/rsyslog", "usr/lib/rsyslog")
QUEUE_LINES = 20_000
REFUSED = "refused.jsonl"
STORE, LOCAL = "store.conf", "local.conf"
# rsyslog has no empty value for a certificate, so it is in the configuration where there is one only.
AUTHORITY = "tls.cacert=`echo $LOGS_CA`"
CERTIFICATE = "tls.mycert=`echo $LOGS_CERTIFICATE` tls.myprivkey=`echo $LOGS_KEY`"


@dataclass(frozen=True)
class Rsyslog(Wanted):
    """rsyslog with the module for OpenSearch; `share` of what is found is the folder that has the module unpacked."""

    def find(self, cache: Path | None = None) -> Found | None:
        """Return the machine's own with its module, else the one in the cache, None when neither is there."""
        own = on_path(self.name)
        if own and any((folder / MODULE).exists() for folder in modules(Path("/"))):
            return Found(own)
        folder = debian.cached(self.package, cache)
        if folder is None:
            return None
        unpacked = folder / "usr/sbin" / self.name
        program = unpacked if unpacked.exists() else own
        return Found(program, folder) if program else None


RSYSLOG = Rsyslog("rsyslogd", "rsyslog-elasticsearch")


def modules(root: Path) -> Iterator[Path]:
    """Yield the folders of modules below a root."""
    for pattern in MODULES:
        yield from root.glob(pattern)


def configuration(name: str, *, certificate: bool) -> dict[str, str]:
    """Return the files of a configuration of deploy/logs/ by their names; `certificate`: it shows the store one."""
    texts = {file: deployed(f"logs/rsyslog/{file}").read_text() for file in (STORE, name)}
    if certificate:
        texts[STORE] = texts[STORE].replace(AUTHORITY, f"{AUTHORITY} {CERTIFICATE}")
    return texts


def command_line(found: Found, file: Path) -> list[str]:
    """Return the command line for a configuration file."""
    line = [str(found.path), "-n", "-f", str(file), "-i", "NONE"]
    if found.share is None:
        return line
    return [*line, "-M", ":".join(map(str, (*modules(Path("/")), *modules(found.share))))]


def environment(
    found: Found, logs: Path, folder: Path, state: Path, store: str, queue_lines: int = QUEUE_LINES
) -> dict[str, str]:
    """Return the settings of a configuration in `folder`: see store.conf. Its certificates are there too."""
    settings: Mapping[str, object] = {
        "CONFIG": folder,
        "FOLDER": logs,
        "STATE": state,
        "STORE": store,
        "USER": "",
        "PASSWORD": "",
        "CA": folder / SERVERS if store.startswith("https:") else "/dev/null",
        "CERTIFICATE": folder / CLIENT,
        "KEY": folder / CLIENT_KEY,
        "PROJECT": "ordermesh",
        "QUEUE_LINES": queue_lines,
    }
    libraries = [] if found.share is None else [str(path.parent) for path in modules(found.share)]
    paths = {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}
    return {**paths, **{f"LOGS_{name}": str(value) for name, value in settings.items()}}


def rsyslog_command(observation: Observation, found: Found, logs: Path) -> Command:
    """Write the configuration of rsyslog and return its command; it reads the folder of logs."""
    folder, state = observation.folder(NAME), observation.subfolder(NAME, "state")
    observation.certificates.let_ask(NAME, folder, observation.account)
    for file, text in configuration(LOCAL, certificate=True).items():
        observation.write(folder / file, text)
    port = observation.ports[opensearch.NAME]
    needed = [found.path, *([found.share] if found.share else [])]
    allowed = Confinement(
        readable=confinement.paths(folder, logs),
        executable=confinement.paths(*needed),
        writable=confinement.paths(state),
        bind_ports=(),
        connect_ports=(port,),
    )
    return Command(
        NAME,
        command_line(found, folder / LOCAL),
        environment(found, logs, folder, state, f"https://{LOOPBACK}:{port}"),
        privileges(observation.account, allowed, [*needed, logs, *logs.iterdir()]).account,
        allowed,
        cwd=folder,
        # See store.conf.
        stop_signal=signal.SIGKILL,
        clean_codes=frozenset({-signal.SIGKILL}),
    )


def refused_lines(observation: Observation) -> int:
    """Return how many lines the store has refused for good."""
    path = observation.home / NAME / "state" / REFUSED
    try:
        with path.open("rb") as file:
            return sum(1 for _ in file)
    except FileNotFoundError:
        return 0
