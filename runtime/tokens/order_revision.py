"""The revision of an order: names its last change, so that analytics can say whether it is counted.

It is not signed: it says nothing that its owner does not know, and who makes one up waits for a change that is none.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import NamedTuple
from uuid import UUID

from ordermesh.orders.v1.orders_pb2 import Order

VERSION = 1
# The version, the id of the order, the status and the time of the change in microseconds since 1970.
FORMAT = struct.Struct(">B16sBq")
CHARACTERS = 35
PADDING = "="


class OrderRevision(NamedTuple):
    """A change of an order: an order reaches each status once."""

    order_id: UUID
    status: int
    updated_at_us: int


def encode(order_id: str, status: int, updated_at_us: int) -> str:
    """Return the revision of an order with a status since a time."""
    packed = FORMAT.pack(VERSION, bytes.fromhex(order_id.replace("-", "")), status, updated_at_us)
    return base64.urlsafe_b64encode(packed)[:CHARACTERS].decode()


def decode(text: str) -> OrderRevision | None:
    """Return what a revision names, None if it is none."""
    if len(text) != CHARACTERS or not text.isascii():
        return None
    try:
        packed = base64.b64decode(text + PADDING, altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    version, order_id, status, updated_at_us = FORMAT.unpack(packed)
    if version != VERSION or status not in Order.Status.values()[1:]:
        return None
    return OrderRevision(UUID(bytes=order_id), status, updated_at_us)
