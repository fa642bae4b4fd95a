"""When a group commit waits for more orders."""

import pytest

from orders.writes.commit_delay import ENOUGH_ORDERS, Gathering


def test_orders_gather_between_small_transactions_while_others_come_on_their_own() -> None:
    gathering = Gathering()
    for came in (4, 3, 6, 2, 5):
        assert gathering.rest_seconds(stored=3, waiting=1) > 0
        gathering.learn(came)


def test_nobody_is_kept_waiting_by_rests_that_bring_no_company() -> None:
    gathering = Gathering()
    rests = 0
    for _ in range(1000):
        if gathering.rest_seconds(stored=1, waiting=9) > 0:
            rests += 1
            gathering.learn(1)
    assert 1 < rests < 40


@pytest.mark.parametrize(("stored", "waiting"), [(1, 0), (ENOUGH_ORDERS, 1), (1, ENOUGH_ORDERS)])
def test_no_rest_when_nobody_waits_or_enough_orders_are_there(stored: int, waiting: int) -> None:
    assert Gathering().rest_seconds(stored, waiting) == 0
