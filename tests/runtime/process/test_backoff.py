from types import SimpleNamespace

import pytest

from runtime.process import supervisor
from runtime.process.supervisor import MAX_BACKOFF_SECONDS, SETTLED_SECONDS, Supervisor


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    made = SimpleNamespace(now=1000.0)
    made.monotonic = lambda: made.now
    monkeypatch.setattr(supervisor, "time", made)
    monkeypatch.setattr(supervisor.multiprocess, "mark_process_dead", lambda _: None)
    return made


def test_a_child_that_keeps_dying_is_started_ever_later_until_it_was_well(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(("nothing",), 1, metrics_address="", grace_seconds=1)
    (child,) = supervisor._children
    child.start_at = 0

    def begin(each: supervisor.Child) -> None:
        each.process = SimpleNamespace(poll=lambda: 1, pid=1, returncode=1)  # type: ignore[assignment]
        each.started_at = clock.now

    monkeypatch.setattr(supervisor, "_start", begin)
    waits = []
    supervisor._tend(child)
    for _ in range(9):
        supervisor._tend(child)
        assert child.process is None
        waits.append(round(child.start_at - clock.now, 3))
        clock.now = child.start_at
        supervisor._tend(child)
        assert child.process is not None
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, MAX_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS]
    clock.now += SETTLED_SECONDS + 1
    supervisor._tend(child)
    assert child.start_at - clock.now == pytest.approx(0.1)
