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

PR_SET_PDEATHSIG = 1
KEEP_USER = -1


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
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        sys.exit("the parent process has ended")


def exec_program(parent_pid: int, death_signal: int, uid: int, gid: int, confinement: str, program: list[str]) -> None:
    """Switch to uid and gid, have death_signal sent when the parent ends, and exec the program. Raises OSError.

    `confinement` is a JSON object of what the program may access, empty for everything that the account may.
    """
    # Before setuid: the account may not enter the folders above every path.
    rules = confinement_rules(confinement)
    if uid != KEEP_USER:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # Only after setuid, which clears the death signal.
    end_with_parent(parent_pid, death_signal)
    if rules is not None:
        landlock().restrict(rules)
    os.execv(program[0], program)  # noqa: S606  # runs the program with its arguments as they are


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
        parent, death, user, group = (int(word) for word in sys.argv[1:5])
        exec_program(parent, death, user, group, sys.argv[5], sys.argv[6:])
    except OSError as error:
        sys.exit(f"cannot start {sys.argv[6]}: {error}")
