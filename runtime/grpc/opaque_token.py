"""Opaque tokens, which clients return unchanged: base64url of an internal message."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

Content = TypeVar("Content", bound=Message)


def to_text(message: Message) -> str:
    """Encode a message as text that needs no escaping in URLs."""
    return base64.urlsafe_b64encode(message.SerializeToString()).rstrip(b"=").decode("ascii")


def from_text(text: str, kind: type[Content], max_characters: int) -> Content | None:
    """Decode a token; None when it is invalid or longer than `max_characters`."""
    if len(text) > max_characters:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return kind.FromString(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, DecodeError):
        return None
