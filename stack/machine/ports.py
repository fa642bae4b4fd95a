"""Ports of this machine: free ones, claims among stacks, and the process that uses a taken one."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import random
import socket
import sys
from collections.abc import Callable, Iterator, Mapping

from stack.errors import PortTaken
from stack.processes import proc

LOOPBACK = "127.0.0.1"
LOOPBACK_6 = "::1"
# Below the ephemeral ports: no client connection takes one between our check and our bind.
AUTO_RANGE = range(20_000, 32_000)
LISTEN_STATE = "0A"
# A client of this machine reaches the servers on these.
REACHED = ("127.0.0.1", "0.0.0.0"), ("::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0")  # noqa: S104 - only compared
COMMAND_CHARACTERS = 40
REMEDY = "stop the process that uses it, set another port, or move all ports: `ordermesh up --port-offset 1000`"


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port now; sockets in TIME_WAIT do not matter.

    Also on [::1], where clients that connect to `localhost` ask first.
    """
    return is_free_at(socket.AF_INET, LOOPBACK, port) and (
        not has_ipv6() or is_free_at(socket.AF_INET6, LOOPBACK_6, port)
    )


def is_free_at(family: int, host: str, port: int) -> bool:
    """Return whether a server could listen on this address now."""
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


@functools.cache
def has_ipv6() -> bool:
    """Return whether this machine has [::1]."""
    return socket.has_ipv6 and is_free_at(socket.AF_INET6, LOOPBACK_6, 0)


def allocate(count: int) -> list[int]:
    """Return `count` free ports, chosen at random so that concurrent stacks rarely collide. Raises PortTaken."""
    found: list[int] = []
    for port in random.sample(AUTO_RANGE, len(AUTO_RANGE)):
        if is_usable(port):
            found.append(port)
        if len(found) == count:
            return found
    raise PortTaken(f"fewer than {count} free ports between {AUTO_RANGE.start} and {AUTO_RANGE.stop - 1} on {LOOPBACK}")


def listeners(port: int) -> set[str]:
    """Return the sockets that a client of this machine can reach at a port, as in /proc/PID/fd."""
    found = set()
    for table, hosts in zip(("tcp", "tcp6"), REACHED, strict=True):
        family = socket.AF_INET if table == "tcp" else socket.AF_INET6
        wanted = {f"{in_table(family, host)}:{port:04X}" for host in hosts}
        try:
            text = (proc.PROC / "net" / table).read_text()
        except FileNotFoundError:
            continue
        for row in text.splitlines():
            # Before the row is split: there may be thousands of connections.
            if f" {LISTEN_STATE} " in row and (fields := row.split())[1] in wanted:
                found.add(f"socket:[{fields[9]}]")
    return found


def in_table(family: int, host: str) -> str:
    """Return an address as in /proc/net/tcp: words of 32 bits in the byte order of the machine."""
    packed = socket.inet_pton(family, host)
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def sockets_of(pid: int) -> set[str]:
    """Return what the descriptors of a process are, empty for one that has ended or is of another user."""
    folder = proc.PROC / str(pid) / "fd"
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                found.add(os.readlink(folder / name))
    return found


def holder(wanted: set[str]) -> int | None:
    """Return the pid of a process that has one of the sockets, None for none or one of another user."""
    if not wanted:
        return None
    return next((pid for pid in proc.pids() if sockets_of(pid) & wanted), None)


def describe_holder(wanted: set[str]) -> str:
    """Return a description of a process that has one of the sockets."""
    pid = holder(wanted)
    if pid is None:
        return "a process of another user"
    return f"process {pid} ({shortened(proc.command_line(pid))})"


def others(port: int, pid: Callable[[], int | None]) -> str:
    """Return who listens at a port besides a process of ours, empty for nobody.

    It is read twice, because our process may end between the sockets of the port and its own.
    """

    def found() -> set[str]:
        return listeners(port) - sockets_of(pid() or 0)

    first = found()
    both = first & found() if first else first
    return describe_holder(both) if both else ""


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
        f"port {port} ({purpose}) is taken by {describe_holder(listeners(port))}"
        for purpose, port in ports.items()
        if not is_free(port)
    ]
    if taken:
        raise PortTaken("\n".join([*taken, REMEDY]))
