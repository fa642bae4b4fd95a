"""Who runs a command or a stack, for the audit log: the account and its terminal."""

from __future__ import annotations

import os
import pwd
import socket

from runtime.audit.entries import Origin
from runtime.identity import caller


def origin() -> Origin:
    """Return the origin of what this process does. Not by the environment, which anybody can set."""
    uid = os.getuid()
    try:
        account = pwd.getpwuid(uid).pw_name
    except KeyError:
        account = str(uid)
    return Origin(caller.ROLE_NAMES[caller.OPERATOR], account, f"{socket.gethostname()} {terminal()}")


def terminal() -> str:
    """Return the terminal of this process."""
    for descriptor in range(3):
        try:
            return os.ttyname(descriptor)
        except OSError:
            continue
    return "without a terminal"
