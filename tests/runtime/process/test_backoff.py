from types import SimpleNamespace

import pytest

from runtime.backoff import Backoff
from runtime.process import process_supervisor, restarts
from runtime.process.process_supervisor import ProcessSupervisor
from runtime.process.restarts import BACKOFF, CRASH_LOOP_EXITS, HEALTHY_SECONDS, Restarts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    made = SimpleNamespace(now=1000.0)
    made.monotonic = lambda: made.now
    for module in (restarts, process_supervisor):
        monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr(process_supervisor.multiprocess, "mark_process_dead", lambda _: None)
    return made


def test_the_delay_doubles_up_to_a_limit_however_long_an_outage_lasts() -> None:
    backoff = Backoff(first_seconds=0.1, max_seconds=2.0)
    assert [backoff.delay_seconds(failures) for failures in (1, 2, 3, 5, 6, 100_000)] == [0.1, 0.2, 0.4, 1.6, 2.0, 2.0]


def test_a_process_that_keeps_exiting_is_crash_looping_until_it_lasts(clock: SimpleNamespace) -> None:
    restarts = Restarts()
    for exits in range(CRASH_LOOP_EXITS):
        assert not restarts.crash_looping(running=False)
        restarts.started()
        restarts.exited()
        assert restarts.early_exits == exits + 1
    assert restarts.crash_looping(running=False)
    restarts.started()
    assert restarts.crash_looping(running=True)
    clock.now += HEALTHY_SECONDS + 1
    assert not restarts.crash_looping(running=True)
    restarts.exited()
    assert not restarts.crash_looping(running=False)


def test_a_child_that_keeps_exiting_is_started_ever_later_until_it_was_healthy(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = ProcessSupervisor(("nothing",), 1, metrics_address="", grace_seconds=1)
    (child,) = service._children
    child.start_at = 0

    def begin(each: process_supervisor.Child) -> None:
        each.process = SimpleNamespace(poll=lambda: 1, pid=1, returncode=1)  # type: ignore[assignment]
        each.restarts.started()

    monkeypatch.setattr(service, "_start", begin)
    waits = []
    service._supervise(child)
    for _ in range(9):
        service._supervise(child)
        assert child.process is None
        waits.append(round(child.start_at - clock.now, 3))
        clock.now = child.start_at
        service._supervise(child)
        assert child.process is not None
    longest = BACKOFF.max_seconds
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, longest, longest, longest]
    clock.now += HEALTHY_SECONDS + 1
    service._supervise(child)
    assert child.start_at - clock.now == pytest.approx(0.1)
