"""The way of every write but the storing of new orders: admitted, in one transaction, once per request_id."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import grpc
import psycopg
from google.protobuf.message import Message

from orders.api.admission import Admission, time_remaining
from orders.api.limiter import KeyedTurns, Limits, Pace, Turns
from orders.domain import fingerprints
from orders.outbox.notifier import Doorbell
from orders.stock.backorder_release import Releases
from orders.store.order_idempotency import REPLAYED, reused
from orders.store.queries import QUERIES
from runtime.postgres import transactions
from runtime.postgres.pool import Pool
from runtime.telemetry import metrics

Connection = psycopg.AsyncConnection[Any]
Context = grpc.aio.ServicerContext[Any, Any]
Answer = TypeVar("Answer", bound=Message)
# A change waits for so long before it begins, or until its deadline.
PATIENCE_SECONDS = 2.0


class Changes:
    """Makes changes. `work` gets the transaction's connection and returns the answer, which needs nothing after it."""

    def __init__(
        self,
        pool: Pool,
        admission: Admission,
        doorbell: Doorbell,
        releases: Releases,
        max_waiting: int,
    ) -> None:
        self._pool = pool
        self._admission = admission
        # One connection is left for reads, however many rows are locked by others.
        share = Limits(max(1, pool.max_size - 1), max_waiting, metrics.CHANGES_REFUSED, pool.answers)
        self._share = Turns(share, Pace())
        self._keys = KeyedTurns(replace(share, at_a_time=1))
        self._doorbell = doorbell
        self._releases = releases

    async def make(
        self,
        request: Any,
        scope: str,
        context: Context,
        kind: type[Answer],
        work: Callable[[Connection], Awaitable[Answer]],
    ) -> Answer:
        """Return the answer of the work, or the first answer to this request_id in this scope.

        Changes of one scope lock the same row, so they wait for each other here and not on a connection each.
        Raises ServiceError: Overloaded or Unavailable when nothing was changed, OutcomeUnknown when perhaps it was.
        """

        async def once(connection: Connection) -> tuple[Answer, bool]:
            first = await first_answer(connection, request, scope)
            if first is not None:
                return kind.FromString(first), True
            answer = await work(connection)
            await keep_answer(connection, request, scope, answer)
            return answer, False

        remaining = time_remaining(context)
        until = time.monotonic() + (PATIENCE_SECONDS if remaining is None else min(remaining, PATIENCE_SECONDS))
        with self._admission.admit(1, remaining):
            async with self._keys.take(scope, until), self._share.take(until):
                answer, replayed = await transactions.write(self._pool, once)
        if replayed:
            await context.send_initial_metadata(REPLAYED)
        else:
            self._doorbell.ring()
            self._releases.go_on()
        return answer


async def first_answer(connection: Connection, request: Any, scope: str) -> bytes | None:
    """Take the turn of this request_id and return its first answer, None when there is none.

    Raises AlreadyExists when the id was used with other content.
    """
    if not request.request_id:
        return None
    key = request_key(request, scope)
    await connection.execute(QUERIES.lock_request, key)
    row = await (await connection.execute(QUERIES.find_request, key)).fetchone()
    if row is None:
        return None
    fingerprint, response = row
    if not fingerprints.is_same(fingerprint, request):
        raise reused(request.request_id)
    return bytes(response)


async def keep_answer(connection: Connection, request: Any, scope: str, answer: Message) -> None:
    """Keep the answer for calls with the same request_id."""
    if request.request_id:
        parameters = request_key(request, scope) | {
            "fingerprint": fingerprints.fingerprint(request),
            "response": answer.SerializeToString(),
        }
        await connection.execute(QUERIES.insert_request, parameters)


def request_key(request: Any, scope: str) -> dict[str, object]:
    """Return what a request_id is unique in: the method, and what the method changes."""
    method = request.DESCRIPTOR.name.removesuffix("Request")
    return {"method": method, "scope": scope, "request_id": request.request_id}
