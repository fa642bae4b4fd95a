"""Signals: the first SIGTERM or SIGINT asks a process to finish what it has in hand, within a time that is bounded.

Whoever stops a process waits longer than the process takes: DRAIN_SECONDS < SUPERVISOR_SECONDS < STOP_SECONDS, and
docker-compose.yml gives at least the last.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

from runtime.exit_codes import ExitCode

# Envoy asks for the health this often (see envoy/); a drain waits until it must have seen NOT_SERVING.
DRAIN_NOTICE_SECONDS = 1.5
# For the calls in flight, on all servers of a process at once.
DRAIN_GRACE_SECONDS = 10.0
# For everything after them: closing servers, pools and consumers.
CLOSE_SECONDS = 1.5
# A process that is asked to stop ends within this time, if need be by force.
DRAIN_SECONDS = DRAIN_NOTICE_SECONDS + DRAIN_GRACE_SECONDS + CLOSE_SECONDS
# A supervisor ends the processes that are left after this time.
SUPERVISOR_SECONDS = DRAIN_SECONDS + 1.0
# Whoever stops a service of ours waits for so long at least.
STOP_SECONDS = SUPERVISOR_SECONDS + 2.0


def on_signal_async() -> asyncio.Event:
    """Return an event of the running loop that the first SIGTERM or SIGINT sets; the process ends in DRAIN_SECONDS."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        end_within(DRAIN_SECONDS)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    return stop


def on_signal(seconds: float = DRAIN_SECONDS) -> threading.Event:
    """Return an event that the first SIGTERM or SIGINT sets; the process ends within `seconds` of it.

    Call it in the main thread.
    """
    stop = threading.Event()

    def set_stop() -> None:
        end_within(seconds)
        stop.set()

    def ask(*_: object) -> None:
        # The handler interrupts the main thread, which may hold the event's own lock just then.
        threading.Thread(target=set_stop, name="signal").start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop


def end_within(seconds: float) -> None:
    """End this process after so many seconds, whatever it does then."""

    def end() -> None:
        time.sleep(seconds)
        # Not by the logger: another thread may hold its lock for good.
        os.write(2, f"not drained within {seconds:g} s, ended\n".encode())
        os._exit(ExitCode.NOT_DRAINED)

    threading.Thread(target=end, name="end-within", daemon=True).start()
