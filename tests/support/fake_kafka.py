"""Servers that are no Kafka but speak of its protocol what a test needs, in threads of their own."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from stack.machine.ports import LOOPBACK

METADATA, SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 3, 17, 18, 36
UNSUPPORTED_VERSION, LEADER_NOT_AVAILABLE = 35, 5
NODE, NOBODY = 1, -1
TOPIC = b"order-events"
Versions = tuple[tuple[int, int, int], ...]


class FakeKafka:
    """Tells which versions it knows of which requests; what it answers to others is what makes it a fake."""

    known: Versions

    def __init__(self) -> None:
        self.heard = bytearray()
        self.server = socket.create_server((LOOPBACK, 0))
        self.port: int = self.server.getsockname()[1]

    def answer(self, key: int) -> bytes:
        """Return the body of the answer to a request of a known kind."""
        raise NotImplementedError

    def serve(self) -> None:
        """Serve each connection in a thread until the server is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.server.accept()
                threading.Thread(target=self._answer_all, args=(client,), daemon=True).start()

    def _answer_all(self, client: socket.socket) -> None:
        with suppress(OSError), client, client.makefile("rwb") as stream:
            while size := stream.read(4):
                request = stream.read(*struct.unpack(">i", size))
                self.heard += request
                key, version = struct.unpack_from(">hh", request)
                answer = request[4:8] + (self._versions(version) if key == API_VERSIONS else self.answer(key))
                stream.write(struct.pack(">i", len(answer)) + answer)
                stream.flush()

    def _versions(self, asked: int) -> bytes:
        error = UNSUPPORTED_VERSION if asked else 0
        known = ((API_VERSIONS, 0, 0), *self.known)
        return struct.pack(">hi", error, len(known)) + b"".join(struct.pack(">hhh", *one) for one in known)


class Stranger(FakeKafka):
    """Listens where clients look for a broker, and writes down what they say.

    Offers one SASL mechanism, and answers every token with a challenge of its own.
    """

    known = ((SASL_HANDSHAKE, 0, 1), (SASL_AUTHENTICATE, 0, 1), (METADATA, 0, 8))

    def __init__(self, mechanism: bytes) -> None:
        super().__init__()
        self._mechanism = mechanism

    def answer(self, key: int) -> bytes:
        """Return the mechanism, or a challenge."""
        if key == SASL_HANDSHAKE:
            return struct.pack(">hi", 0, 1) + text(self._mechanism)
        token = b"r=ours,s=c2FsdA==,i=4096"
        return struct.pack(">hhi", 0, -1, len(token)) + token


class ForgetfulBroker(FakeKafka):
    """A broker of one topic that lists itself among the brokers, or none at all, as one whose session ended does."""

    known = ((METADATA, 0, 2),)

    def __init__(self) -> None:
        super().__init__()
        self.listed = True

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{LOOPBACK}:{self.port}"

    def answer(self, key: int) -> bytes:
        """Return the metadata, of version 2."""
        own = struct.pack(">i", NODE) + text(LOOPBACK.encode()) + struct.pack(">ih", self.port, -1)
        brokers = struct.pack(">i", 1) + own if self.listed else struct.pack(">i", 0)
        leader, error = (NODE, 0) if self.listed else (NOBODY, LEADER_NOT_AVAILABLE)
        replicas = struct.pack(">ii", 1, NODE)
        partitions = struct.pack(">ihii", 1, error, 0, leader) + replicas + replicas
        topics = struct.pack(">ih", 1, 0) + text(TOPIC) + b"\0" + partitions
        return brokers + text(b"cluster") + struct.pack(">i", leader) + topics


def text(value: bytes) -> bytes:
    """Return a string of the protocol."""
    return struct.pack(">h", len(value)) + value


Fake = TypeVar("Fake", bound=FakeKafka)


@contextmanager
def serving(fake: Fake) -> Iterator[Fake]:
    """Run one in threads."""
    thread = threading.Thread(target=fake.serve, daemon=True)
    thread.start()
    yield fake
    fake.server.shutdown(socket.SHUT_RDWR)
    fake.server.close()
    thread.join(10)
