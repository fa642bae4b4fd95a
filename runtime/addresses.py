"""Addresses that services listen on: `unix:/path` or `host:port`, as types of settings and as sockets."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

# The names of this machine, as a Host header has them without the port.
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# The kernel's limit for the path of a Unix socket, without its terminating zero byte.
MAX_SOCKET_PATH_BYTES = 107


def socket_path(address: str) -> Path | None:
    """Return the path of a `unix:` address, None for host:port. Raises ValueError when it is neither."""
    if not address.startswith("unix:"):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"{address!r} is neither unix:/path nor host:port")
        return None
    path = Path(address.removeprefix("unix:"))
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise ValueError(f"socket path {path} is longer than {MAX_SOCKET_PATH_BYTES} bytes")
    return path


def is_on_this_machine(address: str) -> bool:
    """Return whether only this machine can reach an address: a Unix socket, or a port on loopback."""
    if socket_path(address) is not None:
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_address(address: str) -> str:
    """Return the address unchanged. Raises ValueError when it is invalid."""
    socket_path(address)
    return address


def checked_port(address: str) -> str:
    """Return host:port unchanged. Raises ValueError when it is something else."""
    if socket_path(address) is not None:
        raise ValueError(f"{address!r} is not host:port")
    return address


# unix:/path or host:port.
Address = Annotated[str, AfterValidator(checked_address)]
# host:port only.
PortAddress = Annotated[str, AfterValidator(checked_port)]


@contextmanager
def binding(address: str) -> Iterator[str]:
    """Remove a stale socket, and let the body bind. Raises OSError when another process listens.

    The socket is for our account alone; in a folder that hands on its group (set-group-ID), for that group as well.
    """
    path = socket_path(address)
    if path is not None:
        raise_if_in_use(path)
        path.unlink(missing_ok=True)
    before = os.umask(0o117 if path is not None and path.parent.stat().st_mode & stat.S_ISGID else 0o177)
    try:
        yield address
    finally:
        os.umask(before)


def raise_if_in_use(path: Path) -> None:
    """Raise OSError when a process listens on the socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise OSError(f"another process listens on {path}")
