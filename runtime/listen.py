"""Addresses that services listen on: `unix:/path` or `host:port`."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The kernel's limit for a Unix socket's path, with its closing zero byte.
MAX_SOCKET_PATH_BYTES = 107


def socket_path(address: str) -> Path | None:
    """Return the path of a `unix:` address, None for host:port. Raises ValueError when neither fits."""
    if not address.startswith("unix:"):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"{address!r} is neither unix:/path nor host:port")
        return None
    path = Path(address.removeprefix("unix:"))
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise ValueError(f"socket path {path} is longer than {MAX_SOCKET_PATH_BYTES} bytes")
    return path


@contextmanager
def binding(address: str) -> Iterator[str]:
    """Clear a stale socket and bind with mode 0600. Raises OSError when another process listens there."""
    path = socket_path(address)
    if path is not None:
        refuse_live(path)
        path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        yield address
    finally:
        os.umask(before)


def refuse_live(path: Path) -> None:
    """Raise OSError when something answers at the socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise OSError(f"another process listens on {path}")
