"""The reconciliation of every minute: its verdict, its age, and that an old one is no proof."""

import asyncio
from collections.abc import Iterator

import pytest
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus, ReconcileResponse
from pipeline_world import MINUTE, FakeLog, World, event

from gateway.backends.errors import ComponentFault, unavailable
from gateway.reconciliation import periodic
from gateway.reconciliation.periodic import PeriodicReconciliation
from gateway.reconciliation.reconciliation import Reconciliation
from runtime.telemetry import metrics

Finding = ReconcileResponse.Finding
AGREES, IN_FLIGHT, DIFFERS = ReconcileResponse.AGREES, ReconcileResponse.IN_FLIGHT, ReconcileResponse.DIFFERS
UNKNOWN = ReconcileResponse.VERDICT_UNSPECIFIED


@pytest.fixture
def world(servers) -> World:
    servers.world.flow(*(event(minute) for minute in range(3) for _ in range(5)))
    servers.world.open_minute = MINUTE + 120
    return servers.world


@pytest.fixture
def reconciliation(world, orders, analytics) -> PeriodicReconciliation:
    log = FakeLog(world)
    return PeriodicReconciliation(lambda: Reconciliation(orders, analytics, log, 1.0, closed_minutes=True).run())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [1000.0]
    monkeypatch.setattr(periodic.time, "monotonic", lambda: now[0])
    return now


async def once(reconciliation: PeriodicReconciliation) -> PipelineStatus.Reconciliation:
    await reconciliation.run_once()
    return reconciliation.state()


async def test_closed_minutes_that_agree_are_exact_up_to_their_end(world, reconciliation) -> None:
    world.waiting.append(event(2))
    state = await once(reconciliation)
    assert (state.verdict, state.exact_until_time.seconds) == (AGREES, world.open_minute)
    assert (state.compared_orders, state.problem) == (10, "")


async def test_only_sums_are_read_when_they_agree(world, reconciliation) -> None:
    for method in ("StreamPublishedIds", "StreamCountedIds", "StreamOrderStates", "StreamCountedStates"):
        world.before[method] = lambda: pytest.fail("rows are read")
    for _ in range(3):
        world.flow(event(2), event(2))
        assert (await once(reconciliation)).verdict == AGREES


async def test_an_event_lost_in_a_closed_minute_is_counted_among_the_findings(world, reconciliation) -> None:
    world.published += [event(1), event(1)]
    state = await once(reconciliation)
    assert (state.verdict, state.HasField("exact_until_time")) == (DIFFERS, False)
    assert [(one.kind, one.count) for one in state.findings] == [(Finding.LOST, 2)]
    assert "2 events lost" in state.summary


async def test_an_event_pending_in_a_closed_minute_is_in_flight(world, reconciliation) -> None:
    world.waiting.append(event(0))
    state = await once(reconciliation)
    assert (state.verdict, state.HasField("exact_until_time")) == (IN_FLIGHT, False)


async def test_while_the_processor_is_behind_nothing_is_exact(world, reconciliation) -> None:
    """Products have no time: they are compared when everything is counted."""
    world.published.append(event(2))
    world.lag = 1
    assert (await once(reconciliation)).verdict == IN_FLIGHT


async def test_before_the_first_verdict_nothing_is_known(world, reconciliation, servers, clock) -> None:
    assert reconciliation.state().verdict == UNKNOWN
    await servers.orders.stop(None)
    state = await once(reconciliation)
    assert (state.verdict, state.problem) == (UNKNOWN, "orders is unavailable")
    assert not state.HasField("start_time")


async def test_a_verdict_ages_while_there_is_no_other_and_is_no_proof_in_the_end(
    world, reconciliation, servers, clock
) -> None:
    assert (await once(reconciliation)).verdict == AGREES
    await servers.analytics.stop(None)
    clock[0] += periodic.CURRENT_SECONDS
    state = await once(reconciliation)
    assert (state.verdict, state.age_seconds) == (AGREES, periodic.CURRENT_SECONDS)
    assert state.problem == "analytics is unavailable"
    clock[0] += 1
    state = reconciliation.state()
    assert (state.verdict, state.HasField("exact_until_time")) == (UNKNOWN, False)
    # What the last one said stays to be read.
    assert state.summary.startswith("10 published events each counted once")
    assert state.age_seconds == periodic.CURRENT_SECONDS + 1


@pytest.mark.parametrize("error", [unavailable("kafka"), ComponentFault("orders returned INTERNAL"), TimeoutError()])
async def test_an_attempt_that_fails_says_why_and_is_repeated_soon(monkeypatch, error: Exception) -> None:
    stop, attempts = asyncio.Event(), []

    async def fails_once() -> ReconcileResponse:
        attempts.append(1)
        if len(attempts) == 1:
            raise error
        stop.set()
        return ReconcileResponse(verdict=AGREES)

    monkeypatch.setattr(periodic, "RETRY_SECONDS", 0.0)
    reconciliation = PeriodicReconciliation(fails_once)
    await reconciliation.run(stop)
    assert (len(attempts), reconciliation.state().verdict) == (2, AGREES)


async def test_never_more_than_one_runs(monkeypatch) -> None:
    running, most, stop = [], [], asyncio.Event()

    async def slow() -> ReconcileResponse:
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0)
        running.pop()
        if len(most) == 5:
            stop.set()
        return ReconcileResponse(verdict=AGREES)

    monkeypatch.setattr(periodic, "INTERVAL_SECONDS", 0.0)
    await PeriodicReconciliation(slow).run(stop)
    assert most == [1] * 5


async def test_the_metrics_tell_the_verdict_and_what_was_found(world, reconciliation) -> None:
    await reconciliation.run_once()
    assert gauge(metrics.RECONCILIATION_VERDICT.labels("agrees")) == 1
    assert gauge(metrics.RECONCILIATION_EXACT_UNTIL) == world.open_minute
    world.published.append(event(1))
    await reconciliation.run_once()
    assert gauge(metrics.RECONCILIATION_VERDICT.labels("agrees")) == 0
    assert gauge(metrics.RECONCILIATION_VERDICT.labels("differs")) == 1
    assert gauge(metrics.RECONCILIATION_FINDINGS.labels("lost")) == 1
    assert gauge(metrics.RECONCILIATION_EXACT_UNTIL) == world.open_minute
    world.counted.append(world.published[-1])
    await reconciliation.run_once()
    assert gauge(metrics.RECONCILIATION_FINDINGS.labels("lost")) == 0


def gauge(one: object) -> float:
    """Return the value of a gauge."""
    return one._value.get()  # type: ignore[attr-defined]  # the library has no other way to read one
