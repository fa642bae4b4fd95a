"""Shutdown: the first SIGTERM or SIGINT makes a process finish its work in flight, within a time limit.

Each level waits longer than the level below: DRAIN_SECONDS < SUPERVISOR_SECONDS < STOP_SECONDS, and the
`stop_grace_period` in docker-compose.yml is at least STOP_SECONDS.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

from runtime.exit_codes import ExitCode

# Longer than the interval of Envoy's health checks (see envoy/), so that Envoy has seen NOT_SERVING.
DRAIN_NOTICE_SECONDS = 1.5
# For requests in flight, on all servers of a process together.
DRAIN_GRACE_SECONDS = 10.0
# For closing servers, connection pools and consumers.
CLOSE_SECONDS = 1.5
# A process exits within this time after the signal, drained or not.
DRAIN_SECONDS = DRAIN_NOTICE_SECONDS + DRAIN_GRACE_SECONDS + CLOSE_SECONDS
# A supervisor kills the processes that are left after this time.
SUPERVISOR_SECONDS = DRAIN_SECONDS + 1.0
# How long to wait at least for a service after SIGTERM.
STOP_SECONDS = SUPERVISOR_SECONDS + 2.0


def on_signal_async() -> asyncio.Event:
    """Return an event of the running loop that the first SIGTERM or SIGINT sets.

    The process exits within DRAIN_SECONDS after it.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        end_within(DRAIN_SECONDS)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    return stop


async def stops_within(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for this long, or until `stop` is set; return whether it is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True


def on_signal(seconds: float = DRAIN_SECONDS) -> threading.Event:
    """Return an event that the first SIGTERM or SIGINT sets; the process exits within `seconds` after it.

    Call it in the main thread.
    """
    stop = threading.Event()

    def set_stop() -> None:
        end_within(seconds)
        stop.set()

    def ask(*_: object) -> None:
        # The handler interrupts the main thread, which may hold the lock of the event.
        threading.Thread(target=set_stop, name="signal").start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop


def end_within(seconds: float) -> None:
    """Exit this process after so many seconds, whatever it does."""

    def end() -> None:
        time.sleep(seconds)
        # Not with the logger: another thread may hold its lock.
        os.write(2, f"not drained within {seconds:g} s, exiting\n".encode())
        os._exit(ExitCode.NOT_DRAINED)

    threading.Thread(target=end, name="end-within", daemon=True).start()
