"""Runs the `ordermesh` command as a person does, and looks after what it leaves."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import forked_programs
from waiting import await_true

from runtime.kafka.settings import KafkaSettings
from stack.machine.paths import default_cache
from stack.processes import proc
from stack.processes.server_account import Account
from stack.servers.credentials import load_or_create
from stack.settings import StackSettings
from stack.supervision.status import StackStatus, read_status

ITEM = {"productId": "p1", "quantity": 2, "price": 10}
JSON = {"content-type": "application/json"}


def as_person(person: Account) -> tuple[str, ...]:
    """Return the start of a command line that runs as another person than root."""
    # The capability to read stands for a Python that everybody can reach; root's own may be closed to others.
    read = "+dac_read_search"
    user = (f"--reuid={person.uid}", f"--regid={person.gid}", "--clear-groups")
    return ("setpriv", *user, f"--inh-caps={read}", f"--ambient-caps={read}")


def ports_of(pid: int) -> set[int]:
    """Return the TCP ports that a process listens on; Java's sockets are of IPv6 for addresses of IPv4 too."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    known = {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == proc.LISTEN}
    return {port for port in known if proc.listens(pid, port)}


class Place:
    """A state folder with free ports in the environment, as settings name them."""

    def __init__(self, home: Path, prefix: tuple[str, ...] = ()) -> None:
        self.home = home
        self._prefix = prefix
        self.ports = StackSettings.with_free_ports().local_ports()
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ORDERMESH_")},
            **{name: str(port) for name, port in self.ports.items()},
            "ORDERMESH_HOME": str(home),
            "COLUMNS": "200",
            "TMPDIR": "/tmp",
            "XDG_CACHE_HOME": str(default_cache().parent),
        }
        self._foreground: list[subprocess.Popen[str]] = []

    def command(self, *words: str) -> list[str]:
        """Return the command line of the installed command."""
        return [*self._prefix, str(Path(sys.executable).with_name("ordermesh")), *words]

    def run(
        self, *words: str, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; what starts a stack or is another person's has a process of its own."""
        environment = {**self.env, **(env or {})}
        if not self._prefix and words[:1] != ("up",):
            return forked_programs.run("cli", *words, env=environment, cwd=cwd)
        return subprocess.run(
            self.command(*words), env=environment, cwd=cwd, capture_output=True, text=True, timeout=110
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command that stays, with its output in a file."""
        output = (self.home / "foreground.txt").open("w")
        made = subprocess.Popen(
            self.command(*words), env=self.env, stdout=output, stderr=output, text=True, start_new_session=True
        )
        output.close()
        self._foreground.append(made)
        return made

    def said(self) -> str:
        """Return what the command that stays has printed."""
        return (self.home / "foreground.txt").read_text()

    @property
    def status(self) -> StackStatus:
        """What the state folder says runs."""
        known = read_status(self.home / "stack.json")
        assert known is not None
        return known

    def kafka(self, user: str) -> KafkaSettings:
        """Return the settings with which a client is a user of the stack's Kafka."""
        properties = load_or_create(self.home / "credentials.json").kafka(user)
        return KafkaSettings(kafka_bootstrap=self.status.addresses["kafka"], kafka_properties=properties)

    def ready(self) -> bool:
        """Say whether everything is ready."""
        known = read_status(self.home / "stack.json")
        return known is not None and known.ready

    def pids(self) -> list[int]:
        """Return every process of the stack: its supervisor, the components and what is below them."""
        own = [one.pid for one in self.status.components.values() if one.pid is not None]
        return [self.status.supervisor.pid, *own, *(child for pid in own for child in proc.descendants(pid))]

    def await_gone(self, pids: list[int]) -> None:
        """Block until none of the processes runs."""

        def left() -> list[int]:
            return [pid for pid in pids if proc.identify(pid) is not None]

        await_true(lambda: not left(), lambda: str([proc.command_line(pid) for pid in left()]))

    def ask(self, path: str, body: object = None) -> Any:
        """Ask the front proxy."""
        data = None if body is None else json.dumps(body).encode()
        url = self.status.addresses["rest"] + path
        with urllib.request.urlopen(urllib.request.Request(url, data, JSON), timeout=20) as reply:
            return json.load(reply)

    def order(self) -> str:
        """Create an order and return its id."""
        return str(self.ask("/orders", {"customerId": "cust-cli", "items": [ITEM]})["orderId"])

    def kill_everything(self) -> None:
        """Kill every process of the stack at once."""
        pids = self.pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.await_gone(pids)

    def clear(self) -> None:
        """Stop what still runs; where no stack was started there is no status file."""
        if (self.home / "stack.json").exists():
            self.run("down")
        for one in self._foreground:
            if one.poll() is None:
                one.kill()
            one.wait()
