"""Signals: the first SIGTERM or SIGINT asks a process to finish what it has in hand."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import threading

# Envoy asks for the health this often (see envoy/); a drain waits until it must have seen NOT_SERVING.
DRAIN_NOTICE_SECONDS = 1.5
DRAIN_GRACE_SECONDS = 10.0
PR_SET_PDEATHSIG = 1


def on_signal_async() -> asyncio.Event:
    """Return an event of the running loop that the first SIGTERM or SIGINT sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def on_signal() -> threading.Event:
    """Return an event that the first SIGTERM or SIGINT sets; call it in the main thread."""
    stop = threading.Event()

    def ask(*_: object) -> None:
        # The handler interrupts the main thread, which may hold the event's own lock just then.
        threading.Thread(target=stop.set, name="signal").start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to end this process when its parent ends, so that a killed supervisor leaves no orphan."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGKILL)
