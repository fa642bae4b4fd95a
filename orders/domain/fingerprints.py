"""Fingerprints of requests, which tell whether two requests with one idempotency key have the same content. Pure."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any

from orders.domain import events
from orders.domain.order import Line

# The first byte of a fingerprint is its format. Fingerprints stored before formats existed are recognised below.
CANONICAL = b"\x01"
RESTOCK_QUANTITY = b"\x00"
DIGEST_BYTES = 16


def fingerprint(request: Any) -> bytes:
    """Return the fingerprint of a request: a digest of its deterministic serialisation, without its request_id.

    Unknown fields are included. The request is unchanged afterwards.
    """
    request_id = request.request_id
    request.ClearField("request_id")
    content = request.SerializeToString(deterministic=True)
    request.request_id = request_id
    return CANONICAL + hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def is_same_order(stored: bytes, now: bytes, lines: Sequence[Line]) -> bool:
    """Return whether a stored fingerprint is that of an order; before version 0.1 it covered the lines only."""
    if len(stored) == DIGEST_BYTES:
        text = events.line_text(tuple(lines)).encode()
        return stored == hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()
    return stored == now


def is_same(stored: bytes, request: Any) -> bool:
    """Return whether a stored fingerprint is that of a request; of old restocks it is the quantity."""
    if stored[:1] == RESTOCK_QUANTITY:
        return stored[1:] == struct.pack("!q", request.quantity)
    return stored == fingerprint(request)
