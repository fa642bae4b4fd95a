"""A broker of one topic that lists itself among the brokers, or none at all, as one whose session ended does."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from stack.machine.ports import LOOPBACK

API_VERSIONS, METADATA = 18, 3
KNOWN = ((API_VERSIONS, 0, 0), (METADATA, 0, 2))
UNSUPPORTED_VERSION, LEADER_NOT_AVAILABLE = 35, 5
NODE, NOBODY = 1, -1
TOPIC = b"order-events"


class ForgetfulBroker:
    """Answers which versions it knows, and with its metadata; `listed` says whether it is among the brokers."""

    def __init__(self) -> None:
        self.listed = True
        self.server = socket.create_server((LOOPBACK, 0))
        self.bootstrap = f"{LOOPBACK}:{self.server.getsockname()[1]}"

    def serve(self) -> None:
        """Serve until the server is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.server.accept()
                threading.Thread(target=self._answer_all, args=(client,), daemon=True).start()

    def _answer_all(self, client: socket.socket) -> None:
        with suppress(OSError), client, client.makefile("rwb") as stream:
            while size := stream.read(4):
                self._answer(stream.read(*struct.unpack(">i", size)), stream)

    def _answer(self, request: bytes, stream: BinaryIO) -> None:
        key, version = struct.unpack_from(">hh", request)
        answer = request[4:8] + (self._metadata() if key == METADATA else versions(version))
        stream.write(struct.pack(">i", len(answer)) + answer)
        stream.flush()

    def _metadata(self) -> bytes:
        """Return the response of version 2."""
        host, port = self.bootstrap.split(":")
        own = struct.pack(">i", NODE) + text(host.encode()) + struct.pack(">ih", int(port), -1)
        brokers = struct.pack(">i", 1) + own if self.listed else struct.pack(">i", 0)
        leader, error = (NODE, 0) if self.listed else (NOBODY, LEADER_NOT_AVAILABLE)
        replicas = struct.pack(">ii", 1, NODE)
        partitions = struct.pack(">ihii", 1, error, 0, leader) + replicas + replicas
        topics = struct.pack(">ih", 1, 0) + text(TOPIC) + b"\0" + partitions
        return brokers + text(b"cluster") + struct.pack(">i", leader) + topics


def versions(asked: int) -> bytes:
    """Return the versions of requests that are known."""
    known = b"".join(struct.pack(">hhh", *one) for one in KNOWN)
    return struct.pack(">hi", UNSUPPORTED_VERSION if asked else 0, len(KNOWN)) + known


def text(value: bytes) -> bytes:
    """Return a string of the protocol."""
    return struct.pack(">h", len(value)) + value


@contextmanager
def forgetful_broker() -> Iterator[ForgetfulBroker]:
    """Run one in threads."""
    broker = ForgetfulBroker()
    thread = threading.Thread(target=broker.serve, daemon=True)
    thread.start()
    yield broker
    broker.server.shutdown(socket.SHUT_RDWR)
    broker.server.close()
    thread.join(10)
