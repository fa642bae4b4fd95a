"""What makes two requests with one request_id the same request: everything in them but the id. Pure."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any

from orders.domain import events
from orders.domain.order import Line

# The form of a fingerprint is its first byte; those stored before there were forms are recognised below.
CANONICAL = b"\x01"
RESTOCK_QUANTITY = b"\x00"
DIGEST_BYTES = 16


def fingerprint(request: Any) -> bytes:
    """Return the fingerprint of a request: a digest of its canonical serialisation, without its request_id.

    Fields that this program does not know are in it. The request is as before afterwards.
    """
    request_id = request.request_id
    request.ClearField("request_id")
    content = request.SerializeToString(deterministic=True)
    request.request_id = request_id
    return CANONICAL + hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def is_same_order(stored: bytes, now: bytes, lines: Sequence[Line]) -> bool:
    """Tell whether a stored fingerprint is that of an order; until 0.1 only the lines were in it, and no form."""
    if len(stored) == DIGEST_BYTES:
        text = events.line_text(tuple(lines)).encode()
        return stored == hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()
    return stored == now


def is_same(stored: bytes, request: Any) -> bool:
    """Tell whether a stored fingerprint is that of a request; of old restocks only the quantity is known."""
    if stored[:1] == RESTOCK_QUANTITY:
        return stored[1:] == struct.pack("!q", request.quantity)
    return stored == fingerprint(request)
