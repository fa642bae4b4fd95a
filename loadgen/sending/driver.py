"""Sends every call when it is due, independent of the answers: an open model.

Latency counts from the due time, also when a call is sent later, so that a slow server cannot reduce the measured load
(coordinated omission).
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from loadgen.options import Options
from loadgen.schedule import DueCall
from loadgen.sending.recorder import Recorder
from loadgen.sending.timer import PreciseTimer
from loadgen.transports.answers import ABANDONED, Answer, Outcome, Transport
from loadgen.workload import PlannedOrder, Workload
from runtime.backoff import Backoff

BACKOFF = Backoff(first_seconds=0.05, max_seconds=1.0)
ORDERS_AHEAD = 500
PLANNED_AT_ONCE = 16
NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class Call:
    """A call in flight: its due time, and its orders without a final answer."""

    due_ns: int
    orders: list[PlannedOrder]


class Driver:
    """Sends the orders of a run. `run` returns when each has a final answer; `stop` ends the schedule early."""

    def __init__(self, options: Options, calls: Iterator[DueCall], workload: Workload, transport: Transport) -> None:
        self.recorder = Recorder()
        self._options = options
        self._calls = calls
        self._next = next(calls, None)
        self._workload = workload
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._ready: deque[PlannedOrder] = deque()
        self._held: deque[Call] = deque()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._finished: asyncio.Future[None] = self._loop.create_future()
        self._timer = PreciseTimer(self._on_due)
        self._orders_ahead = max(ORDERS_AHEAD, 2 * options.batch_size)
        self._start_ns = 0
        self._stopped = False

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""
        return len(self._in_flight)

    @property
    def elapsed_ns(self) -> int:
        """The time since the start of the schedule."""
        return time.monotonic_ns() - self._start_ns

    async def run(self) -> None:
        """Send all calls when they are due, and wait for the answers."""
        self._plan(self._orders_ahead)
        self._start_ns = time.monotonic_ns()
        self._on_due()
        try:
            await self._finished
        finally:
            self._timer.close()

    def stop(self) -> None:
        """End the schedule and wait for the calls in flight; the second call cancels those."""
        if self._stopped:
            for task in self._in_flight:
                task.cancel()
        self._stopped = True
        self._next = None
        while self._held:
            self._skip(self._held.popleft())
        self._finish_if_done()

    def _plan(self, count: int) -> None:
        self._ready.extend([self._workload.plan() for _ in range(count)])

    def _plan_ahead(self) -> None:
        """Generate orders ahead between two sends, a few at a time so that no send is delayed."""
        missing = self._orders_ahead - len(self._ready)
        if missing > 0:
            self._plan(min(missing, PLANNED_AT_ONCE))
        if missing > PLANNED_AT_ONCE:
            self._loop.call_soon(self._plan_ahead)

    def _on_due(self) -> None:
        now_ns = self.elapsed_ns
        while self._next is not None and self._next.due_ns <= now_ns:
            due, self._next = self._next, next(self._calls, None)
            self._begin(due, now_ns)
        if self._next is not None:
            self._timer.arm(self._start_ns + self._next.due_ns)
        self._finish_if_done()
        self._loop.call_soon(self._plan_ahead)

    def _begin(self, due: DueCall, now_ns: int) -> None:
        self.recorder.offer(due.due_ns, due.order_count)
        if len(self._ready) < due.order_count:
            self._plan(due.order_count)
        call = Call(due.due_ns, [self._ready.popleft() for _ in range(due.order_count)])
        if len(self._in_flight) < self._options.max_in_flight:
            self._launch(call, held=False)
            return
        self.recorder.schedule_lag.record(now_ns - due.due_ns)
        self.recorder.held_calls += 1
        self._held.append(call)

    def _launch(self, call: Call, held: bool) -> None:
        task = self._loop.create_task(self._deliver(call, held))
        self._in_flight.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._finish(fault)
        patience_ns = int(self._options.timeout_seconds * NANOSECONDS)
        while self._held and len(self._in_flight) < self._options.max_in_flight:
            call = self._held.popleft()
            if self.elapsed_ns - call.due_ns > patience_ns:
                self._skip(call)
            else:
                self._launch(call, held=True)
        self._finish_if_done()

    def _skip(self, call: Call) -> None:
        self.recorder.skip(self.elapsed_ns, len(call.orders))

    def _finish_if_done(self) -> None:
        if self._next is None and not self._in_flight and not self._held:
            self._finish(None)

    def _finish(self, fault: BaseException | None) -> None:
        if self._finished.done():
            return
        if fault is None:
            self._finished.set_result(None)
        else:
            self._finished.set_exception(fault)

    async def _deliver(self, call: Call, held: bool) -> None:
        if not held:
            self.recorder.schedule_lag.record(self.elapsed_ns - call.due_ns)
        try:
            await self._attempt(call)
        except asyncio.CancelledError:
            self._record(call, [ABANDONED] * len(call.orders), retries_left=0)

    async def _attempt(self, call: Call) -> None:
        for attempt in range(self._options.retries + 1):
            answers = await self._transport.send(call.orders)
            call.orders = self._record(call, answers, retries_left=self._options.retries - attempt)
            if not call.orders:
                return
            await asyncio.sleep(BACKOFF.delay_seconds(attempt + 1))

    def _record(self, call: Call, answers: list[Answer], retries_left: int) -> list[PlannedOrder]:
        """Record final answers and return the orders to retry."""
        now_ns = self.elapsed_ns
        accepted: list[PlannedOrder] = []
        again: list[PlannedOrder] = []
        for order, answer in zip(call.orders, answers, strict=True):
            if answer.outcome is Outcome.ACCEPTED:
                accepted.append(order)
                continue
            order.outcome_unknown |= answer.outcome is Outcome.UNKNOWN
            if answer.retryable and retries_left > 0:
                self.recorder.retries[answer.kind] += 1
                again.append(order)
            else:
                self.recorder.fail(order, answer, call.due_ns, now_ns)
        self.recorder.accept(accepted, call.due_ns, now_ns)
        return again
