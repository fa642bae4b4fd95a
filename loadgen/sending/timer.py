"""A timer with microsecond resolution for the event loop, whose own timers have a resolution of a millisecond."""

import asyncio
import ctypes
import os
from collections.abc import Callable

NANOSECONDS = 1_000_000_000
CLOCK_MONOTONIC = 1
TFD_TIMER_ABSTIME = 1


class _TimerSpec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("interval_s", "interval_ns", "value_s", "value_ns")]


_libc = ctypes.CDLL(None, use_errno=True)


class PreciseTimer:
    """Calls back once at a time of the monotonic clock, through a Linux timerfd; at once if it has passed."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._callback = callback
        self._armed = False
        self._closed = False
        self._descriptor: int = _libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._loop.add_reader(self._descriptor, self._fire)

    def arm(self, at_ns: int) -> None:
        """Set the time of the next callback, replacing an earlier one."""
        self._armed = True
        self._set(max(at_ns, 1))

    def close(self) -> None:
        """Stop the timer and close the descriptor."""
        self._closed = True
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _set(self, at_ns: int) -> None:
        spec = _TimerSpec(0, 0, *divmod(at_ns, NANOSECONDS))
        if _libc.timerfd_settime(self._descriptor, TFD_TIMER_ABSTIME, ctypes.byref(spec), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")

    def _fire(self) -> None:
        """Call back; arming again, or disarming, also clears the descriptor, so that it need not be read."""
        self._armed = False
        self._callback()
        if not self._armed and not self._closed:
            self._set(0)
