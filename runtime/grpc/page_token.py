"""Page tokens: opaque tokens that are valid only for the filters they were made with."""

from __future__ import annotations

import hashlib

from google.protobuf.message import Message
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime.errors import InvalidRequest, Violation
from runtime.grpc import opaque_token

VERSION = 1
HASH_BYTES = 8
# Far longer than any token that is issued.
MAX_TOKEN_CHARACTERS = 512
# A client may change the page size between pages.
PAGING_FIELDS = ("page_size", "page_token")


def filters_hash(request: Message) -> bytes:
    """Return the hash of a list request's type and filters: all of its fields except page_size and page_token."""
    filters = type(request)()
    filters.CopyFrom(request)
    for field in PAGING_FIELDS:
        filters.ClearField(field)
    serialized: bytes = filters.SerializeToString(deterministic=True)
    name: str = request.DESCRIPTOR.full_name
    return hashlib.sha256(name.encode() + b"\0" + serialized).digest()[:HASH_BYTES]


def encode(token: PageToken) -> str:
    """Encode a token; the version is set here, filters_hash by the caller."""
    token.version = VERSION
    return opaque_token.to_text(token)


def decode(text: str, expected_filters_hash: bytes) -> PageToken:
    """Decode a token. Raises InvalidRequest (INVALID_PAGE_TOKEN) when it is invalid or has other filters."""
    token = opaque_token.from_text(text, PageToken, MAX_TOKEN_CHARACTERS)
    if token is None or token.version != VERSION:
        raise invalid("is not a token of this service")
    if token.filters_hash != expected_filters_hash:
        raise invalid("belongs to other filters")
    return token


def invalid(description: str) -> InvalidRequest:
    """Return the error for an invalid page token."""
    return InvalidRequest([Violation("page_token", description)], ErrorReason.INVALID_PAGE_TOKEN)
