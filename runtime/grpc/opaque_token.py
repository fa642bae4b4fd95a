"""Texts that clients hand back as they got them: base64url of a private message."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

Content = TypeVar("Content", bound=Message)


def to_text(message: Message) -> str:
    """Return a message as text that a URL needs not escape."""
    return base64.urlsafe_b64encode(message.SerializeToString()).rstrip(b"=").decode("ascii")


def from_text(text: str, kind: type[Content], max_characters: int) -> Content | None:
    """Read the message in a text, None when there is none; a longer text is not worth decoding."""
    if len(text) > max_characters:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return kind.FromString(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, DecodeError):
        return None
