"""Ports of this machine: free ones, claims among stacks, and the process that uses a taken one."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
from collections.abc import Iterator, Mapping

from stack.errors import PortTaken
from stack.processes import proc

LOOPBACK = "127.0.0.1"
# Below the ephemeral ports: no client connection takes one between our check and our bind.
AUTO_RANGE = range(20_000, 32_000)
LISTEN_STATE = "0A"
COMMAND_CHARACTERS = 40
REMEDY = "stop the process that uses it, set another port, or move all ports: `ordermesh up --port-offset 1000`"


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port now; sockets in TIME_WAIT do not matter."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def allocate(count: int) -> list[int]:
    """Return `count` free ports, chosen at random so that concurrent stacks rarely collide. Raises PortTaken."""
    found: list[int] = []
    for port in random.sample(AUTO_RANGE, len(AUTO_RANGE)):
        if is_usable(port):
            found.append(port)
        if len(found) == count:
            return found
    raise PortTaken(f"fewer than {count} free ports between {AUTO_RANGE.start} and {AUTO_RANGE.stop - 1} on {LOOPBACK}")


def listening_inodes(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on a port."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = (proc.PROC / "net" / table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == LISTEN_STATE and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def holder(port: int) -> int | None:
    """Return the pid of the process that listens on a port, None for none or one of another user."""
    wanted = {f"socket:[{inode}]" for inode in listening_inodes(port)}
    if not wanted:
        return None
    for pid in proc.pids():
        folder = proc.PROC / str(pid) / "fd"
        try:
            if any(os.readlink(folder / name) in wanted for name in os.listdir(folder)):
                return pid
        except OSError:
            continue
    return None


def describe_holder(port: int) -> str:
    """Return a description of the process that listens on a port."""
    pid = holder(port)
    if pid is None:
        return "a process of another user"
    return f"process {pid} ({shortened(proc.command_line(pid))})"


def shortened(command_line: str) -> str:
    """Return the program's name and its first arguments, at most COMMAND_CHARACTERS."""
    program, _, rest = command_line.partition(" ")
    words = f"{os.path.basename(program)} {rest}".strip()
    return words if len(words) <= COMMAND_CHARACTERS else words[: COMMAND_CHARACTERS - 3] + "..."


def is_usable(port: int) -> bool:
    """Return whether a stack could use this port: nothing listens there and no stack has claimed it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        # Connects instead of binding, which could fail the claim of another stack.
        return probe.connect_ex(claim_address(port)) != 0 and is_free(port)


def claim_address(port: int) -> str:
    """Return the abstract Unix address that represents a port.

    Like the port, it is exclusive in its network namespace, and is released when the process ends.
    """
    return f"\0ordermesh-port-{port}"


def try_claim(port: int) -> socket.socket | None:
    """Claim a port among the stacks of this machine until the result is closed; return None when it is claimed."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(claim_address(port))
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return claim


@contextlib.contextmanager
def claimed(ports: Mapping[str, int]) -> Iterator[None]:
    """Claim free ports, so that no other stack takes one before it is used.

    Raises PortTaken with every port that is taken; the keys are their purposes.
    """
    with contextlib.ExitStack() as held:
        # In the same order everywhere: of two stacks that want the same ports, one gets all of them.
        for port in sorted(set(ports.values())):
            claim = try_claim(port)
            if claim is None:
                break
            held.enter_context(claim)
        else:
            require_free(ports)
            yield
            return
    require_free(ports)
    raise PortTaken(f"port {port} is claimed by another stack that is starting: {REMEDY}")


def require_free(ports: Mapping[str, int]) -> None:
    """Raise PortTaken with every port that is taken; the keys are their purposes."""
    taken = [
        f"port {port} ({purpose}) is taken by {describe_holder(port)}"
        for purpose, port in ports.items()
        if not is_free(port)
    ]
    if taken:
        raise PortTaken("\n".join([*taken, REMEDY]))
