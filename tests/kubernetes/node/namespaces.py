"""Linux namespaces that a process holds open, and programs in them, which all end with it."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

CLONE_NEWNET = 0x40000000
ENDING_SECONDS = 20


class Namespaces:
    """A set of namespaces: of the network, and with `whole` of mounts and processes as well.

    Ends with the process that made it, however that ends.
    """

    def __init__(self, folder: Path, *, whole: bool) -> None:
        self._folder = folder
        self._kinds = ["--net", "--mount", "--pid"] if whole else ["--net"]
        holder = ["unshare", *self._kinds, *(["--fork", "--kill-child", "--mount-proc"] if whole else [])]
        self._holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *holder, "sh", "-c", "echo held; exec sleep infinity"],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"held\n":
            raise RuntimeError("unshare was refused")
        parent = self._holder.pid
        self.pid = int(Path(f"/proc/{parent}/task/{parent}/children").read_text()) if whole else parent

    def _enter(self, argv: tuple[str | Path, ...]) -> list[str]:
        return ["nsenter", f"--target={self.pid}", *self._kinds, "--", *map(str, argv)]

    def run(self, *argv: str | Path, env: Mapping[str, str] | None = None, given: str | None = None) -> str:
        """Run a program to its end and return its output. Raises RuntimeError with its complaints when it fails."""
        done = subprocess.run(self._enter(argv), capture_output=True, text=True, env=env, input=given)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, argv))} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def start(self, *argv: str | Path, env: Mapping[str, str] | None = None) -> None:
        """Start a program that runs until the namespaces end; its log is in the folder by its name."""
        with (self._folder / f"{Path(argv[0]).name}.log").open("ab") as log:
            command = ["nice", "-n", "5", *self._enter(argv)]
            subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)

    def enter_network(self) -> None:
        """Move this thread, and what it starts from now on, into the network."""
        with open(f"/proc/{self.pid}/ns/net") as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def end(self) -> None:
        """Kill everything in the namespaces and wait for it to be gone."""
        self._holder.kill()
        self._holder.wait(ENDING_SECONDS)
