"""What one run of a stack is observed with: the folders, ports, certificates and login that the programs share."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from stack.downloads import opensearch
from stack.downloads.jar_sets import ZIPKIN_JARS
from stack.machine import ports
from stack.machine.files import PRIVATE, write_private
from stack.machine.ports import LOOPBACK
from stack.observe.certificates import Certificates
from stack.observe.front import USER
from stack.processes.server_account import OBSERVE, Account, give, own_account

PROMETHEUS = "prometheus"
# With `curl -K`, the password is not in a command line, which every account can read.
CURL_LOGIN = "curlrc"
PROGRAMS = ("prometheus", "alertmanager", "zipkin", "node-exporter", "postgres-exporter")
# OpenSearch has a second port, of its nodes.
OF_LOGS = ("opensearch", "opensearch-transport")


@dataclass(frozen=True)
class Observation:
    """`home` has a folder for each program, `run_dir` a socket; `ports` are those of programs by name."""

    home: Path
    run_dir: Path
    front_port: int
    password: str = field(repr=False)
    ports: dict[str, int] = field(default_factory=dict)
    certificates: Certificates = field(default_factory=Certificates)
    # Of Prometheus at the agents of brokers.
    agent_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    # Whether the logs are observed too.
    logs: bool = False

    @functools.cached_property
    def account(self) -> Account | None:
        """The account of the programs, None for ours."""
        return own_account(OBSERVE)

    def folder(self, program: str, account: Account | None = None) -> Path:
        """Make the folder of a program, which only its account may enter."""
        folder = self.home / program
        give(folder, account or self.account, PRIVATE)
        return folder

    def subfolder(self, program: str, name: str) -> Path:
        """Make a folder in that of a program."""
        folder = self.folder(program) / name
        give(folder, self.account, PRIVATE)
        return folder

    def write(self, path: Path, text: str, account: Account | None = None) -> None:
        """Write a file that only an account can read, that of the programs by default."""
        account = account or self.account
        write_private(path, text, None if account is None else (account.uid, account.gid))

    def make_folders(self) -> None:
        """Make the folder of the front's admin interface, and write the login as curl reads it, for us alone."""
        give(self.run_dir, self.account, PRIVATE)
        write_private(self.home / CURL_LOGIN, f'user = "{USER}:{self.password}"\n')

    @property
    def admin(self) -> Path:
        """The Unix socket of the front's admin interface."""
        return self.run_dir / "admin.sock"

    @property
    def stores_spans(self) -> bool:
        """Whether Zipkin was downloaded."""
        return ZIPKIN_JARS.cached() is not None

    @property
    def stores_lines(self) -> bool:
        """Whether logs are observed and OpenSearch was downloaded."""
        return self.logs and opensearch.cached() is not None

    @property
    def address(self) -> str:
        """The address of the front for people, who are asked for the login."""
        return f"http://{LOOPBACK}:{self.front_port}"


def link(address: str, password: str, path: str = "/") -> str:
    """Return an address with the login, from which the front leads to a path without it.

    Pages whose own address has a login cannot load anything in Chromium.
    """
    scheme, _, host = address.partition("://")
    return f"{scheme}://{USER}:{quote(password)}@{host}/open{path}"


@contextmanager
def observation(
    home: Path, run_dir: Path, front_port: int, password: str, brokers: Sequence[str], *, logs: bool
) -> Iterator[Observation]:
    """Return an observation whose programs, and agents of brokers, have ports that other stacks leave alone."""
    names = (*PROGRAMS, *brokers, *(OF_LOGS if logs else ()))
    by_name = dict(zip(names, ports.allocate(len(names)), strict=True))
    with ports.claimed({f"figures of {name}": port for name, port in by_name.items()}):
        yield Observation(home, run_dir, front_port, password, by_name, logs=logs)
