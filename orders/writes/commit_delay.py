"""Lets orders gather between small transactions, as long as that brings company."""

from __future__ import annotations

# A transaction costs as much as ten orders in it.
ENOUGH_ORDERS = 16
REST_SECONDS = 0.008
WORTH_ORDERS = 2.0
TRY_AGAIN_AFTER = 50
NEWEST_SHARE = 0.2


class Gathering:
    """Decides how long to rest after a transaction.

    Rests pay where orders come at their own pace. Callers that all wait for an answer send nothing meanwhile: when
    rests bring few, only one in fifty is taken, to see whether that has changed.
    """

    def __init__(self) -> None:
        self._mean_came = 2 * WORTH_ORDERS
        self._left_out = 0

    def rest_seconds(self, stored: int, waiting: int) -> float:
        """Return how long to rest, given the orders of the last transaction and those that wait already."""
        if not waiting or stored >= ENOUGH_ORDERS or waiting >= ENOUGH_ORDERS:
            return 0.0
        if self._mean_came < WORTH_ORDERS and self._left_out < TRY_AGAIN_AFTER:
            self._left_out += 1
            return 0.0
        self._left_out = 0
        return REST_SECONDS

    def learn(self, came: int) -> None:
        """Take in how many orders came during a rest."""
        self._mean_came += NEWEST_SHARE * (came - self._mean_came)
