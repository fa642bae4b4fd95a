"""Idempotency keys of all methods but CreateOrder and BatchCreateOrders: saved responses, in idempotency_request."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from orders.domain import fingerprints
from orders.store.queries import QUERIES
from runtime.errors import AlreadyExists
from runtime.postgres.connection_types import AsyncConnection


async def find_first_response(connection: AsyncConnection, request: Any, scope: str) -> bytes | None:
    """Lock the idempotency key until the transaction ends, and return its saved response, None for a new key.

    Raises AlreadyExists when the key was used with other content.
    """
    if not request.request_id:
        return None
    key = key_parameters(request, scope)
    await connection.execute(QUERIES.lock_idempotency_key, key)
    row = await (await connection.execute(QUERIES.find_response, key)).fetchone()
    if row is None:
        return None
    fingerprint, response = row
    if not fingerprints.is_same(fingerprint, request):
        raise request_id_reused(request.request_id)
    return bytes(response)


async def save_response(connection: AsyncConnection, request: Any, scope: str, response: Message) -> None:
    """Save the response for replays, when the request has an idempotency key."""
    if request.request_id:
        parameters = key_parameters(request, scope) | {
            "fingerprint": fingerprints.fingerprint(request),
            "response": response.SerializeToString(),
        }
        await connection.execute(QUERIES.insert_response, parameters)


def key_parameters(request: Any, scope: str) -> dict[str, object]:
    """Return what identifies an idempotency key: the method, the changed object, the request_id."""
    method = request.DESCRIPTOR.name.removesuffix("Request")
    return {"method": method, "scope": scope, "request_id": request.request_id}


def request_id_reused(request_id: str) -> AlreadyExists:
    """Return the error for an idempotency key that was used with other content."""
    return AlreadyExists(
        ErrorReason.REQUEST_ID_REUSED,
        f'request_id "{request_id}" was used with other content',
        metadata={"request_id": request_id},
    )
