"""Runs processes one at a time, in an order that a seed decides, on a clock of its own.

Each process has a thread, and only the one that holds the baton runs. It passes the baton on wherever it would wait for
a server: at each of these points another process may run, time passes, and the process may be killed.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from random import Random

Condition = Callable[[], bool]
MEAN_STEP_SECONDS = 0.01


class Killed(BaseException):
    """The process was killed: nothing that it still does has an effect."""


class Process:
    """A simulated process: what it waits for, and until when."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.killed = False
        self.condition: Condition | None = None
        self.until: float | None = None
        self.stalled_until = 0.0
        # Released by who passes the baton on; a semaphore takes twice as long.
        self.baton = threading.Lock()
        self.baton.acquire()

    def is_ready(self, now: float) -> bool:
        """Return whether the process can run."""
        if now < self.stalled_until:
            return False
        if self.until is not None and now >= self.until:
            return True
        return self.condition() if self.condition is not None else self.until is None


class Scheduler:
    """The clock, the processes, and what happens at a later time."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.now = 1_000.0
        self.steps = 0
        # A digest of who ran when: equal for equal seeds.
        self.digest = 0
        self.failure: BaseException | None = None
        self.between: Callable[[], bool] = lambda: True
        self.processes: list[Process] = []
        self.current: Process | None = None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count(1)
        self._main = Process("main", 0)
        self._threads: list[threading.Thread] = []

    def start(self, name: str, program: Callable[[], None]) -> Process:
        """Start a process, which runs when it is its turn."""
        process = Process(name, next(self._numbers))
        self.processes.append(process)
        thread = threading.Thread(target=self._run, args=(process, program), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return process

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after a time."""
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), action))

    def wait(self, condition: Condition | None = None, seconds: float | None = None) -> bool:
        """Let others run, until a condition holds or a time has passed; return whether the condition holds."""
        process = self.current
        assert process is not None
        if process.killed:
            raise Killed
        process.condition = condition
        process.until = None if seconds is None else self.now + max(seconds, 0.0)
        following = self._choose()
        if following is not process:
            self.current = following
            following.baton.release()
            process.baton.acquire()
        if process.killed:
            raise Killed
        return condition is None or condition()

    def kill(self, process: Process) -> None:
        """Kill a process: it ends the next time that it runs."""
        process.killed = True
        process.condition = process.until = None
        process.stalled_until = 0.0

    def run(self) -> None:
        """Run until `between` returns False or a program fails, then end all processes. Raises what failed."""
        self.current = following = self._choose()
        if following is not self._main:
            following.baton.release()
            self._main.baton.acquire()
        for process in self.processes[:]:
            self.kill(process)
            self.current = process
            process.baton.release()
            self._main.baton.acquire()
        for thread in self._threads:
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self, process: Process, program: Callable[[], None]) -> None:
        process.baton.acquire()
        try:
            if not process.killed:
                program()
        except Killed:
            pass
        except BaseException as error:
            self.failure = self.failure or error
        ending = self._main.killed
        self.processes.remove(process)
        following = self._main if ending else self._choose()
        self.current = following
        following.baton.release()

    def _choose(self) -> Process:
        """Let time pass and return who runs next; the main thread at the end."""
        try:
            following = None if self._main.killed else self._step()
        except AssertionError as error:
            self.failure, following = self.failure or error, None
        self._main.killed = following is None
        return following or self._main

    def _step(self) -> Process | None:
        self.steps += 1
        self.now += self.random.random() * 2 * MEAN_STEP_SECONDS
        self._run_events()
        while self.failure is None and self.between():
            now = self.now
            ready = [process for process in self.processes if process.is_ready(now)]
            if ready:
                chosen = ready[int(self.random.random() * len(ready))]
                self.digest = hash((self.digest, chosen.number, now))
                return chosen
            self._skip_idle_time()
        return None

    def _skip_idle_time(self) -> None:
        times = [max(process.until, process.stalled_until) for process in self.processes if process.until is not None]
        times += [process.stalled_until for process in self.processes if process.stalled_until > self.now]
        if self._events:
            times.append(self._events[0][0])
        if not times:
            raise AssertionError("deadlock: " + ", ".join(process.name for process in self.processes))
        self.now = max(self.now + 0.0001, min(times))
        self._run_events()

    def _run_events(self) -> None:
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()


class SimulatedTime:
    """In place of the module `time`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def monotonic(self) -> float:
        """Return the seconds of the simulated clock."""
        return self._scheduler.now

    perf_counter = monotonic

    def time(self) -> float:
        """Return the seconds since 1970."""
        return 1_700_000_000 + self._scheduler.now

    def time_ns(self) -> int:
        """Return the nanoseconds since 1970."""
        return int(self.time() * 1e9)


class StopEvent:
    """In place of the threading.Event that a program waits with: it is never set."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def is_set(self) -> bool:
        """Return False."""
        return False

    def wait(self, seconds: float) -> bool:
        """Let the time pass."""
        self._scheduler.wait(None, seconds)
        return False
