"""A stranger that listens where clients look for a broker, and writes down what they say."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from stack.machine.ports import LOOPBACK

API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE = 18, 17, 36
KNOWN = ((API_VERSIONS, 0, 0), (SASL_HANDSHAKE, 0, 1), (SASL_AUTHENTICATE, 0, 1), (3, 0, 8))
UNSUPPORTED_VERSION = 35


class Stranger:
    """Offers one SASL mechanism, and answers every token with a challenge of its own."""

    def __init__(self, mechanism: bytes) -> None:
        self.heard = bytearray()
        self._mechanism = mechanism
        self.server = socket.create_server((LOOPBACK, 0))
        self.port: int = self.server.getsockname()[1]

    def serve(self) -> None:
        """Serve one connection after the other until the server is closed."""
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as stream:
                while size := stream.read(4):
                    request = stream.read(*struct.unpack(">i", size))
                    self.heard += request
                    answer = request[4:8] + self._answer(*struct.unpack_from(">hh", request))
                    stream.write(struct.pack(">i", len(answer)) + answer)
                    stream.flush()

    def _answer(self, key: int, version: int) -> bytes:
        if key == API_VERSIONS:
            error = UNSUPPORTED_VERSION if version else 0
            return struct.pack(">hi", error, len(KNOWN)) + b"".join(struct.pack(">hhh", *one) for one in KNOWN)
        if key == SASL_HANDSHAKE:
            return struct.pack(">hih", 0, 1, len(self._mechanism)) + self._mechanism
        token = b"r=ours,s=c2FsdA==,i=4096"
        return struct.pack(">hhi", 0, -1, len(token)) + token


@contextmanager
def stranger_on_a_port(mechanism: bytes) -> Iterator[Stranger]:
    """Run a stranger in a thread."""
    stranger = Stranger(mechanism)
    thread = threading.Thread(target=stranger.serve, daemon=True)
    thread.start()
    yield stranger
    stranger.server.shutdown(socket.SHUT_RDWR)
    stranger.server.close()
    thread.join(10)
