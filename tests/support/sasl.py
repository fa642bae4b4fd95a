"""Authenticates a raw connection to Kafka with SCRAM-SHA-512, as RFC 5802 has it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
from typing import BinaryIO

SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36
HASH, MECHANISM = "sha512", b"SCRAM-SHA-512"


def authenticate(stream: BinaryIO, user: str, password: str) -> None:
    """Authenticate as a user. Raises PermissionError."""
    answer = request(stream, SASL_HANDSHAKE, 1, struct.pack(">h", len(MECHANISM)) + MECHANISM)
    assert struct.unpack_from(">h", answer) == (0,)
    nonce = base64.b64encode(os.urandom(18))
    first = b"n=" + user.encode() + b",r=" + nonce
    challenge = exchange(stream, b"n,," + first)
    fields = dict(part.split(b"=", 1) for part in challenge.split(b","))
    last = b"c=biws,r=" + fields[b"r"]
    salted = hashlib.pbkdf2_hmac(HASH, password.encode(), base64.b64decode(fields[b"s"]), int(fields[b"i"]))
    key = hmac.digest(salted, b"Client Key", HASH)
    signature = hmac.digest(hashlib.new(HASH, key).digest(), b",".join((first, challenge, last)), HASH)
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    exchange(stream, last + b",p=" + base64.b64encode(proof))


def exchange(stream: BinaryIO, token: bytes) -> bytes:
    """Send a token and return the broker's. Raises PermissionError."""
    answer = request(stream, SASL_AUTHENTICATE, 0, struct.pack(">i", len(token)) + token)
    error, said = struct.unpack_from(">hh", answer)
    if error:
        raise PermissionError(answer[4 : 4 + said].decode())
    at = 4 + max(said, 0)
    (size,) = struct.unpack_from(">i", answer, at)
    return answer[at + 4 : at + 4 + size]


def request(stream: BinaryIO, key: int, version: int, body: bytes) -> bytes:
    """Send a request and return the answer behind the correlation id. Raises ConnectionError."""
    whole = struct.pack(">hhih", key, version, 1, -1) + body
    stream.write(struct.pack(">i", len(whole)) + whole)
    stream.flush()
    size = stream.read(4)
    if len(size) < 4:
        raise ConnectionError("the broker closed the connection")
    return stream.read(*struct.unpack(">i", size))[4:]
