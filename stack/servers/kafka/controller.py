"""Sets the password of the brokers' own user at the controller, the one listener that needs no SCRAM user itself.

Kafka's clients do not offer this request at a controller. A folder of any age has the user afterwards.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
import ssl
import struct
from io import BufferedRWPair

from stack.machine.ports import LOOPBACK

TIMEOUT_SECONDS = 2.0
SASL_HANDSHAKE, SASL_AUTHENTICATE, ALTER_USER_SCRAM_CREDENTIALS = 17, 36, 51
SCRAM_SHA_512, ITERATIONS, SALT_BYTES = 2, 4096, 24
NOT_CONTROLLER = 41


class ControllerError(Exception):
    """The controller refused a request."""


def set_password(port: int, authority: str, login: tuple[str, str], user: str, password: str) -> bool:
    """Set the SCRAM password of a user; return False where another node is the active controller.

    `authority` is that of the controller's certificate, as PEM, empty without TLS. `login` is a user with its password,
    sent as it is: make sure that the port is the broker's. Raises OSError, ControllerError.
    """
    with connected(port, authority) as connection, connection.makefile("rwb") as file:
        request(file, SASL_HANDSHAKE, 1, string("PLAIN"))
        token = "\0".join(("", *login)).encode()
        (error,) = struct.unpack_from(">h", request(file, SASL_AUTHENTICATE, 0, struct.pack(">i", len(token)) + token))
        if error:
            raise ControllerError("the controller refuses the password of its user")
        answer = request(file, ALTER_USER_SCRAM_CREDENTIALS, 0, upsertion(user, password), flexible=True)
    # Behind tags and throttle time: one result, the user's name and the error.
    error = int.from_bytes(answer[1 + 4 + 1 + len(compact(user.encode())) :][:2], signed=True)
    if error not in (0, NOT_CONTROLLER):
        raise ControllerError(f"the controller refuses a password with error {error}")
    return error == 0


def connected(port: int, authority: str) -> socket.socket:
    """Return a connection to a controller, by TLS with an authority. Raises OSError."""
    plain = socket.create_connection((LOOPBACK, port), TIMEOUT_SECONDS)
    if not authority:
        return plain
    return ssl.create_default_context(cadata=authority).wrap_socket(plain, server_hostname=LOOPBACK)


def request(file: BufferedRWPair, key: int, version: int, body: bytes, *, flexible: bool = False) -> bytes:
    """Send one request and return the answer behind the correlation id. Raises OSError."""
    whole = struct.pack(">hhih", key, version, 1, -1) + (b"\0" if flexible else b"") + body
    file.write(struct.pack(">i", len(whole)) + whole)
    file.flush()
    size = file.read(4)
    if len(size) < 4:
        raise ConnectionError("the controller closed the connection")
    return file.read(*struct.unpack(">i", size))[4:]


def upsertion(user: str, password: str) -> bytes:
    """Return the body of a request that creates or replaces one password."""
    salt = secrets.token_bytes(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    credential = struct.pack(">bi", SCRAM_SHA_512, ITERATIONS) + compact(salt) + compact(salted)
    none, one, no_tags = b"\x01", b"\x02", b"\0"
    return none + one + compact(user.encode()) + credential + no_tags + no_tags


def string(text: str) -> bytes:
    """Return a string of Kafka's protocol."""
    return struct.pack(">h", len(text)) + text.encode()


def compact(content: bytes) -> bytes:
    """Return a compact string or compact bytes of at most 126 bytes."""
    return bytes([len(content) + 1]) + content
