"""A run: checks the target, sends, waits, reconciles, and builds the result."""

import asyncio
import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import uvloop

from loadgen.options import Options
from loadgen.reconciliation.reconciler import NotReconciled, Reconciler
from loadgen.reconciliation.verdict import Baseline, Claim, Reconciliation, Verdict
from loadgen.report.machine import read_machine, read_versions
from loadgen.report.progress import Screen, Snapshot, open_screen
from loadgen.report.result import (
    SCHEMA,
    Latency,
    Orders,
    Outcome,
    Result,
    SeriesPerSecond,
    Timing,
    judge_run,
    options_as_json,
    utc_text,
    why_void,
)
from loadgen.schedule import due_calls
from loadgen.sending.driver import Driver
from loadgen.sending.priority import realtime
from loadgen.sending.recorder import NANOSECONDS, Recorder
from loadgen.target import TargetNotReady, require_front_proxy
from loadgen.transports import ENCODERS, open_transport
from loadgen.workload import Workload


def run(options: Options, screen: Screen | None = None) -> Result:
    """Run the load and return the result. Blocks until the end. Raises TargetNotReady when it cannot start."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_Session(options, screen or open_screen()).run())


class _Session:
    def __init__(self, options: Options, screen: Screen) -> None:
        self._options = options
        self._screen = screen
        self._interrupted = False
        self._realtime = False
        self._cpu_seconds = 0.0
        self._sending_seconds = 0.0

    async def run(self) -> Result:
        """Send the load and return the result. Raises TargetNotReady when it cannot start."""
        await require_front_proxy(self._options.target)
        started_at = datetime.now(UTC)
        async with Reconciler(self._options.target, self._options.reconcile_seconds) as reconciler:
            before = await self._baseline(reconciler)
            recorder = await self._send()
            reconciliation = await self._reconcile(reconciler, before, recorder) if self._options.reconcile else None
        return self._result(started_at, recorder, reconciliation)

    async def _baseline(self, reconciler: Reconciler) -> Baseline:
        if not (self._options.reconcile and self._options.exclusive):
            return Baseline()
        self._screen.say("waiting for an idle pipeline")
        try:
            before = await reconciler.baseline()
        except NotReconciled as error:
            raise TargetNotReady(f"{error}; wait, or use --no-exclusive or --no-reconcile") from None
        if before.totals is None:
            self._screen.say("another client creates orders: the orders of this run are recognised by id")
        return before

    async def _send(self) -> Recorder:
        options = self._options
        transport = open_transport(options)
        workload = Workload(options.seed, options.customers, options.products, ENCODERS[options.protocol])
        calls = due_calls(options.profile, options.duration_seconds, options.batch_size)
        driver = Driver(options, calls, workload, transport)
        gc.collect()
        gc.freeze()
        cpu_before = time.process_time()
        progress = asyncio.create_task(self._show(driver))
        try:
            with realtime() as self._realtime, self._on_interrupt(driver.stop):
                await driver.run()
        finally:
            self._cpu_seconds = time.process_time() - cpu_before
            self._sending_seconds = driver.elapsed_ns / NANOSECONDS
            progress.cancel()
            with suppress(asyncio.CancelledError):
                await progress
            self._screen.close()
            await transport.close()
            gc.unfreeze()
        return driver.recorder

    async def _reconcile(self, reconciler: Reconciler, before: Baseline, recorder: Recorder) -> Reconciliation:
        self._screen.say("reconciling")
        claim = Claim(recorder.accepted, recorder.accepted_minor, recorder.unanswered, recorder.own)
        reconciling = asyncio.create_task(reconciler.reconcile(before, claim))
        with self._on_interrupt(reconciling.cancel):
            try:
                return await reconciling
            except asyncio.CancelledError:
                return Reconciliation(Verdict.NOT_PROVEN, "interrupted", before=before.totals)

    @contextmanager
    def _on_interrupt(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call `stop` on SIGINT and SIGTERM; does nothing outside the main thread, which gets no signals."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()

        def interrupt() -> None:
            self._interrupted = True
            stop()

        for number in signals:
            loop.add_signal_handler(number, interrupt)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    async def _show(self, driver: Driver) -> None:
        accepted = 0
        while True:
            await asyncio.sleep(self._screen.interval_seconds)
            rate = (driver.recorder.accepted - accepted) / self._screen.interval_seconds
            accepted = driver.recorder.accepted
            self._screen.show(_snapshot(driver, self._options.duration_seconds, rate))

    def _result(self, started_at: datetime, recorder: Recorder, reconciliation: Reconciliation | None) -> Result:
        lag_ms = recorder.schedule_lag.percentiles_ms()
        code = judge_run(self._options, recorder, reconciliation)
        cpu_us = self._cpu_seconds * 1e6 / max(1, recorder.offered)
        return Result(
            schema=SCHEMA,
            outcome=Outcome(int(code), code.name, why_void(lag_ms, recorder.not_sent, self._interrupted)),
            options=options_as_json(self._options),
            timing=Timing(
                started_at=utc_text(started_at),
                sending_seconds=round(self._sending_seconds, 3),
                interrupted=self._interrupted,
                realtime=self._realtime,
                generator_cpu_us_per_order=round(cpu_us, 1),
            ),
            machine=read_machine(),
            versions=read_versions(),
            orders=_orders(recorder),
            accepted_per_second=round(recorder.accepted / max(self._sending_seconds, 0.001), 1),
            latency_ms=Latency(recorder.accepted_latency.percentiles_ms(), recorder.failed_latency.percentiles_ms()),
            schedule_lag_ms=lag_ms,
            held_calls=recorder.held_calls,
            errors=dict(recorder.errors),
            retries=dict(recorder.retries),
            per_second=_per_second(recorder),
            reconciliation=reconciliation,
        )


def _snapshot(driver: Driver, duration_seconds: float, rate: float) -> Snapshot:
    recorder = driver.recorder
    recent = recorder.take_recent()
    p50_ms, p99_ms = (recent[int(len(recent) * share)] / 1e6 if recent else 0.0 for share in (0.5, 0.99))
    return Snapshot(
        elapsed_seconds=driver.elapsed_ns / NANOSECONDS,
        duration_seconds=duration_seconds,
        offered=recorder.offered,
        accepted=recorder.accepted,
        failed=recorder.failed,
        not_sent=recorder.not_sent,
        in_flight_calls=driver.in_flight,
        accepted_per_second=rate,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        lag_p99_ms=recorder.schedule_lag.percentiles_ms()["p99"],
        errors=recorder.errors,
        retries=recorder.retries,
    )


def _orders(recorder: Recorder) -> Orders:
    return Orders(
        offered=recorder.offered,
        accepted=recorder.accepted,
        accepted_revenue=recorder.accepted_minor / 100,
        failed=recorder.failed,
        unanswered=recorder.unanswered,
        not_sent=recorder.not_sent,
    )


def _per_second(recorder: Recorder) -> SeriesPerSecond:
    series = (recorder.offered_series, recorder.accepted_series, recorder.failed_series)
    length = max(len(one.values) for one in series)
    offered, accepted, failed = (one.values + [0] * (length - len(one.values)) for one in series)
    return SeriesPerSecond(offered, accepted, failed)
