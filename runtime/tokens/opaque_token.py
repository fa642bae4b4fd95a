"""Opaque tokens, which clients return unchanged: base64url of a signature and an internal message."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from pydantic import SecretStr

from runtime.tokens.token_settings import split_keys

Content = TypeVar("Content", bound=Message)

SIGNATURE_BYTES = 16


class OpaqueTokens:
    """Makes tokens and checks them. A token is valid for one method, and only unchanged."""

    def __init__(self, keys: SecretStr) -> None:
        self._keys = [hashlib.blake2b(key.encode()).digest() for key in split_keys(keys)]

    def to_text(self, method: str, message: Message) -> str:
        """Sign a message and encode it as text that needs no escaping in URLs."""
        content = message.SerializeToString()
        return encoded(signature(self._keys[0], method, content) + content)

    def from_text(self, text: str, method: str, kind: type[Content], max_characters: int) -> Content | None:
        """Decode a token; None when it is invalid, of another method, or longer than `max_characters`."""
        if len(text) > max_characters:
            return None
        try:
            token = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            return None
        given, content = token[:SIGNATURE_BYTES], token[SIGNATURE_BYTES:]
        # The last character of a text may have bits that decode to nothing.
        if encoded(token) != text or not self._signed(given, method, content):
            return None
        try:
            return kind.FromString(content)
        except DecodeError:
            return None

    def _signed(self, given: bytes, method: str, content: bytes) -> bool:
        return any(hmac.compare_digest(given, signature(key, method, content)) for key in self._keys)


def signature(key: bytes, method: str, content: bytes) -> bytes:
    """Return the signature of a token's content: 16 bytes of keyed BLAKE2b. A method has no zero byte."""
    signed = method.encode() + b"\0" + content
    return hashlib.blake2b(signed, key=key, digest_size=SIGNATURE_BYTES).digest()


def encoded(token: bytes) -> str:
    """Return bytes as base64url without padding."""
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode("ascii")
