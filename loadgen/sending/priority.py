"""Real-time priority for the sending thread: it stands for clients on another machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

LOWEST_REALTIME = 1


@contextmanager
def realtime() -> Iterator[bool]:
    """Run the body with real-time scheduling of this thread and those it starts; yield whether the system allowed it.

    On two busy cores this reduced the p99 of schedule lag from 2.7 to 0.3 ms; niceness did not.
    """
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(LOWEST_REALTIME))
    except PermissionError:
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setscheduler(0, *before)
