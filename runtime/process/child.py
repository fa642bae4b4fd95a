"""A child process that ends with its parent: one of our programs, or as a script any other program.

The script runs without our packages: it imports the standard library alone.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from types import ModuleType

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 8, 38, 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITIES_VERSION = 0x20080522
CAP_DAC_READ_SEARCH = 2
KEEP_USER = -1

_libc = ctypes.CDLL(None, use_errno=True)


def run_child(work: Callable[[int], None]) -> None:
    """Run the work of a supervisor's child; the last two arguments are its index and its parent's pid.

    SIGINT is ignored: the parent handles it.
    """
    index, parent_pid = map(int, sys.argv[-2:])
    end_with_parent(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work(index)


def end_with_parent(parent_pid: int, death_signal: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent ends, so that a killed parent leaves no orphan.

    Exits when the parent has ended already. Raises OSError.
    """
    set_attribute(PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != parent_pid:
        sys.exit("the parent process has ended")


def exec_program(
    parent_pid: int, death_signal: int, uid: int, gid: int, passes_modes: int, confinement: str, program: list[str]
) -> None:
    """Switch to uid and gid, have death_signal sent when the parent ends, and exec the program. Raises OSError.

    `confinement` is a JSON object of what the program may access, empty for everything that the account may. With
    `passes_modes` it reads and enters whatever the mode bits say, so only with a confinement.
    """
    if passes_modes and not confinement:
        raise OSError("only a confined program may pass mode bits")
    # Before setuid: the account may not enter the folders above every path.
    rules = confinement_rules(confinement)
    if uid != KEEP_USER:
        set_attribute(PR_SET_KEEPCAPS, passes_modes)
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        if passes_modes:
            keep_capability(CAP_DAC_READ_SEARCH)
    # Only after setuid, which clears the death signal.
    end_with_parent(parent_pid, death_signal)
    set_attribute(PR_SET_NO_NEW_PRIVS, 1)
    if rules is not None:
        landlock().restrict(rules)
    os.execv(program[0], program)  # noqa: S606  # runs the program with its arguments as they are


def set_attribute(attribute: int, value: int, argument: int = 0) -> None:
    """Set an attribute of this process. Raises OSError."""
    if _libc.prctl(attribute, value, argument, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({attribute}) failed")


def keep_capability(number: int) -> None:
    """Drop every capability but one, which the programs that this process starts have as well. Raises OSError."""
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION, 0)
    # Effective, permitted and inheritable, of numbers below 32 and above.
    sets = (ctypes.c_uint32 * 6)(*[1 << number] * 3)
    if _libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset failed")
    set_attribute(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)


def confinement_rules(confinement: str) -> int | None:
    """Return a descriptor of the rules of a confinement, None without one. Raises OSError."""
    return landlock().ruleset(json.loads(confinement)) if confinement else None


def landlock() -> ModuleType:
    """Return the module of our package beside this file: as a script we have no package."""
    folder = os.path.dirname(os.path.abspath(__file__))
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("landlock")


if __name__ == "__main__":
    try:
        parent, death, user, group, passes = (int(word) for word in sys.argv[1:6])
        exec_program(parent, death, user, group, passes, sys.argv[6], sys.argv[7:])
    except OSError as error:
        sys.exit(f"cannot start {sys.argv[7]}: {error}")
