"""Parses an HTTP/1.1 response from received bytes. Pure."""

import re
from dataclasses import dataclass

CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,6}")
HEAD_END = b"\r\n\r\n"
LONGEST_REPLY_BYTES = 1 << 20


class BadReply(Exception):
    """The bytes are not a supported HTTP/1.1 response."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A complete response; `closing` when the server closes the connection."""

    status: int
    body: bytes
    closing: bool


def parse_reply(received: bytes) -> HttpReply | None:
    """Return the response, None while it is incomplete. Raises BadReply when it is invalid."""
    end = received.find(HEAD_END)
    if end < 0:
        _refuse_if(len(received) > LONGEST_REPLY_BYTES, "head too long")
        return None
    head = received[:end].lower()
    _refuse_if(not head.startswith(b"http/1.1 ") or not head[9:12].isdigit(), "not HTTP/1.1")
    body = _body(head, received[end + len(HEAD_END) :])
    if body is None:
        return None
    return HttpReply(int(head[9:12]), body, _header(head, b"connection") == b"close")


def _body(head: bytes, rest: bytes) -> bytes | None:
    length = _header(head, b"content-length")
    if length is None:
        _refuse_if(_header(head, b"transfer-encoding") != b"chunked", "neither content-length nor chunked")
        return _join_chunks(rest)
    _refuse_if(not length.isdigit() or int(length) > LONGEST_REPLY_BYTES, "invalid content-length")
    return rest[: int(length)] if len(rest) >= int(length) else None


def _join_chunks(rest: bytes) -> bytes | None:
    chunks: list[bytes] = []
    position = 0
    while (line_end := rest.find(b"\r\n", position)) >= 0:
        digits = rest[position:line_end].partition(b";")[0]
        _refuse_if(not CHUNK_SIZE.fullmatch(digits), "invalid chunk")
        size = int(digits, 16)
        position = line_end + 2 + size + 2
        if len(rest) < position:
            return None
        if size == 0:
            return b"".join(chunks)
        chunks.append(rest[line_end + 2 : position - 2])
    return None


def _header(head: bytes, name: bytes) -> bytes | None:
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        return None
    start += len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else None].strip()


def _refuse_if(wrong: bool, why: str) -> None:
    if wrong:
        raise BadReply(why)
