"""Revisions of watch streams: the position of a stream as a signed token."""

from __future__ import annotations

from typing import Generic, TypeVar

from ordermesh.gateway.v1.watch_pb2 import WatchOrdersRequest
from ordermesh.internal.v1.revision_pb2 import MetricsRevision, OrdersRevision

from runtime.errors import InvalidRequest, Violation
from runtime.grpc import field_rules
from runtime.tokens.opaque_token import OpaqueTokens

Revision = TypeVar("Revision", OrdersRevision, MetricsRevision)

VERSION = 2
# Enough for about 1,000 partitions.
MAX_CHARACTERS = field_rules.rules(WatchOrdersRequest, "after_revision").text.max_length
FORGED = "is not a revision of this stream, or it is from before an upgrade; watch again without it"


class Revisions(Generic[Revision]):
    """The revisions of one method."""

    def __init__(self, tokens: OpaqueTokens, method: str, kind: type[Revision]) -> None:
        self._tokens = tokens
        self._method = method
        self._kind: type[Revision] = kind

    def encode(self, revision: Revision) -> str:
        """Return the text of a revision; sets its version."""
        revision.version = VERSION
        return self._tokens.to_text(self._method, revision)

    def decode(self, text: str, field: str) -> Revision:
        """Parse the text of a revision. Raises InvalidRequest that names the field if it is invalid."""
        revision: Revision | None = self._tokens.from_text(text, self._method, self._kind, MAX_CHARACTERS)
        if revision is None or revision.version != VERSION:
            raise InvalidRequest([Violation(field, FORGED)])
        return revision
