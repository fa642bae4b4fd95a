"""The one-time link that opens a session of the dashboard."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from stack.identity.sessions import COMMANDS_SOCKET
from stack.supervision.status import StackStatus

ANSWER_SECONDS = 5.0


def dashboard_link(status: StackStatus) -> str:
    """Return the address of the dashboard, with a new code when callers are authenticated."""
    address = f"{status.addresses['rest']}/"
    code = "" if status.authentication == "off" else new_code(Path(status.run_dir).parent / COMMANDS_SOCKET)
    return f"{address}login#{code}" if code else address


def new_code(path: Path) -> str:
    """Return a code of the running stack, empty when it gives none."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(ANSWER_SECONDS)
        asking.connect(str(path))
        asking.sendall(b"code\n")
        return asking.makefile().readline().strip()
    return ""
