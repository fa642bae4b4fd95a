"""Revisions of watched streams: base64url of a private message that says how far a stream has come."""

from __future__ import annotations

from typing import TypeVar

from ordermesh.internal.v1.revision_pb2 import MetricsRevision, OrdersRevision

from runtime import opaque
from runtime.errors import InvalidRequest, Violation

Revision = TypeVar("Revision", OrdersRevision, MetricsRevision)

VERSION = 1
# Some 1,000 partitions.
MAX_CHARACTERS = 16_384


def encode(revision: OrdersRevision | MetricsRevision) -> str:
    """Return the revision's text; its version is set here."""
    revision.version = VERSION
    return opaque.to_text(revision)


def decode(text: str, kind: type[Revision]) -> Revision:
    """Read a revision's text. Raises InvalidRequest when it is not ours."""
    revision = opaque.from_text(text, kind, MAX_CHARACTERS)
    if revision is None or revision.version != VERSION:
        violation = Violation("after_revision", "is not a revision of this stream; give one as a message had it")
        raise InvalidRequest([violation])
    return revision
