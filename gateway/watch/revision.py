"""Revisions of watch streams: the position of a stream as base64url of a private message."""

from __future__ import annotations

from typing import TypeVar

from ordermesh.gateway.v1.watch_pb2 import WatchOrdersRequest
from ordermesh.internal.v1.revision_pb2 import (
    STREAM_METRICS,
    STREAM_ORDERS,
    STREAM_UNSPECIFIED,
    MetricsRevision,
    OrdersRevision,
)

from runtime.errors import InvalidRequest, Violation
from runtime.grpc import field_rules, opaque_token

Revision = TypeVar("Revision", OrdersRevision, MetricsRevision)

VERSION = 1
STREAMS = {OrdersRevision: STREAM_ORDERS, MetricsRevision: STREAM_METRICS}
TOPIC_ID_BYTES = 16
# Enough for about 1,000 partitions.
MAX_CHARACTERS = field_rules.rules(WatchOrdersRequest, "after_revision").text.max_length


def encode(revision: OrdersRevision | MetricsRevision) -> str:
    """Return the text of a revision; sets its version and stream."""
    revision.version = VERSION
    revision.stream = STREAMS[type(revision)]
    return opaque_token.to_text(revision)


def decode(text: str, kind: type[Revision]) -> Revision:
    """Parse the text of a revision. Raises InvalidRequest if it is invalid or of another stream."""
    revision = opaque_token.from_text(text, kind, MAX_CHARACTERS)
    if revision is None or not belongs(revision):
        violation = Violation("after_revision", "is not a revision of this stream; use one of its messages unchanged")
        raise InvalidRequest([violation])
    return revision


def belongs(revision: OrdersRevision | MetricsRevision) -> bool:
    """Return whether a revision is of this kind of stream; those of earlier versions do not name their stream."""
    if isinstance(revision, OrdersRevision):
        ids, offsets = [revision.topic_id], [*revision.next_offsets]
        formed = bool(offsets)
    else:
        ids = [name for name in (revision.order_topic_id, revision.stock_topic_id) if name]
        offsets = [*revision.order_offsets, *revision.stock_offsets]
        formed = True
    formed = formed and all(len(name) == TOPIC_ID_BYTES for name in ids) and all(at >= 0 for at in offsets)
    return formed and revision.version == VERSION and revision.stream in (STREAMS[type(revision)], STREAM_UNSPECIFIED)
