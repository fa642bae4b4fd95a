"""One stack for tests of several folders that leave it whole; tests/conftest.py stops it after the last of them."""

from __future__ import annotations

import contextlib

from seed import seeded_stack

from stack.running_stack import RunningStack

_held = contextlib.ExitStack()
_running: list[RunningStack] = []


def shared_stack() -> RunningStack:
    """Return the running stack of this process, started when there is none."""
    if not _running:
        _running.append(_held.enter_context(seeded_stack()))
    return _running[0]


def stop_shared_stack() -> None:
    """Stop the stack; the next test that asks for one gets a new one."""
    _running.clear()
    _held.close()
