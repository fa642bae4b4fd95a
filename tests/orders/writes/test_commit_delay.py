"""When a group commit is delayed."""

import pytest

from orders.writes.commit_delay import LARGE_BATCH_ORDERS, CommitDelay


def test_small_commits_are_delayed_while_orders_arrive_during_the_delays() -> None:
    delay = CommitDelay()
    for arrivals in (4, 3, 6, 2, 5):
        assert delay.seconds(committed=3, queued=1) > 0
        delay.observe(arrivals)


def test_delays_in_which_few_orders_arrive_are_rare() -> None:
    delay = CommitDelay()
    delays = 0
    for _ in range(1000):
        if delay.seconds(committed=1, queued=9) > 0:
            delays += 1
            delay.observe(1)
    assert 1 < delays < 40


@pytest.mark.parametrize(("committed", "queued"), [(1, 0), (LARGE_BATCH_ORDERS, 1), (1, LARGE_BATCH_ORDERS)])
def test_no_delay_without_queued_calls_or_after_a_large_batch(committed: int, queued: int) -> None:
    assert CommitDelay().seconds(committed, queued) == 0
