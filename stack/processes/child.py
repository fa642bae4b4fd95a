"""Becomes another program that ends with its parent; run as a script, imports nothing of ours."""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
KEEP_USER = -1


def become(parent: int, death_signal: int, uid: int, gid: int, program: list[str]) -> None:
    """Drop to uid and gid, ask for death_signal when the parent ends, and exec the program."""
    if uid != KEEP_USER:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # Only after setuid, which clears it; and the parent may have ended before it was asked for.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")
    os.execv(program[0], program)  # noqa: S606 - becoming the program, with its arguments as they are, is the point


if __name__ == "__main__":
    try:
        parent_pid, signal_number, user, group = (int(word) for word in sys.argv[1:5])
        become(parent_pid, signal_number, user, group, sys.argv[5:])
    except OSError as error:
        sys.exit(f"cannot start {sys.argv[5]}: {error}")
