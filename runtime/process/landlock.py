"""Confines this process by Landlock, a Linux security module: to paths, and to TCP ports where the kernel knows them.

It imports the standard library alone, as `child` does.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable, Mapping
from typing import Any

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH, RULE_NET_PORT = 1, 2
PR_SET_NO_NEW_PRIVS = 38
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
# The rights on files and folders that a version knows; the first one has 13 of them.
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
PORTS_VERSION = 4
# Sockets in the abstract namespace, and signals to processes outside.
SCOPES, SCOPES_VERSION = 1 << 0 | 1 << 1, 6

_libc = ctypes.CDLL(None, use_errno=True)


class RulesetAttributes(ctypes.Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class PathRule(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("parent", ctypes.c_int32))


class PortRule(ctypes.Structure):
    """struct landlock_net_port_attr."""

    _fields_ = (("rights", ctypes.c_uint64), ("port", ctypes.c_uint64))


def version() -> int:
    """Return the version of Landlock that the kernel has, 0 without Landlock."""
    known = int(_libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION))
    return max(known, 0)


def ruleset(allowed: Mapping[str, Any]) -> int | None:
    """Return a descriptor of the rules, None without Landlock; `allowed` are the fields of a Confinement.

    Paths that do not exist are left out. Raises OSError.
    """
    known = version()
    if known == 0:
        return None
    rights = (1 << FILE_RIGHTS[min(known, max(FILE_RIGHTS))]) - 1
    ports = _ports(allowed) if known >= PORTS_VERSION else {}
    attributes = RulesetAttributes(rights, _handled(allowed, known), SCOPES if known >= SCOPES_VERSION else 0)
    # Older kernels take a longer structure whose unknown fields are 0.
    rules: int = _checked(CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(ctypes.sizeof(attributes)), 0)
    readable = READ_FILE | READ_DIR
    _allow_paths(rules, allowed["listable"], READ_DIR)
    _allow_paths(rules, allowed["readable"], readable)
    _allow_paths(rules, allowed["executable"], readable | EXECUTE)
    _allow_paths(rules, allowed["writable"], rights & ~(EXECUTE | MAKE_CHAR | MAKE_BLOCK))
    for port, port_rights in ports.items():
        rule = PortRule(port_rights, port)
        _checked(ADD_RULE, rules, RULE_NET_PORT, ctypes.byref(rule), 0)
    return rules


def restrict(rules: int) -> None:
    """Confine this process and its children to the rules, for good. Raises OSError."""
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS) failed")
    _checked(RESTRICT_SELF, rules, 0)
    os.close(rules)


def _handled(allowed: Mapping[str, Any], known: int) -> int:
    if known < PORTS_VERSION:
        return 0
    bind = BIND_TCP if allowed["bind_ports"] is not None else 0
    return bind | (CONNECT_TCP if allowed["connect_ports"] is not None else 0)


def _ports(allowed: Mapping[str, Any]) -> dict[int, int]:
    rights: dict[int, int] = {}
    for name, right in (("bind_ports", BIND_TCP), ("connect_ports", CONNECT_TCP)):
        for port in allowed[name] or ():
            rights[port] = rights.get(port, 0) | right
    return rights


def _allow_paths(rules: int, paths: Iterable[str], rights: int) -> None:
    for path in paths:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        own = rights if stat.S_ISDIR(os.fstat(opened).st_mode) else rights & OF_A_FILE
        rule = PathRule(own, opened)
        try:
            _checked(ADD_RULE, rules, RULE_PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(opened)


def _checked(*call: Any) -> int:
    result = int(_libc.syscall(*call))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock refuses a rule: {os.strerror(error)}")
    return result
