"""Page tokens: signed tokens that are valid only for the method and the filters they were made with."""

from __future__ import annotations

import hashlib

from google.protobuf.message import Message
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime.errors import InvalidRequest, Violation
from runtime.tokens.opaque_token import OpaqueTokens

VERSION = 2
HASH_BYTES = 16
# Far longer than any token that is issued.
MAX_TOKEN_CHARACTERS = 512
# What a client may change between pages.
PAGING_FIELDS = ("page_size", "page_token", "min_revisions", "wait_ms")
# The same for every cause: one who forges tokens learns nothing.
FORGED = "is not a token of this method, or it is from before an upgrade; start again without it"


class PageTokens:
    """The page tokens of one method."""

    def __init__(self, tokens: OpaqueTokens, method: str) -> None:
        self._tokens = tokens
        self._method = method

    def encode(self, token: PageToken, request: Message) -> str:
        """Encode the token of the page after a request's; version and filters are set here."""
        token.version = VERSION
        token.filters_hash = filters_hash(request)
        return self._tokens.to_text(self._method, token)

    def decode(self, text: str, request: Message) -> PageToken:
        """Decode the token of a request. Raises InvalidRequest (INVALID_PAGE_TOKEN) when it is invalid."""
        token = self._tokens.from_text(text, self._method, PageToken, MAX_TOKEN_CHARACTERS)
        if token is None or token.version != VERSION:
            raise invalid(FORGED)
        if token.filters_hash != filters_hash(request):
            raise invalid("belongs to other filters")
        return token


def filters_hash(request: Message) -> bytes:
    """Return the hash of a list request's filters: all of its fields except page_size and page_token."""
    filters = type(request)()
    filters.CopyFrom(request)
    for field in PAGING_FIELDS:
        if field in filters.DESCRIPTOR.fields_by_name:
            filters.ClearField(field)
    serialized: bytes = filters.SerializeToString(deterministic=True)
    return hashlib.blake2b(serialized, digest_size=HASH_BYTES).digest()


def invalid(description: str) -> InvalidRequest:
    """Return the error for an invalid page token."""
    return InvalidRequest([Violation("page_token", description)], ErrorReason.INVALID_PAGE_TOKEN)
