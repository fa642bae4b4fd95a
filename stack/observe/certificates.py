"""By which the observed programs and those who ask them know each other: two authorities, made at each start.

A program answers only who has a certificate of the second authority. Its port is open to every account of the machine,
and to every page in a browser; what they send ends with the TLS handshake. An account that takes the port of a program
that is down has no certificate of the first authority, so it is asked nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from stack.certificates.authority import AUTHORITY_DAYS, Pair, issue, make_authority
from stack.machine.files import PRIVATE, write_private
from stack.machine.ports import LOOPBACK
from stack.observe.client_tls import CLIENT, CLIENT_KEY, CLIENTS, SERVER, SERVER_KEY, SERVERS
from stack.processes.server_account import Account, give

# For Java.
SERVER_STORE, CLIENTS_STORE = "server.p12", "clients.p12"


@dataclass(frozen=True)
class Certificates:
    """The two authorities. Their keys are in memory only."""

    servers: Pair = field(default_factory=lambda: make_authority("ordermesh observed programs"))
    clients: Pair = field(default_factory=lambda: make_authority("ordermesh observers"))
    store_password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    def let_answer(self, name: str, folder: Path, account: Account | None) -> None:
        """Write into a folder what a program needs to be asked at its port; only its account can read that."""
        pair = issue(self.servers, name, [LOOPBACK], AUTHORITY_DAYS)
        files = {SERVER: pair.certificate, SERVER_KEY: pair.key, CLIENTS: self.clients.certificate}
        write_files(folder, account, files)

    def let_java_answer(self, name: str, folder: Path, account: Account | None) -> None:
        """Write the same in the form of Java's key stores, with `store_password`."""
        pair = issue(self.servers, name, [LOOPBACK], AUTHORITY_DAYS)
        encryption = serialization.BestAvailableEncryption(self.store_password.encode())
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, None)
        trusted = pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(self.clients.certificate), b"clients")
        files = {
            SERVER_STORE: pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, None, encryption),  # type: ignore[arg-type]  # of an elliptic curve
            CLIENTS_STORE: pkcs12.serialize_java_truststore([trusted], encryption),
        }
        write_files(folder, account, files)

    def let_ask(self, name: str, folder: Path, account: Account | None) -> None:
        """Write into a folder what a program needs to ask the others; only its account can read that."""
        pair = issue(self.clients, name, [], AUTHORITY_DAYS)
        files = {CLIENT: pair.certificate, CLIENT_KEY: pair.key, SERVERS: self.servers.certificate}
        write_files(folder, account, files)


def write_files(folder: Path, account: Account | None, files: dict[str, bytes]) -> None:
    """Make a folder of an account, with private files."""
    give(folder, account, PRIVATE)
    for name, content in files.items():
        write_private(folder / name, content, None if account is None else (account.uid, account.gid))
