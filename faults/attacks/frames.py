"""HTTP/2 frames by hand: a client that may do what a library would not."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7, 0x8
CONTINUATION = 0x9
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
CANCEL = 0x8
INITIAL_WINDOW_SIZE = 0x4
DEFAULT_WINDOW = 65_535
FRAME_BYTES = 16_384
CONNECT_SECONDS = 5.0
Headers = Sequence[tuple[str, str]]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header_block(headers: Headers) -> bytes:
    """Return headers in HPACK, as literals without indexing."""
    return b"".join(b"\0" + text(name) + text(value) for name, value in headers)


def text(value: str) -> bytes:
    """Return a string of HPACK without Huffman coding."""
    data = value.encode()
    if len(data) < 127:
        return bytes([len(data)]) + data
    rest, size = len(data) - 127, bytearray([127])
    while rest >= 128:
        size.append(rest % 128 + 128)
        rest //= 128
    return bytes([*size, rest]) + data


def get(path: str, *more: tuple[str, str]) -> Headers:
    """Return the headers of a GET request."""
    return [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path), *more]


def post(path: str, *more: tuple[str, str]) -> Headers:
    """Return the headers of a POST request with JSON."""
    head = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
    return [*head, ("content-type", "application/json"), *more]


def grpc(path: str, *more: tuple[str, str]) -> Headers:
    """Return the headers of a gRPC call."""
    head = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
    return [*head, ("content-type", "application/grpc"), ("te", "trailers"), *more]


def message(payload: bytes) -> bytes:
    """Return a gRPC message with its prefix."""
    return struct.pack(">BI", 0, len(payload)) + payload


def connect(address: tuple[str, int], source: str) -> socket.socket:
    """Return a connection to an address from a source address. Raises OSError."""
    return socket.create_connection(address, CONNECT_SECONDS, (source, 0))


@dataclass
class Connection:
    """An HTTP/2 connection; what the server sends is counted when it is read."""

    sock: socket.socket
    window: int = DEFAULT_WINDOW
    streams: int = 0
    # Of the server: its initial window of a stream, what it sent, and how streams ended.
    stream_window: int = DEFAULT_WINDOW
    windows: dict[int, int] = field(default_factory=dict)
    received_bytes: int = 0
    messages: int = 0
    ended: set[int] = field(default_factory=set)
    reset: set[int] = field(default_factory=set)
    closed: bool = False
    _rest: bytes = b""

    @classmethod
    def open(cls, address: tuple[str, int], source: str, *, stream_window: int = DEFAULT_WINDOW) -> Connection:
        """Connect, and announce the window of a stream."""
        made = cls(connect(address, source))
        made.send(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, stream_window)))
        return made

    def next_stream(self) -> int:
        """Return the id of a new stream."""
        self.streams += 1
        return 2 * self.streams - 1

    def request(self, headers: Headers, *, end: bool = True) -> int:
        """Send the headers of a request and return its stream."""
        stream = self.next_stream()
        self.windows[stream] = self.stream_window
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, header_block(headers)))
        return stream

    def send(self, data: bytes) -> None:
        """Send bytes; a connection that the server closed takes none."""
        if self.closed:
            return
        try:
            self.sock.sendall(data)
        except OSError:
            self.closed = True

    def body(self, stream: int, data: bytes, *, end: bool = True, seconds: float = 10.0) -> bool:
        """Send a body as the windows allow; return whether all was sent."""
        at = 0
        while at < len(data) and not self.closed and stream not in self.reset:
            size = min(FRAME_BYTES, len(data) - at, self.window, self.windows[stream])
            if size <= 0:
                if not self.read(seconds):
                    return False
                continue
            last = end and at + size == len(data)
            self.send(frame(DATA, END_STREAM if last else 0, stream, data[at : at + size]))
            at, self.window = at + size, self.window - size
            self.windows[stream] -= size
        return at == len(data)

    def read(self, seconds: float, *, grant: bool = False) -> bool:
        """Read what arrives within a time and handle it; `grant` opens the windows again. False: nothing arrived."""
        if self.closed or not select.select([self.sock], [], [], seconds)[0]:
            return False
        try:
            data = self.sock.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return False
        self._rest += data
        for kind, flags, stream, payload in self._frames():
            self._handle(kind, flags, stream, payload, grant)
        return True

    def _frames(self) -> Iterable[tuple[int, int, int, bytes]]:
        at = 0
        while len(self._rest) - at >= 9:
            size = int.from_bytes(self._rest[at : at + 3], "big")
            if len(self._rest) - at - 9 < size:
                break
            kind, flags, stream = struct.unpack(">BBI", self._rest[at + 3 : at + 9])
            yield kind, flags, stream, self._rest[at + 9 : at + 9 + size]
            at += 9 + size
        self._rest = self._rest[at:]

    def _handle(self, kind: int, flags: int, stream: int, payload: bytes, grant: bool) -> None:
        if kind == SETTINGS and not flags & ACK:
            self._settings(payload)
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            self._opened(stream, int.from_bytes(payload, "big"))
        elif kind == DATA:
            self.received_bytes += len(payload)
            self.messages += 1
            if grant and payload:
                size = struct.pack(">I", len(payload))
                self.send(frame(WINDOW_UPDATE, 0, 0, size) + frame(WINDOW_UPDATE, 0, stream, size))
        elif kind == RST_STREAM:
            self.reset.add(stream)
        elif kind == GOAWAY:
            self.closed = self.closed or payload[4:8] != b"\0\0\0\0"
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.ended.add(stream)

    def _opened(self, stream: int, size: int) -> None:
        if stream:
            self.windows[stream] = self.windows.get(stream, self.stream_window) + size
        else:
            self.window += size

    def _settings(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[at : at + 6])
            if name == INITIAL_WINDOW_SIZE:
                self.windows = {each: left + value - self.stream_window for each, left in self.windows.items()}
                self.stream_window = value
        self.send(frame(SETTINGS, ACK, 0))

    def close(self) -> None:
        """Close the connection."""
        self.sock.close()
