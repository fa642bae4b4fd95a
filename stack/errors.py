"""What can keep the stack from running, each with a sentence a person can act on.

StackError
├── SettingInvalid   a setting or an address that cannot be used
├── ServerMissing    a program or package that is not on this machine
├── StateInUse       another stack holds the state folder
├── PortTaken        a port that something else listens on
└── ServerFailed     a process that ended or did not become ready
"""

from __future__ import annotations


class StackError(Exception):
    """Says why the stack cannot go on, in words for the person who started it."""


class SettingInvalid(StackError):
    """Names a setting that cannot be used and what would be right."""


class ServerMissing(StackError):
    """Names a program that is not installed and how to get it."""


class StateInUse(StackError):
    """Says that another running stack holds the state folder."""


class PortTaken(StackError):
    """Says which port is taken and, where it can be seen, by whom."""


class ServerFailed(StackError):
    """Says which process ended or stayed silent, and the last lines it wrote."""
