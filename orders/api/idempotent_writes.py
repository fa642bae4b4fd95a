"""Runs the writes of all methods but order creation: admitted, in one transaction, once per idempotency key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from orders.api.admission import Admission, time_remaining, wait_until
from orders.api.limiter import KeyedLimiter, Limiter, Limits, MeanDuration
from orders.outbox.notifier import Notifier
from orders.stock.backorder_release import BackorderReleases
from orders.store.request_idempotency import find_first_response, save_response
from runtime.identity.client_key import client_key
from runtime.postgres import transactions
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.pool import Pool

Context = grpc.aio.ServicerContext[Any, Any]
Response = TypeVar("Response", bound=Message)
# The longest wait before a write begins, for calls without an earlier deadline.
MAX_WAIT_SECONDS = 2.0
# Initial metadata of a replay.
REPLAYED_METADATA = (("idempotent-replayed", "true"),)


class IdempotentWrites:
    """Runs writes of products and of stored orders."""

    def __init__(
        self,
        pool: Pool,
        admission: Admission,
        notifier: Notifier,
        releases: BackorderReleases,
        max_waiting: int,
    ) -> None:
        self._pool = pool
        self._admission = admission
        # One connection stays free for reads while writes wait for row locks.
        limits = Limits(max(1, pool.max_size - 1), max_waiting, pool.answers)
        self._limiter = Limiter(limits, MeanDuration())
        self._scope_limiter = KeyedLimiter(replace(limits, max_concurrent=1))
        self._notifier = notifier
        self._releases = releases

    @property
    def waiting(self) -> int:
        """How many writes wait."""
        return self._limiter.waiting + self._scope_limiter.waiting

    async def run(
        self,
        request: Any,
        scope: str,
        context: Context,
        response_type: type[Response],
        write: Callable[[AsyncConnection], Awaitable[Response]],
    ) -> Response:
        """Run a write in a transaction and return its response, or the first response for the idempotency key.

        `scope` is the id of the changed product or order. Writes of one scope lock the same row, so they run one after
        another here, without a connection while they wait. The response must not depend on anything after the commit.
        Raises ServiceError: Overloaded or Unavailable when nothing was changed, OutcomeUnknown when perhaps it was.
        """

        async def once(connection: AsyncConnection) -> tuple[Response, bool]:
            first = await find_first_response(connection, request, scope)
            if first is not None:
                return response_type.FromString(first), True
            response = await write(connection)
            await save_response(connection, request, scope, response)
            return response, False

        remaining = time_remaining(context)
        until = wait_until(remaining, MAX_WAIT_SECONDS)
        client = client_key(context.invocation_metadata())
        with self._admission.admit(1, remaining, client):
            slots = self._scope_limiter.acquire(scope, until, client), self._limiter.acquire(until, client=client)
            async with slots[0], slots[1]:
                response, replayed = await transactions.write(self._pool, once)
        if replayed:
            await context.send_initial_metadata(REPLAYED_METADATA)
        else:
            self._notifier.notify()
            self._releases.continue_scheduled()
        return response
