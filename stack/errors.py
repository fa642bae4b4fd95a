"""Why a stack cannot start or continue, each with a message that the user can act on.

StackError
├── SettingInvalid   a setting or an address is invalid
├── ServerMissing    a program or package is not installed
├── DownloadFailed   a jar cannot be downloaded, or is not the locked one
├── StateInUse       another stack uses the state folder
├── PortTaken        another process listens on a port
└── ServerFailed     a process ended or did not become ready
"""

from __future__ import annotations


class StackError(Exception):
    """The base of these errors."""


class SettingInvalid(StackError):
    """Names the invalid setting and what is valid."""


class ServerMissing(StackError):
    """Names the missing program and how to install it."""


class DownloadFailed(StackError):
    """Names the jar, and what is wrong with it."""


class StateInUse(StackError):
    """Names the running stack that uses the state folder."""


class PortTaken(StackError):
    """Names the port and, when it is visible, the process that listens on it."""


class ServerFailed(StackError):
    """Names the process, with its last log lines."""
