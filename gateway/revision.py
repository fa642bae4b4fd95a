"""Revisions of watched streams: base64url of a private message that says how far a stream has come."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

from google.protobuf.message import DecodeError
from ordermesh.internal.v1.revision_pb2 import MetricsRevision, OrdersRevision

from runtime.errors import InvalidRequest, Violation

Revision = TypeVar("Revision", OrdersRevision, MetricsRevision)

VERSION = 1
# Some 1,000 partitions: a longer text is not worth decoding.
MAX_CHARACTERS = 16_384


def encode(revision: OrdersRevision | MetricsRevision) -> str:
    """Return the revision's text; its version is set here."""
    revision.version = VERSION
    return base64.urlsafe_b64encode(revision.SerializeToString()).rstrip(b"=").decode("ascii")


def decode(text: str, kind: type[Revision]) -> Revision:
    """Read a revision's text. Raises InvalidRequest when it is not ours."""
    revision = parse(text, kind)
    if revision is None or revision.version != VERSION:
        violation = Violation("after_revision", "is not a revision of this stream; give one as a message had it")
        raise InvalidRequest([violation])
    return revision


def parse(text: str, kind: type[Revision]) -> Revision | None:
    """Read the message in a text, None when there is none."""
    if len(text) > MAX_CHARACTERS:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return kind.FromString(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, DecodeError):
        return None
