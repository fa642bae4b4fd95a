"""Page tokens: base64url of a private message that belongs to the filters it was made with."""

from __future__ import annotations

import hashlib

from google.protobuf.message import Message
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime.errors import InvalidRequest, Violation
from runtime.grpc import opaque_token

VERSION = 1
HASH_BYTES = 8
# Far above what we make.
MAX_TOKEN_CHARACTERS = 512
# A client may change the size of its pages while it turns them.
PAGING_FIELDS = ("page_size", "page_token")


def filters_hash(request: Message) -> bytes:
    """Return the hash of a list request's type and filters: all of its fields but page_size and page_token."""
    filters = type(request)()
    filters.CopyFrom(request)
    for field in PAGING_FIELDS:
        filters.ClearField(field)
    serialized: bytes = filters.SerializeToString(deterministic=True)
    name: str = request.DESCRIPTOR.full_name
    return hashlib.sha256(name.encode() + b"\0" + serialized).digest()[:HASH_BYTES]


def encode(token: PageToken) -> str:
    """Return the token's text; its version is set here, its filters_hash by the caller."""
    token.version = VERSION
    return opaque_token.to_text(token)


def decode(text: str, expected_filters_hash: bytes) -> PageToken:
    """Read a token's text. Raises InvalidRequest (INVALID_PAGE_TOKEN) when it is not ours or of other filters."""
    token = opaque_token.from_text(text, PageToken, MAX_TOKEN_CHARACTERS)
    if token is None or token.version != VERSION:
        raise invalid("is not a token of this service")
    if token.filters_hash != expected_filters_hash:
        raise invalid("belongs to other filters")
    return token


def invalid(description: str) -> InvalidRequest:
    """Return the error for a page token that cannot be used."""
    return InvalidRequest([Violation("page_token", description)], ErrorReason.INVALID_PAGE_TOKEN)
