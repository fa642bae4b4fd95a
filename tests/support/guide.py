"""Reads the commands of a guide that are marked to be run, and runs them in order."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from stack.machine.paths import default_cache
from stack.servers.postgres_binaries import locate

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MARKED = re.compile(r"<!-- run(?:: ([\w ]+))? -->\n```(console|bash)\n(.*?)\n```", re.DOTALL)
STACK, OWN_SERVERS, COPY, ALARM, PAST = "", "own servers", "copy", "alarm", "past"
# Run in tests/kubernetes/live and in tests/observe.
CLUSTER, COLLECTOR = "cluster", "collector"
TIMEOUT_SECONDS = 240
STOP_SECONDS = 30


def commands(page: str, where: str = STACK) -> list[str]:
    """Return the scripts of a page that are to be run against a stack, own servers or in a copy of the tree."""
    found = MARKED.findall((DOCS / page).read_text())
    return [script(kind, text) for place, kind, text in found if place == where]


def sections(page: str, where: str) -> dict[str, list[str]]:
    """Return the scripts of a page that are to be run somewhere, by the title of their section."""
    parts = [part.partition("\n") for part in (DOCS / page).read_text().split("\n## ")[1:]]
    found = {
        title: [script(kind, typed) for place, kind, typed in MARKED.findall(text) if place == where]
        for title, _, text in parts
    }
    return {title: scripts for title, scripts in found.items() if scripts}


def script(kind: str, text: str) -> str:
    """Return a block as a script: of a console session the lines after `$`, with those that continue them."""
    if kind == "bash":
        return text
    lines = text.splitlines()
    typed = [line for at, line in enumerate(lines) if line.startswith("$ ") or (at and lines[at - 1].endswith("\\"))]
    return "\n".join(line.removeprefix("$ ") for line in typed)


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a reader who followed `make setup`: our commands and those of PostgreSQL are found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORDERMESH_")}
    programs = [str(Path(sys.executable).parent), str(Path(locate(None, default_cache()).program("psql")).parent)]
    cache = {"XDG_CACHE_HOME": str(default_cache().parent), "TMPDIR": "/tmp", "PYTHONPATH": str(ROOT)}
    return {**kept, "PATH": os.pathsep.join([*programs, kept["PATH"]]), **cache, **more}


class Shell:
    """Runs scripts in a folder; what they leave in the background ends with `close`."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = dict(env)
        self._groups: list[int] = []
        # Of all scripts, since programs in the background go on writing.
        self._outputs: list[int] = []

    def run(self, text: str) -> str:
        """Run a script to the end of its foreground and return what it printed. Fails with all that it printed."""
        with tempfile.TemporaryFile("w+") as output:
            self._outputs.append(os.dup(output.fileno()))
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            code = process.wait(TIMEOUT_SECONDS)
            if has_members(process.pid):
                self._groups.append(process.pid)
        printed = [self._printed(output) for output in self._outputs]
        assert code == 0, f"{text}\nended with {code}:\n" + "\n".join(printed)
        return printed[-1]

    @staticmethod
    def _printed(output: int) -> str:
        return os.pread(output, os.fstat(output).st_size, 0).decode(errors="replace")

    def close(self) -> None:
        """End what runs in the background, as a service manager does: SIGTERM, and SIGKILL after a while."""
        for group in filter(has_members, self._groups):
            os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while (left := [group for group in self._groups if has_members(group)]) and time.monotonic() < deadline:
            time.sleep(0.1)
        for group in left:
            os.killpg(group, signal.SIGKILL)
        for output in self._outputs:
            os.close(output)
        self._groups, self._outputs = [], []


def has_members(group: int) -> bool:
    """Return whether a process group has processes."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
